/** The gradient check of whole networks: what it finds, and that it does not take kinks for a success. */
import { expect, it } from 'vitest';
import { GradcheckError } from '../../src/graph/gradcheck.ts';
import { checkedModels, gradcheckNetwork } from '../../src/models/gradcheck.ts';
import type { Network } from '../../src/models/network.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const small = (weights?: Network['parameters']) =>
  alexnetSmall({ classes: 3, seed: 5, filters: [4, 8, 8, 8, 4], hidden: 16, ...(weights && { weights }) });

it.each([...checkedModels])('%s passes with every parameter looked at', async (_, make) => {
  const network = make(1);
  const { inputs } = await gradcheckNetwork(gpu(), network, { seed: 1, directions: 1 });
  expect(inputs.map(({ name }) => name)).toEqual(['image', ...network.parameters.keys()]);
  for (const { name, samples } of inputs) expect(samples, name).toBe(1);
});

it('judges a parameter beside kinks', async () => {
  const make = checkedModels.get('alexnet-narrow')!;
  const report = await gradcheckNetwork(gpu(), make(131), { seed: 131, directions: 1 });
  expect(report.problems).toEqual([]);
  expect(report.inputs.find(({ name }) => name === 'conv3.weight')!.samples).toBe(1);
});

it('fails where differences show no derivative', async () => {
  // Too small to change what the bias alone gives.
  const value = small().parameters.get('conv1.weight')!;
  const weights = new Map([['conv1.weight', { ...value, data: new Float32Array(value.data.length).fill(1e-30) }]]);
  const report = await gradcheckNetwork(gpu(), small(weights), { directions: 1, raiseException: false });
  expect(report.problems).toContainEqual(expect.stringMatching(/^conv1\.weight \[/));
  await expect(gradcheckNetwork(gpu(), small(weights), { directions: 1 })).rejects.toThrow(GradcheckError);
});
