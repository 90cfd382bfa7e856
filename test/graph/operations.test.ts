/**
 * Every operation of src/graph/cases.ts on random shapes: against PyTorch in float64, under limits so small that
 * everything is worked on in windows and folded, and by gradcheck, with failing cases made small by fast-check.
 */
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { affineSample as affineSampleReference } from '../../src/check/reference/affine-sample.ts';
import { compile } from '../../src/graph/compile.ts';
import { gradcheck } from '../../src/graph/gradcheck.ts';
import { describeCase, drawCase, type OperationCase } from '../../src/graph/operation-case.ts';
import { affineSample } from '../../src/graph/ops/affine-sample.ts';
import { input } from '../../src/graph/tensor.ts';
import { replayDropout } from '../../src/kernels/dropout/dropout.ts';
import { operationCases, torchOperations } from '../../src/operators/all.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { Random } from '../../src/random.ts';

import { choices, choicesOf } from '../support/choices.ts';
import { expectClose } from '../support/compare.ts';
import { testRuns, testSeed, useGpu } from '../support/gpu.ts';
import { hasPython, python } from '../support/oracle.ts';
import { type Outcome, runOperation, SEED } from './operations.ts';

const gpu = useGpu();
/** 960 values a binding, 49 workgroups a dispatch. */
const smallGpu = useGpu({ limits: { maxBinding: 4096, maxWorkgroups: 7 } });

const TORCH = `
import json, sys, math, torch
import torch.nn.functional as F
torch.set_num_threads(1)
def out_sizes(x, o):
    sizes = []
    for i in range(2):
        n, p = x.shape[2 + i], o['pads'][i] + o['pads'][i + 2]
        steps = (n + p - o['dilations'][i] * (o['kernel'][i] - 1) - 1) / o['strides'][i]
        m = (math.ceil(steps) if o['ceilMode'] else math.floor(steps)) + 1
        if o['ceilMode'] and (m - 1) * o['strides'][i] >= n + o['pads'][i]: m -= 1
        sizes.append(m)
    return sizes
def unfold(x, o, fill):
    "[N, C, out_h, out_w, taps] with what lies beyond the image filled"
    t, l, b, r = o['pads']; oh, ow = out_sizes(x, o); taps = []
    far = 50
    xp = F.pad(x, (l, r + far, t, b + far), value=fill)
    for ky in range(o['kernel'][0]):
        for kx in range(o['kernel'][1]):
            y0, x0 = ky * o['dilations'][0], kx * o['dilations'][1]
            taps.append(xp[:, :, y0:y0 + (oh - 1) * o['strides'][0] + 1:o['strides'][0], x0:x0 + (ow - 1) * o['strides'][1] + 1:o['strides'][1]])
    return torch.stack(taps, -1)
def average(x, o):
    inside = torch.ones_like(x)
    if o['countIncludePad']:
        t, l, b, r = o['pads']
        inside = F.pad(inside, (l, r, t, b), value=1.)
        n = unfold(inside, {**o, 'pads': [0, 0, 0, 0], 'ceilMode': o['ceilMode']}, 0.).sum(-1)
        oh, ow = out_sizes(x, o); n = n[:, :, :oh, :ow]
    else: n = unfold(inside, o, 0.).sum(-1)
    return unfold(x, o, 0.).sum(-1) / n
def lrn(x, o):
    s, c = o['size'], x.shape[1]
    sq = F.pad(x * x, (0, 0, 0, 0, (s - 1) // 2, s - 1 - (s - 1) // 2))
    return x / (o['bias'] + o['alpha'] / s * sum(sq[:, i:i + c] for i in range(s))) ** o['beta']
def conv(o, x, weight, bias=None):
    t, l, b, r = o['pads']
    return F.conv2d(F.pad(x, (l, r, t, b)), weight, bias, stride=o['strides'], dilation=o['dilations'], groups=o['groups'])
def constants(values, x):
    item = x[0].numel()
    return torch.tensor(values, dtype=torch.float64).repeat_interleave(item // len(values)).reshape(x[0].shape)
def normalise(f, o, x):
    first, end = o.get('axes', [0, x.dim() - 1])
    return f(x.flatten(first + 1, end), first + 1).reshape(x.shape)
OPS = {
    'softmaxCrossEntropy': lambda o, x, labels: F.cross_entropy(x, labels, None if o.get('classWeights') is None else torch.tensor(o['classWeights'], dtype=torch.float64)).reshape(1),
${Object.entries(torchOperations)
  .map(([name, torch]) => `    '${name}': ${torch},`)
  .join('\n')}
}
results = []
for c in json.load(sys.stdin):
    tensors = {n: torch.tensor(t['values'], dtype=torch.int64 if t['integer'] else torch.float64).reshape(t['shape']) for n, t in c['inputs'].items()}
    floats = [t.requires_grad_() for t in tensors.values() if t.dtype == torch.float64]
    y = OPS[c['operation']](c['options'], **tensors)
    # Several outputs lie side by side, a row an item.
    if not torch.is_tensor(y): y = torch.cat([one.reshape(len(one), -1) for one in y], 1)
    y.backward(torch.tensor(c['v'], dtype=torch.float64).reshape(y.shape))
    results.append({'y': y.flatten().tolist(), 'gradients': {n: t.grad.flatten().tolist() for n, t in tensors.items() if t.grad is not None}})
print(json.dumps(results))
`;

interface Expected {
  readonly y: number[];
  readonly gradients: Record<string, number[]>;
}

const normals = (random: Random, shape: readonly number[]) => ({
  shape,
  values: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
});

/** Cases whose weight passes 960 values: windows of filters, alone and with windows of images. */
function windowedCases(): OperationCase[] {
  const random = new Random(testSeed);
  const conv = (batch: number): OperationCase => {
    const options = { groups: 1, strides: [1, 2], pads: [1, 0, 0, 2], dilations: [1, 1] } as const;
    return {
      operation: 'conv2d',
      options,
      inputs: {
        x: normals(random, [batch, 7, 6, 7]),
        weight: normals(random, [31, 7, 3, 3]),
        bias: normals(random, [31]),
      },
      build: ({ x, weight, bias }) => conv2d(x, weight, bias, options),
    };
  };
  const line: OperationCase = {
    operation: 'linear',
    options: {},
    inputs: { x: normals(random, [7, 131]), weight: normals(random, [47, 131]), bias: normals(random, [47]) },
    build: ({ x, weight, bias }) => linear(x, weight, bias),
  };
  return [conv(1), conv(5), line];
}

const PER_OPERATION = 12;
const drawn = operationCases
  .filter(({ operation }) => operation !== 'dropout')
  .flatMap((cases) => Array.from({ length: PER_OPERATION }, (_, i) => drawCase(cases, testSeed, i)));

describe.skipIf(!hasPython('torch'))('values and gradients as PyTorch has them, in float64', () => {
  const cases = [...drawn, ...windowedCases()];
  for (const [limits, device] of [
    ["the adapter's limits", gpu],
    ['4096 bytes a binding, 7 workgroups a dimension', smallGpu],
  ] as const) {
    it(`${cases.length} cases under ${limits}`, async () => {
      const outcomes: Outcome[] = [];
      for (const testCase of cases) outcomes.push(await runOperation(device(), testCase));
      const expected = python<Expected[]>(
        TORCH,
        cases.map(({ operation, options, inputs }, i) => ({
          operation,
          options,
          v: Array.from(outcomes[i].v),
          inputs: Object.fromEntries(
            Object.entries(inputs).map(([name, { shape, values }]) => [
              name,
              { shape, values: Array.from(values), integer: values instanceof Uint32Array },
            ]),
          ),
        })),
        'torch',
      );
      cases.forEach((testCase, i) => {
        const label = `${describeCase(testCase)} (seed ${testSeed})`;
        // Sums of up to some hundred products of size 1.
        const tolerance = { absolute: 5e-5, relative: 1e-4 };
        expectClose(outcomes[i].y, expected[i].y, tolerance, `${label}: y`);
        expect(Object.keys(outcomes[i].gradients), label).toEqual(Object.keys(expected[i].gradients));
        for (const [name, gradient] of Object.entries(outcomes[i].gradients)) {
          expectClose(gradient, expected[i].gradients[name], tolerance, `${label}: gradient of ${name}`);
        }
      });
    });
  }
});

it('has a case of every operation that has a derivative', async () => {
  const folders = ['../../src/graph/ops/', '../../src/operators/'].map((path) => new URL(path, import.meta.url));
  const files = folders.flatMap((folder, i) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => (i === 0 ? file.endsWith('.ts') : /^[^/]+\/graph\.ts$/.test(file)))
      .map((file) => new URL(file, folder).href),
  );
  const modules = await Promise.all(files.map((file) => import(file)));
  // Parts of operations, which give no tensor, are called emit...; a rule is no function.
  const operations = modules
    .flatMap((module) => Object.entries(module as Readonly<Record<string, unknown>>))
    .flatMap(([name, one]) => (typeof one === 'function' && !name.startsWith('emit') ? [name] : []));
  const without = ['argMax', 'countCorrect', 'affineSample'];
  // The ways to work on one product are no operations, either, nor is what one of them takes.
  const found = operations.filter((name) => name !== 'contractionWork' && !/product/i.test(name));
  expect(found.sort()).toEqual([...operationCases.map(({ operation }) => operation), ...without].sort());
});

describe.each(operationCases)('$operation', (cases) => {
  it('has the same values and gradients in windows as in one piece', async () => {
    await fc.assert(
      fc.asyncProperty(choices, fc.nat(), async (list, seed) => {
        const testCase = cases.draw(choicesOf(list), new Random(seed));
        const label = describeCase(testCase);
        const whole = await runOperation(gpu(), testCase);
        const parts = await runOperation(smallGpu(), testCase);
        const tolerance = { absolute: 1e-5, relative: 1e-5 };
        expectClose(parts.y, whole.y, tolerance, `${label}: y`);
        for (const [name, gradient] of Object.entries(parts.gradients)) {
          expectClose(gradient, whole.gradients[name], tolerance, `${label}: gradient of ${name}`);
        }
      }),
      { seed: testSeed, numRuns: 8 * testRuns },
    );
  });

  it('has the derivative that differences of its values show', async () => {
    await fc.assert(
      fc.asyncProperty(choices, fc.nat(), async (list, seed) => {
        const { build, inputs } = cases.draw(choicesOf(list), new Random(seed));
        await gradcheck(gpu(), build, inputs, { seed, elements: 6, blocks: 3, directions: 1 });
      }),
      { seed: testSeed, numRuns: 5 * testRuns },
    );
  });
});

it('drops as the host replays it, in windows too', async () => {
  const shape = [3, 701];
  const x = normals(new Random(testSeed), shape);
  const testCase = drawCase(operationCases.find(({ operation }) => operation === 'dropout')!, testSeed);
  const { ratio } = testCase.options as { ratio: number };
  const mask = replayDropout({ seed: SEED, step: 3, stream: 0, ratio }, 2103);
  for (const device of [gpu, smallGpu]) {
    const { y, v, gradients } = await runOperation(device(), { ...testCase, inputs: { x } });
    expectClose(
      y,
      Array.from(x.values, (value, i) => (mask[i] * value) / (1 - ratio)),
    );
    expectClose(
      gradients['x'],
      Array.from(v, (value, i) => (mask[i] * value) / (1 - ratio)),
    );
  }
});

it('samples as the float64 reference does, in windows of images', async () => {
  const random = new Random(testSeed);
  const size = { height: 9, width: 11, outHeight: 13, outWidth: 7 };
  const look = { channelOrder: 'bgr', fill: 7, scale: 1 / 255, mean: [0.1, 0.2, 0.3], std: [1, 2, 0.5] } as const;
  const images = Uint8Array.from({ length: 4 * 2 * 9 * 11 }, () => random.integer(256));
  const source = Uint32Array.of(1, 0, 0, 1, 1);
  const transforms = Float32Array.from({ length: 30 }, () => random.between(-1, 2));
  const expected = affineSampleReference({ ...size, ...look, channels: 3 }, images, source, transforms);
  for (const device of [gpu, smallGpu]) {
    const tensors = [input('images', [2, 9, 11], 'u32'), input('source', [5], 'u32'), input('transforms', [5, 6])];
    const y = affineSample(tensors[0], tensors[1], tensors[2], { ...look, channels: 3, size: [13, 7] });
    const graph = await compile(device(), { outputs: [y] });
    [new Uint32Array(images.buffer), source, transforms].forEach((values, i) => {
      graph.write(tensors[i], values);
    });
    await graph.run();
    expectClose(await graph.read(y), expected, { absolute: 2e-4, relative: 1e-4 }, `seed ${testSeed}`);
    graph.destroy();
  }
});
