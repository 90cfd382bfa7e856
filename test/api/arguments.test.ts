/**
 * Every exported function with arguments that are none: each is refused by a FrostlineError that names what is wrong, and
 * `null`, which nothing takes, is accepted nowhere, nor an option that there is not.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as frostline from '../../src/index.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const {
  alexnetSmall,
  createModel,
  defineFamily,
  defineKernel,
  elementwise,
  exactly,
  exportOnnx,
  input,
  loadDataset,
  parametersOf,
  Random,
  relu,
} = frostline;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-arguments-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Function = (...args: never[]) => unknown;
/** Arguments that are right, made anew for each call; `call` where the function is no plain one. */
interface Valid {
  readonly args: () => unknown;
  readonly call?: Function;
}

const t = (...shape: number[]) => input('x', shape);
const u32 = (...shape: number[]) => input('labels', shape, 'u32');
const floats = (count: number) => new Float32Array(count).fill(0.5);
const unary = [() => [t(2), 'name'], 'relu', 'sigmoid', 'silu', 'hardSwish'] as const;
const small = () => alexnetSmall({ classes: 2 });
const dataset = () => loadDataset({ path: join(import.meta.dirname, '..', '..', 'samples', 'fashion-two') });
const family = () => ({ names: ['a'], examples: [1], shape: () => 1, cases: () => [] });
const weights = join(import.meta.dirname, '..', '..', 'weights', 'alexnet-small.onnx');
const doubled = `
  @group(0) @binding(0) var<storage, read> x: array<f32>;
  @group(0) @binding(1) var<storage, read_write> y: array<f32>;
  @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) i: vec3u) { y[i.x] = x[i.x]; }`;

const pool = () => [t(1, 1, 4, 4), { kernel: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0], ceilMode: false, name: 'p' }];
const statement = 'y[p.y_base + index] = x[p.x_base + index];';
const kernelSpec = () => ({
  name: 'own/copy',
  params: { count: 'u32' },
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: () => ({ flops: 0, bytes: 8 }),
  variants: elementwise(({ count }) => count!, 'p.count', statement),
});

const kernelCase = () => ({
  name: 'own/copy',
  description: 'n=4',
  kernel: defineKernel(kernelSpec() as never),
  params: { count: 4 },
  inputs: { x: floats(4) },
  outputs: { y: 4 },
  reference: () => ({ y: exactly(floats(4)) }),
});
const map = () =>
  ({
    name: 'own',
    constants: {},
    value: () => 'value',
    derivative: () => 'gradient',
    derivativeOf: 'output',
  }) as const;
const operator = () => ({
  kind: 'own:word',
  formula: 'y = x',
  attributes: {},
  parameters: {},
  inputs: 1,
  outputs: 1,
  shape: () => [[1]],
  build: () => [],
  reference: () => [],
  folds: 'never',
  onnx: { reads: {}, write() {} },
  kernels: [],
  checks: async () => ({}),
  numbered: 'always',
  detail: () => [],
});

const valid: Readonly<Record<string, Valid | (() => unknown)>> = {
  ...Object.fromEntries(unary.slice(1).map((name) => [name, unary[0]])),
  ...Object.fromEntries(
    ['add', 'subtract', 'multiply', 'divide'].map((name) => [name, () => [t(2, 3), t(2, 3), name]]),
  ),
  affine: () => [t(2, 3, 4, 4), [1, 2, 3], [1, 2, 3], 'name'],
  affineSample: () => [
    u32(3, 2, 2),
    u32(2),
    t(2, 6),
    { size: [2, 2], channels: 1, fill: 0, channelOrder: 'rgb', scale: 1, mean: [0], std: [1], name: 'name' },
  ],
  alexnet: () => [{ classes: 2, seed: 1, hidden: 4, filters: [4, 4, 4, 4, 4], weights: new Map() }],
  alexnetSmall: () => [{ classes: 2, seed: 1, hidden: 4, filters: [4, 4, 4, 4, 4], weights: new Map() }],
  vgg16: () => [{ classes: 2, seed: 1, hidden: 4, filters: [4, 4, 4, 4, 4], weights: new Map(), size: 32 }],
  apply: () => [{ name: 'own', forward() {}, backward: null }, [t(2)], [2], 'name', 'f32'],
  applyAll: () => [
    { name: 'own', forward() {}, backward: null },
    [t(2)],
    [{ shape: [2], name: 'one' }, { shape: [3] }],
  ],
  argMax: () => [t(2, 3), 'name'],
  averagePool: pool,
  maxPool: pool,
  globalAveragePool: () => [t(1, 1, 4, 4), 'name'],
  batchNormalization: () => [
    t(1, 3, 2, 2),
    ...[0, 1, 2, 3].map(() => t(3)),
    { epsilon: 1e-5, momentum: 0.9, statistics: 'running', name: 'name' },
  ],
  normalizeBatch: () => [t(2, 3, 2, 2), t(3), t(3), { epsilon: 1e-5, name: 'name' }],
  buildNetwork: () => [small(), { batch: 2, parameters: parametersOf(small()), withoutDropout: true }],
  checkAgainstReference: () => [
    {
      op: 'linear',
      inputs: { x: { shape: [1, 2], values: [1, 2] }, weight: { shape: [1, 2], values: [3, 4] } },
      output: Float32Array.of(11),
    },
  ],
  checkMutations: () => [gpu(), [kernelCase()], { 'own/copy': [{ name: 'stale', find: '= x', replace: '= 2.0 * x' }] }],
  checkKernelCases: () => [gpu(), []],
  checkReferences: () => [[], 1],
  checkWgsl: () => [
    {
      code: doubled,
      bindings: { x: { access: 'read', values: floats(4) }, y: { access: 'write', length: 4 } },
      workgroups: 4,
      params: {},
      reference: ({ x }: { x: Float32Array }) => ({ y: exactly(x) }),
    },
  ],
  choiceText: () => [{ variant: 'plain', configuration: {} }],
  clip: () => [t(2), -1, 1, 'name'],
  compile: () => [gpu(), { outputs: [relu(t(2))], training: false, keepPacked: true, gradients: [] }],
  computeMetrics: () => [
    [
      [3, 1],
      [1, 3],
    ],
  ],
  concat: () => [[t(2, 3), t(2, 4)], 'name', 1],
  confusionMatrix: () => [[0, 1], [0, 1], 2],
  conv2d: () => [
    t(1, 3, 8, 8),
    t(4, 3, 3, 3),
    t(4),
    { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], groups: 1, name: 'name' },
  ],
  countCorrect: () => [u32(2), u32(2), 'name'],
  createModel: () => [small()],
  decodeImages: { args: async () => [await dataset(), { height: 8, width: 8, indices: [0], concurrency: 1 }] },
  defineFamily: () => [family()],
  defineMap: () => [map()],
  defineOperator: {
    args: () => [operator()],
    call: (given: never) => frostline.defineOperator()(given),
  },
  defineKernel: () => [kernelSpec()],
  derivativeBefore: () => [{ before: undefined, inputs: [], value: () => undefined }],
  drawKernelCases: () => [defineFamily(family()), 1],
  dropout: () => [t(2), 0.5, 'name'],
  eachValue: () => [() => 1],
  elementwise: () => [() => 1, 'p.count', statement, ''],
  elu: () => [t(2), 1, 'name'],
  epiloguesOf: () => [{ after: undefined, combined: undefined }],
  exactly: () => [[1, 2]],
  exportModel: { args: () => [gpu(), createModel(small())] },
  exportOnnx: () => [small(), new Map()],
  flatten: () => [t(2, 3, 1, 1), 'name'],
  flatWindows: () => [gpu(), 3],
  freezePoints: () => [small()],
  freezeThrough: () => [small(), 'conv1'],
  generalMutations: () => [defineKernel(kernelSpec() as never)],
  gradcheck: () => [
    gpu(),
    ({ x }: { x: frostline.Tensor }) => relu(x),
    { x: { shape: [2], values: floats(2) } },
    { rtol: 0.01, atol: 1e-3, seed: 1, elements: 2, directions: 1, raiseException: false, training: true, blocks: 1 },
  ],
  hasDerivative: () => [{ name: 'own', derivative: 'gradient' }],
  importOnnx: () => [
    exportOnnx(small()),
    { dropout: 'auto', batchFirst: true, asItStands: false, name: 'n', outputs: 'all', inputSize: [64, 64] },
  ],
  input: () => ['x', [2], 'f32'],
  leakyRelu: () => [t(2), 0.1, 'name'],
  linear: () => [t(2, 3), t(4, 3), t(4), 'name'],
  loadDataset: () => [{ path: join(import.meta.dirname, '..', '..', 'samples', 'fashion-two') }],
  loadNetwork: () => [weights, { name: 'n' }],
  lrn: () => [t(1, 3, 4, 4), { size: 3, alpha: 1e-4, beta: 0.75, bias: 1, name: 'name' }],
  logSoftmax: () => [t(2, 3), 'name', [1, 2]],
  softmax: () => [t(2, 3), 'name', [1, 2]],
  mapFamily: () => [
    {
      name: 'own',
      kernels: frostline.defineMap(map()),
      derivativeOf: 'output',
      constants: {},
      value: (x: number) => x,
      slope: () => 1,
      units: { value: () => 1, slope: () => 1 },
      slopeSize: () => 1,
      scale: () => 1,
    },
  ],
  mapValues: () => {
    const { forward, backward, epilogue } = frostline.defineMap(map());
    return [t(2, 3), { operation: 'own', name: 'own', params: {}, forward, backward, epilogue: epilogue({}) }];
  },
  matMul: () => [t(2, 2, 3), t(2, 3, 4), 'name'],
  mutateKernel: () => [
    defineKernel(kernelSpec() as never),
    { name: 'n', find: 'x', replace: 'y', variants: ['plain'] },
  ],
  onnxField: () => ['alpha', 'float', 1],
  openExperiment: { args: () => [{}, {}, 1], call: refusing('openExperiment') },
  pad: () => [t(1, 1, 4, 4), { before: [0, 0, 1, 1], after: [0, 0, 1, 1], mode: 'constant', value: 0, name: 'name' }],
  parametersOf: () => [small()],
  parseMaskRules: () => [['fc8.*=10']],
  perElement: () => [() => 1, 'p.count', statement, ''],
  raiseLimits: { args: () => [{ 'graph-nodes': 200_001 }], call: (given: never) => frostline.raiseLimits(given)() },
  readModel: () => [weights, {}],
  readNpy: { args: () => [join(folder, 'absent.npy')], call: refusing('readNpy') },
  replaceClassifier: () => [small(), ['a', 'b'], 1],
  reshape: () => [t(2, 3), [2, 3, 1], 'name'],
  rows: () => [gpu().storage('own', 64), 4, { first: 1, count: 2 }],
  runGrid: { args: () => [gpu(), {}, {}, {}, '', {}], call: refusing('runGrid') },
  sameInOnnx: () => ['own:word', 'own.Word', { slope: frostline.onnxField('alpha', 'float', 1) }],
  timeKernels: () => [gpu(), [kernelCase()], { rounds: 1 }],
  tuneKernel: () => [gpu(), kernelCase(), { seconds: 0.001 }],
  trainOnce: { args: () => [gpu(), {}, {}, {}], call: refusing('trainOnce') },
  setMasks: () => [createModel(small()), { freeze: 2, newParameters: [], newLayerFactor: 1, rules: [] }],
  sized: () => [() => 1, () => [1], true],
  softmaxCrossEntropy: () => [t(2, 3), u32(2), [1, 1, 1], 'name', { labelSmoothing: 0 }],
  stratifiedSplit: { args: async () => [await dataset(), { trainFraction: 0.5, seed: 1 }] },
  sums: () => [() => 1],
  sumsOf: () => [(x: unknown) => x, [floats(2)], 2],
  transpose: () => [t(2, 3, 4), [0, 2, 1], 'name'],
  valuesOf: () => [new Random(1), 'normal', 4, { decades: 3, instead: 'wide' }],
  windows: () => [gpu(), 4, [16, 32], 'own: a row'],
  writeModelFile: () => [join(folder, 'model.onnx'), exportOnnx(small())],
  writeNpy: () => [join(folder, 'array.npy'), { type: 'f4', shape: [2, 2], data: floats(4) }],
  Parameter: {
    args: () => ['w', [2], floats(2), { mask: 1, decayFactor: 1 }],
    call: (...args: never[]) => {
      const parameter = new frostline.Parameter(...(args as unknown as ['w', [2], Float32Array<ArrayBuffer>]));
      parameter.place(gpu());
      parameter.release(gpu());
    },
  },
  Random: { args: () => [1, 0], call: (...args: never[]) => new Random(...(args as unknown as [1])) },
  FeatureStore: {
    args: () => [],
    call: () => new frostline.FeatureStore(),
  },
  Tensor: {
    args: () => ['w', [2], 'f32'],
    call: (...args: never[]) => new frostline.Tensor(...(args as [never, never])),
  },
  Gpu: {
    args: () => [{ limits: { maxBinding: 2 ** 20 }, kind: 'software', tuning: false, probe: false, precision: 'f32' }],
    call: async (...args: never[]) => (await frostline.Gpu.open(...args)).destroy(),
  },
  Evaluator: {
    args: () => [gpu(), {}, {}, 1],
    call: (...args: never[]) => (frostline.Evaluator.compile as Function)(...args),
  },
  TrainingStep: {
    args: () => [gpu(), {}, {}, {}],
    call: (...args: never[]) => (frostline.TrainingStep.compile as Function)(...args),
  },
};
/** Functions whose right arguments would be a whole experiment: what is asked of them is that they refuse. */
const REFUSE = new Set(['openExperiment', 'readNpy', 'runGrid', 'trainOnce', 'Evaluator', 'TrainingStep']);
/** Arguments that the library itself has made, whole. */
const MADE = new Set([
  'decodeImages 0',
  'stratifiedSplit 0',
  'drawKernelCases 0',
  'derivativeBefore 0',
  'epiloguesOf 0',
  'generalMutations 0',
  'mutateKernel 0',
]);
/** Paths that are written to: any text is one. */
const WRITTEN = new Set(['writeModelFile 0', 'writeNpy 0']);
/** What null means something for. */
const NULLABLE = new Set(['apply: backward of argument 0', 'applyAll: backward of argument 0']);
/** Which argument holds options. */
const OPTIONS: Readonly<Record<string, number>> = {
  ...{
    affineSample: 3,
    alexnet: 0,
    alexnetSmall: 0,
    averagePool: 1,
    batchNormalization: 5,
    buildNetwork: 1,
    checkWgsl: 0,
  },
  ...{ compile: 1, conv2d: 3, decodeImages: 1, gradcheck: 3, Gpu: 0, importOnnx: 1, loadDataset: 0, loadNetwork: 1 },
  ...{ lrn: 1, maxPool: 1, normalizeBatch: 3, pad: 1, Parameter: 3, setMasks: 1, softmaxCrossEntropy: 4 },
  ...{ defineMap: 0, mapFamily: 0, timeKernels: 2, tuneKernel: 2 },
  ...{ stratifiedSplit: 1, valuesOf: 3, vgg16: 0 },
};
/** Errors are thrown by them, not for them. */
const ERRORS = new Set(['DivergedError', 'FrostlineError', 'GradcheckError']);

function refusing(name: string): Function {
  return (...args) => (new Map(Object.entries(frostline)).get(name) as Function)(...args);
}

const BAD = [undefined, null, Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 'x', [], {}, true, new Float64Array(2)];

/** Of the arguments, those with one place changed: an argument, or a member of one that is plain. */
function* broken(
  name: string,
  args: readonly unknown[],
): Generator<readonly [place: string, bad: unknown, args: unknown[]]> {
  for (const [i, arg] of args.entries()) {
    const wrong = WRITTEN.has(`${name} ${i}`) ? BAD.filter((bad) => typeof bad !== 'string') : BAD;
    for (const bad of wrong) yield [`argument ${i}`, bad, args.with(i, bad)];
    if (typeof arg !== 'object' || arg === null || Object.getPrototypeOf(arg) !== Object.prototype) continue;
    if (MADE.has(`${name} ${i}`)) continue;
    for (const member of Object.keys(arg)) {
      for (const bad of BAD) yield [`${member} of argument ${i}`, bad, args.with(i, { ...arg, [member]: bad })];
    }
  }
}

async function outcome(call: Function, args: readonly unknown[]): Promise<unknown> {
  try {
    await call(...(args as never[]));
    return undefined;
  } catch (error) {
    return error;
  }
}

const functions = Object.entries(frostline)
  .filter(([name, one]) => typeof one === 'function' && !ERRORS.has(name))
  .map(([name]) => name);

function callOf(name: string): Required<Valid> {
  const entry = valid[name];
  const given: Valid = typeof entry === 'function' ? { args: entry } : entry;
  return { call: refusing(name), ...given };
}

describe('every exported function', () => {
  it('that is named here is exported', () => {
    expect(Object.keys(valid).filter((name) => !functions.includes(name))).toEqual([]);
  });

  // One that is new need not be entered above: it refuses what nothing takes.
  it.each(functions.filter((name) => !(name in valid)))('%s, of which no right arguments are known', async (name) => {
    for (const bad of [undefined, null, Number.NaN, 'x', {}]) {
      const error = await outcome(refusing(name), [bad, bad, bad]);
      expect(error, JSON.stringify(bad)).toBeInstanceOf(frostline.FrostlineError);
    }
  });

  it.each(functions.filter((name) => name in valid))('%s', async (name) => {
    const { args, call } = callOf(name);
    const make = async () => (await args()) as unknown[];
    const right = await outcome(call, await make());
    if (REFUSE.has(name)) expect(right).toBeInstanceOf(frostline.FrostlineError);
    else expect(right).toBeUndefined();
    const wrong: string[] = [];
    for (const [place, bad, changed] of broken(name, await make())) {
      const error = await outcome(call, changed);
      const what = `${place} as ${typeof bad === 'object' ? JSON.stringify(bad) : String(bad)}`;
      if (error === undefined && bad === null && !NULLABLE.has(`${name}: ${place}`)) wrong.push(`${what} is accepted`);
      if (error !== undefined && !(error instanceof frostline.FrostlineError)) wrong.push(`${what}: ${error}`);
    }
    expect(wrong).toEqual([]);
  });

  it.each(Object.entries(OPTIONS))('%s has no option of another name', async (name, at) => {
    const { args, call } = callOf(name);
    const given = (await args()) as unknown[];
    const error = await outcome(call, given.with(at, { ...(given[at] as object), strange: 1 }));
    expect(error).toBeInstanceOf(frostline.FrostlineError);
    expect(String(error)).toContain('strange');
  });
});
