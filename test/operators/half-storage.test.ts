/**
 * In half precision no pass of an operator leaves an activation, or its gradient, in single precision: every operator by its
 * own random cases, between two activations that are trained through, as planned for every adapter that is known; then whole
 * networks, whose layers are large enough for what GPUs do in parts. What stays single is named here, with the reason.
 */
import { describe, expect, it } from 'vitest';
import { drawing } from '../../src/check/choose.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { machines } from '../../src/gpu/machine.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { planGraph, tapeOf } from '../../src/graph/compile.ts';
import type { GradcheckInput } from '../../src/graph/gradcheck.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input, Parameter, sizeOf, type Tensor } from '../../src/graph/tensor.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { buildNetwork, parametersOf } from '../../src/models/build.ts';
import { alexnet, vgg16 } from '../../src/models/tables.ts';
import { checkedOperators } from '../../src/operators/all.ts';
import { flatten } from '../../src/operators/reshape/graph.ts';
import { sigmoid } from '../../src/operators/sigmoid/graph.ts';
import { testSeed } from '../support/gpu.ts';
import { narrowResnet } from '../support/resnet.ts';

const OF_CHANNELS = 'one value a channel, and each of them is used for a whole plane';
const SUMMED = 'terms of a sum over what was repeated, which is rounded once, behind it';
const UNSCALED = 'the gradient before the loss is scaled, too small for halves; of the classes alone';
const TILES = 'tiles of 8 values, of filters of 5 taps, lose too much as halves; those of 6 are halves';
const PARTS = 'parts of a sum, which is rounded once, behind it';

/** By kernel and binding: what is written between kernels in single precision, and why. Values of tensors and their gradients never are. */
const SINGLE: Readonly<Record<string, string>> = {
  'batch-normalization/mean mean': OF_CHANNELS,
  'batch-normalization/variance variance': OF_CHANNELS,
  'batch-normalization/coefficients factor': OF_CHANNELS,
  'batch-normalization/coefficients offset': OF_CHANNELS,
  'bias/gradient db': PARTS,
  'binary/multiply y': SUMMED,
  'binary/divide y': SUMMED,
  'contraction c': PARTS,
  'contraction/sum c': TILES,
  'conv2d/winograd-filter panels': TILES,
  'conv2d/winograd-filter-gradient dw': 'the phases of the gradient of a weight',
  'conv2d/winograd-fused-filter-gradient dw': PARTS,
  'conv2d/winograd-gradient panels': TILES,
  'conv2d/winograd-image panels': TILES,
  'gemm/packed-batch c': TILES,
  'loss-scale/check bad': 'no activation: whether a part of a gradient is finite',
  'softmax-loss/gradient dlogits': UNSCALED,
};

const SEEN = new Set<string>();

/** What a step of these parameters writes between its kernels in f32, but for gradients of parameters. */
function writtenSingle(gpu: Gpu, loss: Tensor, parameters: Iterable<Parameter>): string[] {
  const gradients = new Set([...parameters].map(({ name }) => `gradient of ${name}`));
  const tape = tapeOf([loss]).filter(({ source }) => source !== undefined);
  const ofTensors = new Set(tape.flatMap(({ name }) => [name, `gradient of ${name}`]));
  const { dispatches } = planGraph(gpu, { loss, update: true });
  return (dispatches as KernelDispatch[]).flatMap(({ kernel, bindings }) =>
    Object.entries(kernel.bindings).flatMap(([name, { type }], i) => {
      const { access, view } = bindings[i];
      const { precision, buffer, label } = view.storage;
      // Values that the host reads, weights and their copies in other layouts have a buffer of their own.
      const isBetween = access === 'write' && buffer === undefined && !gradients.has(label);
      const what = `${kernel.name} ${name}${ofTensors.has(label) ? `: ${label}` : ''}`;
      return isBetween && precision === 'f32' && type !== 'u32' ? [what] : [];
    }),
  );
}

function expectNamed(found: readonly string[]): void {
  for (const one of found) SEEN.add(one);
  expect(found.filter((one) => SINGLE[one] === undefined)).toEqual([]);
}

/** Mean cross-entropy of whatever an operator makes. */
function lossOf(y: Tensor): Tensor {
  const logits = flatten(sigmoid(y));
  return softmaxCrossEntropy(logits, input('labels', [logits.shape[0]], 'u32'));
}

const parameter = (name: string, { shape, values }: GradcheckInput, mask: number) =>
  new Parameter(name, shape, values as Float32Array<ArrayBuffer>, { mask });

const DRAWS = 12;

describe.each(machines.map(({ name }) => name))('on %s', (adapter) => {
  const gpu = plannedGpu(adapter, { precision: 'f16' });

  it.each(checkedOperators)('$operator.kind', ({ operator, checks }) => {
    for (let draw = 0; draw < DRAWS; draw++) {
      const { attributes, inputs, parameters: drawn = {} } = checks.draw(...drawing(testSeed, draw));
      const before = Object.entries(inputs).map(([name, one]) => parameter(`before ${name}`, one, 1));
      const own = Object.entries(drawn).map(([role, one]) => {
        const mask = operator.parameters[role].kind === 'state' ? 0 : 1;
        return [role, parameter(`own ${role}`, one, mask)] as const;
      });
      // By a batch of one value a channel nothing can be normalised.
      const [{ shape }] = before;
      const byBatch = operator.kind === 'batchNormalization' && sizeOf(shape) > shape[1];
      for (const batchStatistics of byBatch ? [false, true] : [false]) {
        const [y] = operator.build({
          name: operator.kind,
          attributes,
          inputs: before.map((one) => sigmoid(one)),
          parameters: Object.fromEntries(own),
          batchStatistics,
        });
        expectNamed(writtenSingle(gpu, lossOf(y), [...before, ...own.map(([, one]) => one)]));
      }
    }
  });

  it.each([
    ['AlexNet', () => alexnet({ classes: 1000, seed: 1 })],
    ['VGG16', () => vgg16({ classes: 1000, seed: 1 })],
    ['a narrow ResNet', () => narrowResnet(6)],
  ] as const)('%s', (_, make) => {
    const network = make();
    const parameters = parametersOf(network);
    const { logits } = buildNetwork(network, { batch: 10, parameters });
    expectNamed(writtenSingle(gpu, softmaxCrossEntropy(logits, input('labels', [10], 'u32')), parameters.values()));
  });
});

it('every exemption is one that something needs', () => {
  expect([...SEEN].sort()).toEqual(Object.keys(SINGLE).sort());
});
