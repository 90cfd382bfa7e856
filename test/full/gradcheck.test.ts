/**
 * The gradient check where layers are as wide as in use: every convolution of AlexNet at its own size, of VGG16 on small
 * images, with narrow layers behind; and a layer of more elements than a `Set` may hold.
 */
import { expect, it } from 'vitest';
import { gradcheck } from '../../src/graph/gradcheck.ts';
import { gradcheckNetwork } from '../../src/models/gradcheck.ts';
import { alexnet, vgg16 } from '../../src/models/tables.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

it.each([
  ['AlexNet', () => alexnet({ classes: 5, seed: 1, hidden: 256 })],
  ['VGG16', () => vgg16({ classes: 5, seed: 1, size: 32, hidden: 256 })],
])('%s passes at the full width of its convolutions', async (_, make) => {
  const network = make();
  const { inputs } = await gradcheckNetwork(gpu(), network, { seed: 1, directions: 1 });
  expect(inputs.map(({ name }) => name)).toEqual(['image', ...network.parameters.keys()]);
  for (const { name, samples } of inputs) expect(samples, name).toBe(1);
});

it('samples a layer of more than 2^24 elements', async () => {
  const x = { shape: [2 ** 24 + 1], values: new Float32Array(2 ** 24 + 1).fill(1) };
  const options = { elements: 2, blocks: 0, directions: 0 };
  const report = await gradcheck(gpu(), (t) => relu(t.x), { x }, options);
  expect(report.inputs[0].samples).toBe(2);
});
