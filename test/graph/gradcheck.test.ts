/** The checker itself: it passes what is right, and names what is wrong, at a kink, or senseless. */
import { describe, expect, it } from 'vitest';
import { GradcheckError, type GradcheckInput, type GradcheckReport, gradcheck } from '../../src/graph/gradcheck.ts';
import { apply } from '../../src/graph/operation.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { Parameter, type Shape, sizeOf, type Tensor } from '../../src/graph/tensor.ts';
import * as frostline from '../../src/index.ts';
import { addAccumulate } from '../../src/kernels/add/add.ts';
import { affineBackward, affineForward } from '../../src/kernels/affine/affine.ts';
import { binaryKernels, binaryParams } from '../../src/kernels/binary/binary.ts';
import { fillConstant } from '../../src/kernels/fill/fill.ts';
import { sixExtents } from '../../src/kernels/strided.ts';
import { buildNetwork } from '../../src/models/build.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { add } from '../../src/operators/arithmetic/graph.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { maxPool } from '../../src/operators/pooling/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { Random } from '../../src/random.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const random = new Random(testSeed);
const normal = (shape: Shape): GradcheckInput & { values: Float32Array } => ({
  shape,
  values: Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
});

/** y = 2 x, whose backward multiplies by `factor`, on elements from `from` on. */
function doubled(x: Tensor, factor: number): Tensor {
  return apply(
    {
      name: 'doubled',
      forward(emit) {
        emit.run(
          affineForward,
          { batch: 1, channels: 1, plane: x.size, scale_step: 0, shift_step: 0 },
          {
            x: emit.value(x).view(),
            scale: emit.constant('two', Float32Array.of(2)).view(),
            shift: emit.constant('zero', Float32Array.of(0)).view(),
            y: emit.value(emit.output).view(),
          },
        );
      },
      backward(emit) {
        emit.run(
          affineBackward,
          { batch: 1, channels: 1, plane: x.size, scale_step: 0 },
          {
            dy: emit.outputGradient.view(),
            scale: emit.constant('factor', Float32Array.of(factor)).view(),
            dx: emit.gradient(0)!.view(),
          },
        );
      },
    },
    [x],
    x.shape,
  );
}

it('passes a right derivative with an error far below the tolerance', async () => {
  const report = await gradcheck(gpu(), ({ x }) => doubled(x, 2), { x: normal([3, 17]) });
  expect(report.passed).toBe(true);
  expect(report.inputs[0]).toMatchObject({ name: 'x', samples: 26, kinks: 0, nondeterminism: 0 });
  expect(report.inputs[0].maxRelativeError).toBeLessThan(1e-3);
});

it('finds a derivative that is 1 % off, by elements and by directions, and gives both values', async () => {
  const x = normal([3, 17]);
  for (const fastMode of [false, true]) {
    const failed = await gradcheck(gpu(), (tensors) => doubled(tensors.x, 2.02), { x }, { fastMode }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(GradcheckError);
    const { worst } = (failed as GradcheckError).report.inputs[0];
    expect(worst!.analytic / worst!.numeric).toBeCloseTo(1.01, 3);
    const { largestAbsolute, largestRelative } = (failed as GradcheckError).report.inputs[0];
    expect(largestAbsolute!.absoluteError).toBeGreaterThanOrEqual(worst!.absoluteError);
    expect(largestRelative!.relativeError).toBeCloseTo(0.01 / 1.01, 3);
    for (const sample of [largestAbsolute!, largestRelative!]) {
      expect(sample.absoluteError).toBe(Math.abs(sample.analytic - sample.numeric));
      expect((sample.element ?? sample.direction ?? sample.block?.[0])! >= 0).toBe(true);
    }
    expect((failed as GradcheckError).message).toMatch(/x \[3, 17\]: .* backward gives .*, differences give/);
  }
});

it('reports instead of throwing where asked to', async () => {
  const report = await gradcheck(gpu(), ({ x }) => doubled(x, -2), { x: normal([5]) }, { raiseException: false });
  expect(report.passed).toBe(false);
  expect(report.problems).toHaveLength(1);
});

it('asks forward for the same bits in two runs', async () => {
  const sum = gpu().storage('sum of all runs', 12);
  const extents = sixExtents('x', [3]);
  const three = binaryParams(extents, extents, extents);
  /** y grows by x with every run. */
  const drifting = (x: Tensor) =>
    apply(
      {
        name: 'drifting',
        forward(emit) {
          emit.run(addAccumulate, { count: 3 }, { a: emit.value(x).view(), y: sum.view() });
          emit.run(binaryKernels.add, three, { a: sum.view(), b: sum.view(), y: emit.value(emit.output).view() });
        },
        backward(emit) {
          const zero = emit.constant('zero', new Float32Array(3)).view();
          emit.run(binaryKernels.add, three, { a: emit.outputGradient.view(), b: zero, y: emit.gradient(0)!.view() });
        },
      },
      [x],
      x.shape,
    );
  const x = { shape: [3], values: Float32Array.of(1, 2, 4) };
  const report = await gradcheck(gpu(), (tensors) => drifting(tensors.x), { x }, { raiseException: false });
  expect(report.passed).toBe(false);
  // Every run adds 2 x, whatever x it is at; the last at the given inputs is the farthest off.
  expect(report.nondeterminism).toBeGreaterThan(8);
  expect(report.problems[0]).toMatch(
    /^[3-9] runs of forward at the same inputs differ by up to [\d.]+; nondetTol is 0$/,
  );
  gpu().release(sum.buffer!);
});

it('does not pass ReLU at 0 or a tie of a pool, and passes them beside it', async () => {
  const zeros = { shape: [2, 3], values: new Float32Array(6) };
  const atKink = await gradcheck(gpu(), ({ x }) => relu(x), { x: zeros }, { raiseException: false });
  expect(atKink.passed).toBe(false);
  expect(atKink.inputs[0]).toMatchObject({ samples: 0 });
  expect(atKink.inputs[0].kinks).toBeGreaterThan(0);

  const tie = { shape: [1, 1, 2, 2], values: Float32Array.of(1, 1, 1, 1) };
  const pooled = await gradcheck(
    gpu(),
    ({ x }) => maxPool(x, { kernel: [2, 2] }),
    { x: tie },
    // A direction along which the four move alike has a derivative.
    { raiseException: false, directions: 0 },
  );
  expect(pooled.passed).toBe(false);
  expect(pooled.inputs[0].samples).toBe(0);

  const beside = { shape: [4], values: Float32Array.of(0, 0.01, -0.01, 2) };
  const partly = await gradcheck(gpu(), ({ x }) => relu(x), { x: beside }, { directions: 0 });
  expect(partly.inputs[0]).toMatchObject({ samples: 3, kinks: 1 });

  // One sample that can be judged says little of three that cannot.
  const mostly = { shape: [4], values: Float32Array.of(0, 0, 0, 2) };
  const hardly = await gradcheck(gpu(), ({ x }) => relu(x), { x: mostly }, { directions: 0, raiseException: false });
  expect(hardly.inputs[0]).toMatchObject({ samples: 1, kinks: 3 });
  expect(hardly.problems[0]).toMatch(
    /of 4 samples 1 have a derivative .*\(3 lie at a kink, 0 are hidden .*at least half/,
  );
});

it('takes the expected kink for no excuse: a wrong slope beside it fails', async () => {
  const x = { shape: [3], values: Float32Array.of(0, 1, -1) };
  const report = await gradcheck(gpu(), (t) => doubled(relu(t.x), 3), { x }, { raiseException: false });
  expect(report.passed).toBe(false);
  expect(report.inputs[0].worst!.analytic / report.inputs[0].worst!.numeric).toBeCloseTo(1.5, 3);
});

it('checks several inputs, a tensor used twice, and leaves out what needs no gradient', async () => {
  const inputs = {
    x: normal([2, 4, 6, 5]),
    w: normal([6, 2, 3, 2]),
    b: { ...normal([6]), requiresGrad: false },
  };
  const report = await gradcheck(
    gpu(),
    ({ x, w, b }) => {
      const once = conv2d(x, w, b, { groups: 2, pads: [1, 0, 1, 1] });
      return add(once, conv2d(x, w, b, { groups: 2, pads: [1, 0, 1, 1] }));
    },
    inputs,
  );
  expect(report.inputs.map(({ name }) => name)).toEqual(['x', 'w']);
});

it('checks a whole network by directions, and gives back the memory', async () => {
  const before = gpu().memory().live;
  const network = alexnetSmall({ classes: 3, seed: 5, filters: [4, 8, 8, 8, 4], hidden: 16 });
  const inputs: Record<string, GradcheckInput> = { data: normal([2, 3, 64, 64]) };
  for (const [name, { shape, data }] of network.parameters) {
    inputs[name] = { shape, values: Float32Array.from(data) };
  }
  inputs['labels'] = { shape: [2], values: Uint32Array.of(0, 2) };
  const report = await gradcheck(
    gpu(),
    (tensors) => {
      const parameters = new Map(Object.values(tensors).flatMap((t) => (t instanceof Parameter ? [[t.name, t]] : [])));
      const { logits } = buildNetwork(network, { batch: 2, parameters, image: tensors['data'] });
      return softmaxCrossEntropy(logits, tensors['labels']);
    },
    inputs,
    { fastMode: true, directions: 1, eps: 1 / 64, rtol: 1e-2 },
  );
  expect(report.inputs).toHaveLength(17);
  expect(gpu().memory().live).toBe(before);
});

it('looks at every element once where all are asked for', async () => {
  const x = normal([4, 5, 3]);
  const options = { elements: Number.POSITIVE_INFINITY, directions: 0 };
  expect((await gradcheck(gpu(), (t) => doubled(t.x, 2), { x }, options)).inputs[0].samples).toBe(60);
  // A single wrong element is met wherever it is.
  for (const wrong of [0, 17, 41, 59]) {
    const derivative = `select(2.0, 4.0, index == ${wrong}u) * v * g`;
    x.values[wrong] = 1;
    const report = await gradcheck(gpu(), (t) => square(t.x, derivative), { x }, { ...options, raiseException: false });
    expect(report.inputs[0].worst!.element).toBe(wrong);
  }
});

it('refuses what makes no sense', async () => {
  const x = normal([2]);
  const check = (inputs: Record<string, GradcheckInput>, options = {}) =>
    gradcheck(gpu(), (tensors) => relu(tensors['x']), inputs, options);
  await expect(check({ x: { shape: [3], values: x.values } })).rejects.toThrow(/x \[3\] takes 3 values; got 2/);
  await expect(check({ x: { shape: [2], values: Float32Array.of(1, Number.NaN) } })).rejects.toThrow(/NaN/);
  await expect(check({ x }, { eps: 0 })).rejects.toThrow(/eps is 0/);
  await expect(check({ x }, { fastMode: true, directions: 0 })).rejects.toThrow(/neither/);
  await expect(check({ x, unused: normal([2]) })).rejects.toThrow(/unused.*does not depend/);
});

it('refuses what a caller without types may bring', async () => {
  const x = normal([2]);
  const check = (options: object, values: unknown = x.values) =>
    gradcheck(gpu(), (t) => relu(t['x']), { x: { shape: [2], values } as GradcheckInput }, options);
  await expect(check({ nondet_tol: 0 })).rejects.toThrow('there is no option nondet_tol. There are eps, atol,');
  await expect(check({ eps: '0.1' })).rejects.toThrow("eps is '0.1'. Give a finite number above 0,");
  await expect(check({ fastMode: 1 })).rejects.toThrow('fastMode is 1. Give true or false.');
  await expect(check({ atol: Number.POSITIVE_INFINITY })).rejects.toThrow(
    'atol is Infinity. Give a finite number of 0 or more.',
  );
  await expect(check({ nondetTol: Number.NaN })).rejects.toThrow('nondetTol is NaN');
  await expect(check({ blocks: 2.5 })).rejects.toThrow('blocks is 2.5. Give a whole number of 0 or more, or Infinity.');
  await expect(check({ directions: Number.POSITIVE_INFINITY })).rejects.toThrow('directions is Infinity');
  await expect(check({ seed: -1 })).rejects.toThrow('seed is -1. Give a whole number of 0 or more.');
  for (const values of [[1, 2], Float64Array.of(1, 2), Int32Array.of(1, 2)]) {
    await expect(check({}, values)).rejects.toThrow(`the values of x are of type ${values.constructor.name}`);
  }
  await expect(gradcheck(gpu(), () => undefined as unknown as Tensor, { x })).rejects.toThrow('gives undefined');
});

it('refuses a function that reads an input without values, and takes a parameter of its own', async () => {
  const x = normal([2]);
  const other = frostline.input('other', [2]);
  await expect(gradcheck(gpu(), (t) => add(t.x, other), { x })).rejects.toThrow('reads other, which has no values');
  const constant = new Parameter('constant', [2], Float32Array.of(1, 2));
  expect((await gradcheck(gpu(), (t) => add(t.x, constant), { x })).passed).toBe(true);
  constant.release(gpu());
});

it('takes an option that is undefined for one that is left out: a wrong derivative throws', async () => {
  const options = { raiseException: undefined, eps: undefined, elements: undefined };
  await expect(gradcheck(gpu(), ({ x }) => doubled(x, 3), { x: normal([5]) }, options)).rejects.toThrow(GradcheckError);
});

/** What an author might write with the public interface: y = scale x^2, and what backward makes of v = x, g = dy. */
function square(x: frostline.Tensor, derivative: string, scale = 1): frostline.Tensor {
  const variant = (main: string) =>
    ({
      name: 'plain',
      configurations: [{}],
      workgroupSize: () => 64,
      workgroups: ({ count }: { count: number }) => Math.ceil(count / 64),
      text: () => ({ main: `if (index >= p.count) { return; }\n${main}` }),
    }) as const;
  const cost = ({ count }: { count: number }) => ({ flops: 2 * count, bytes: 8 * count });
  const forward = frostline.defineKernel({
    name: 'square/forward',
    params: { count: 'u32', scale: 'f32' },
    bindings: { x: { access: 'read' }, y: { access: 'write' } },
    variants: [variant('let v = x[p.x_base + index]; y[p.y_base + index] = p.scale * v * v;')],
    cost,
  });
  const backward = frostline.defineKernel({
    name: 'square/backward',
    params: { count: 'u32', columns: 'u32', scale: 'f32' },
    bindings: { x: { access: 'read' }, dy: { access: 'read' }, dx: { access: 'write' } },
    variants: [
      variant(`
        let v = x[p.x_base + index];
        let g = p.scale * dy[p.dy_base + index];
        let column = index % p.columns;
        dx[p.dx_base + index] = ${derivative};`),
    ],
    cost,
  });
  const operation: frostline.Operation = {
    name: 'square',
    forward(emit) {
      emit.run(forward, { count: x.size, scale }, { x: emit.value(x).view(), y: emit.value(emit.output).view() });
    },
    backward(emit) {
      emit.run(
        backward,
        { count: x.size, columns: x.shape.at(-1)!, scale },
        { x: emit.value(x).view(), dy: emit.outputGradient.view(), dx: emit.gradient(0)!.view() },
      );
    },
  };
  return frostline.apply(operation, [x], x.shape);
}

describe("an author's operation", () => {
  const check = (derivative: string, x: GradcheckInput, options: frostline.GradcheckOptions = {}, scale = 1) =>
    frostline.gradcheck(gpu(), (t) => square(t.x, derivative, scale), { x }, { raiseException: false, ...options });
  const right = '2.0 * v * g';

  it.each([0, 1, 2])('passes where it is right, at any scale (seed %i)', async (seed) => {
    for (const scale of [1, 1e6, 1e-4, 1e-12]) {
      expect((await check(right, normal([20, 30]), { seed }, scale)).problems, `scale ${scale}`).toEqual([]);
    }
  });

  it.each([
    ['the last element left out', 'select(2.0, 0.0, index + 1u == p.count) * v * g', [20, 30]],
    ['the first element doubled', 'select(2.0, 4.0, index == 0u) * v * g', [20, 30]],
    ['half of the last column of 60', 'select(2.0, 1.0, column + 1u == p.columns) * v * g', [60, 60]],
    ['the first row 10 % off', 'select(2.0, 1.8, index < p.columns) * v * g', [60, 60]],
    ['a block in the middle left out', 'select(2.0, 0.0, index / 64u == 30u) * v * g', [60, 60]],
    ['accumulated, not overwritten', 'dx[p.dx_base + index] + 2.0 * v * g', [20, 30]],
  ])('%s is reported', async (_, derivative, shape) => {
    for (let seed = 0; seed < 2; seed++) {
      const { passed } = await check(derivative, normal(shape), { seed });
      expect(passed, `seed ${seed}`).toBe(false);
    }
  });

  it('one wrong element among many is found by its block, or by looking at all', async () => {
    // Large enough to be told from rounding, whatever is drawn.
    const x = normal([20, 30]);
    x.values[317] = 2;
    const wrong = 'select(2.0, 4.0, index == 317u) * v * g';
    const all = await check(wrong, x, { elements: Number.POSITIVE_INFINITY });
    expect(all.inputs[0].worst).toMatchObject({ element: 317 });
    expect(all.inputs[0].samples).toBe(602);
    const sampled = await check(wrong, x, { elements: 0, blocks: 20 });
    expect(sampled.inputs[0].worst!.block).toEqual([300, 330]);
    expect(sampled.problems[0]).toMatch(/over elements 300 to 329 backward gives/);
  });

  it('a derivative that is not finite is named, though no sample meets it', async () => {
    const derivative = 'select(2.0 * v * g, bitcast<f32>(0x7f800000u | (p.count & 1u)), index == 317u)';
    for (const fastMode of [false, true]) {
      const { problems, inputs } = await check(derivative, normal([20, 30]), { fastMode });
      expect(inputs[0].notFinite).toBe(317);
      expect(problems).toContain('x [20, 30]: at element 317 backward gives Infinity');
    }
  });

  it('a function smaller than atol is no excuse', async () => {
    for (const derivative of ['-2.0 * v * g', '0.0 * v * g', '2.1 * v * g']) {
      const { passed, inputs } = await check(derivative, normal([20, 30]), {}, 1e-5);
      expect(passed, derivative).toBe(false);
      expect(inputs[0].worst!.allowed).toBeLessThan(1e-4);
    }
  });

  it('does not judge what rounding hides', async () => {
    const x = normal([20, 30]);
    const offset = { shape: [20, 30], values: new Float32Array(600).fill(1e4), requiresGrad: false };
    const summed = (derivative: string) =>
      gradcheck(
        gpu(),
        (t) => add(square(t.x, derivative), t.offset),
        { x, offset },
        { elements: 16, raiseException: false },
      );
    expect((await summed(right)).problems).toEqual([]);
    expect((await summed('-2.0 * v * g')).passed).toBe(false);
  });
});

/** What single precision, kinks and freezing make of a checker: each of these fooled an earlier one. */
describe('no false verdicts', () => {
  /** y = factor x with an update or a gradient as told, and how many of the gradients are written. */
  function scaled(
    x: Tensor,
    {
      derivative = 'dy[p.dy_base + index]',
      whenDifferentiated = 1,
      leavesOut = false,
      /** a second input, and what the first one's gradient is multiplied by where the second's is not asked for */
      beside = undefined as undefined | { other: Tensor; alone: number },
    } = {},
  ): Tensor {
    const kernel = (name: string, from: 'x' | 'dy', to: 'y' | 'dx', value: string) =>
      frostline.defineKernel({
        name,
        params: { count: 'u32', factor: 'f32' },
        bindings: { [from]: { access: 'read' }, [to]: { access: 'write' } } as Record<
          string,
          { access: 'read' | 'write' }
        >,
        variants: [
          {
            name: 'plain',
            configurations: [{}],
            workgroupSize: () => 64,
            workgroups: ({ count }: { count: number }) => Math.ceil(count / 64),
            text: () => ({ main: `if (index >= p.count) { return; }\n${to}[p.${to}_base + index] = ${value};` }),
          },
        ],
        cost: ({ count }) => ({ flops: count, bytes: 8 * count }),
      });
    const forward = kernel('scaled/forward', 'x', 'y', 'p.factor * x[p.x_base + index]');
    const backward = kernel('scaled/backward', 'dy', 'dx', derivative);
    return apply(
      {
        name: 'scaled',
        forward(emit) {
          const factor = emit.differentiated ? whenDifferentiated : 1;
          const views = { x: emit.value(x).view(), y: emit.value(emit.output).view() };
          emit.run(forward, { count: x.size, factor }, views);
        },
        backward(emit) {
          if (leavesOut) return;
          const dy = emit.outputGradient.view();
          const [dx, du] = [emit.gradient(0), beside && emit.gradient(1)];
          const factor = beside && du === undefined ? beside.alone : 1;
          if (dx !== undefined) emit.run(backward, { count: x.size, factor }, { dy, dx: dx.view() });
          if (du !== undefined) emit.run(fillConstant, { count: x.size, value: 0 }, { y: du.view() });
        },
      },
      beside ? [x, beside.other] : [x],
      x.shape,
    );
  }
  const quiet = { raiseException: false } as const;
  const seeds = [0, 1, 2, 3];

  it.each(seeds)('by random signs alone a tenth of the gradients that is missing shows (seed %i)', async (seed) => {
    const derivative = 'select(dy[p.dy_base + index], 0.0, index % 10u == 3u)';
    const report = await gradcheck(
      gpu(),
      (t) => scaled(t.x, { derivative }),
      { x: normal([20, 30]) },
      {
        ...quiet,
        seed,
        fastMode: true,
      },
    );
    expect(report.passed).toBe(false);
  });

  it('names a forward that computes something else when it is differentiated', async () => {
    for (const whenDifferentiated of [1.01, 1 + 2 ** -22]) {
      const report = await gradcheck(gpu(), (t) => scaled(t.x, { whenDifferentiated }), { x: normal([9]) }, quiet);
      expect(report.problems.join()).toMatch(/forward with its derivative computes .* forward alone/);
    }
  });

  it('names a gradient that is another one where nothing else is asked for, by however little', async () => {
    const inputs = { x: normal([9]), u: normal([9]) };
    const beside = (alone: number) => (t: Record<'x' | 'u', Tensor>) =>
      scaled(t.x, { derivative: 'p.factor * dy[p.dy_base + index]', beside: { other: t.u, alone } });
    expect((await gradcheck(gpu(), beside(1), inputs, quiet)).problems.join()).not.toContain('asked for alone');
    const report = await gradcheck(gpu(), beside(1 + 2 ** -22), inputs, quiet);
    expect(report.problems.join()).toContain('asked for alone, as with all else frozen, its gradient is');
  });

  it('names what is not all written: an output, a gradient, memory of its own', async () => {
    // Of 9 elements the last 4 are left as memory begins: zeros, which for ReLU-like functions would pass for right.
    type Part = 'output' | 'gradient' | 'saved';
    const partly = (x: Tensor, left?: Part) => {
      const count = (part: Part) => (part === left ? x.size - 4 : x.size);
      const copy = (emit: frostline.ForwardEmitter, from: frostline.Storage, to: frostline.Storage, part: Part) => {
        emit.run(addAccumulate, { count: count(part) }, { a: from.view(), y: to.view() });
      };
      return apply(
        {
          name: 'partly',
          forward(emit) {
            const [saved, y] = [emit.saved('x', x.bytes), emit.value(emit.output)];
            emit.run(fillConstant, { count: count('saved'), value: 0 }, { y: saved.view() });
            copy(emit, emit.value(x), saved, 'saved');
            emit.run(fillConstant, { count: count('output'), value: 0 }, { y: y.view() });
            copy(emit, saved, y, 'output');
          },
          backward(emit) {
            const dx = emit.gradient(0)!;
            emit.run(fillConstant, { count: count('gradient'), value: 0 }, { y: dx.view() });
            copy(emit, emit.outputGradient, dx, 'gradient');
          },
        },
        [x],
        x.shape,
      );
    };
    const x = normal([9]);
    expect((await gradcheck(gpu(), (t) => partly(t.x), { x }, quiet)).problems).toEqual([]);
    // All is 0 where it is not written: without the NaN these would be right, for zeros are what memory begins with.
    x.values.fill(0, 5);
    for (const left of ['output', 'saved'] as const) {
      const { problems } = await gradcheck(gpu(), (t) => partly(t.x, left), { x }, quiet);
      expect(problems[0], left).toMatch(/^forward: element 5 of the output is, or is made of, what lay in memory/);
    }
    const { problems } = await gradcheck(gpu(), (t) => partly(t.x, 'gradient'), { x }, quiet);
    expect(problems.join('\n')).toMatch(/x \[9\]: element 5 of its gradient is, or is made of, what lay in memory/);
  });

  it('takes a function that gives its input as it is; to train the loss itself is refused', async () => {
    expect((await gradcheck(gpu(), (t) => t.x, { x: normal([9]) }, quiet)).problems).toEqual([]);
    const loss = new Parameter('w', [1], Float32Array.of(1));
    await expect(frostline.compile(gpu(), { loss, update: true })).rejects.toThrow(
      'The loss is the parameter w itself',
    );
  });

  it('names a backward that is not linear in dy, and one that leaves out an input', async () => {
    const squared = { derivative: 'dy[p.dy_base + index] * dy[p.dy_base + index]' };
    const bent = await gradcheck(gpu(), (t) => scaled(t.x, squared), { x: normal([9]) }, quiet);
    expect(bent.problems.join()).toContain('backward is not linear in dy');
    const forgot = await gradcheck(gpu(), (t) => scaled(t.x, { leavesOut: true }), { x: normal([9]) }, quiet);
    expect(forgot.problems.join()).toContain('backward leaves it out: nothing writes its gradient');
  });

  it('names one of two inputs that is left out, and no graph trains what has no gradient', async () => {
    const half = (x: Tensor, u: Tensor) => {
      const whole = scaled(x, { beside: { other: u, alone: 1 } }).source!;
      const { backward } = whole.operation;
      const forgetful = {
        ...whole.operation,
        backward: (emit: frostline.BackwardEmitter) =>
          backward!({ ...emit, gradient: (i) => (i === 1 ? undefined : emit.gradient(i)) }),
      };
      return apply(forgetful, whole.inputs, x.shape);
    };
    const inputs = { x: normal([9]), u: normal([9]) };
    const report = await gradcheck(gpu(), (t) => half(t.x, t.u), inputs, quiet);
    expect(report.problems.join()).toContain('u [9]: backward leaves it out: nothing writes its gradient');

    const [x, u] = ['x', 'u'].map((name) => new Parameter(name, [1], Float32Array.of(1)));
    await expect(frostline.compile(gpu(), { loss: half(x, u), update: true })).rejects.toThrow(
      'backward gives no gradient of input 1, u, which would never be trained',
    );
    // Where it is an activation, what lies before it would stand still.
    await expect(frostline.compile(gpu(), { loss: half(x, relu(u)), update: true })).rejects.toThrow('input 1, relu');
    u.mask = 0;
    (await frostline.compile(gpu(), { loss: half(x, u), update: true })).destroy();
    for (const parameter of [x, u]) parameter.release(gpu());
  });

  it('takes no tangent for a piece: v v of a stated slope 3', async () => {
    const inputs = { x: normal([5, 3]) };
    const { values } = inputs.x;
    const tangent = (slope: (x: number) => number) => (t: Record<'x', Tensor>) => {
      const { operation } = square(t.x, '3.0 * g').source!;
      const record = (x: Float32Array) => ({
        from: Uint32Array.from(x, (_, i) => i),
        scale: Float32Array.from(x, slope),
        shift: Float32Array.from(x, (value) => value * value - slope(value) * value),
        border: new Uint8Array(x.length),
      });
      return apply({ ...operation, pieces: { rows: values.length, record } }, [t.x], t.x.shape);
    };
    const report = await gradcheck(
      gpu(),
      tangent(() => 3),
      inputs,
      quiet,
    );
    expect(report.problems.join()).toMatch(/the `pieces` of square change for \d+ of 15 outputs/);
  });

  it.each(seeds)(
    'chains of convolution and ReLU pass, and one wrong element of them does not (seed %i)',
    async (seed) => {
      const inputs = { x: normal([2, 3, 6, 6]), w: normal([4, 3, 3, 3]), u: normal([2, 4, 3, 3]) };
      const chain = ({ x, w, u }: Record<'x' | 'w' | 'u', Tensor>) =>
        relu(conv2d(relu(conv2d(x, w, undefined)), u, undefined));
      const report = await gradcheck(gpu(), chain, inputs, { ...quiet, seed, elements: 6, blocks: 3 });
      expect(report.problems).toEqual([]);
      const wrong = await gradcheck(
        gpu(),
        (t) => chain({ ...t, w: scaled(t.w, { derivative: 'select(1.0, 2.0, index == 0u) * dy[p.dy_base + index]' }) }),
        inputs,
        { ...quiet, seed, elements: 6, blocks: 3 },
      );
      expect(wrong.passed).toBe(false);
    },
  );

  it.each([300, 3_000, 30_000])('a sum that cancels by way of %i is no false alarm', async (c) => {
    const shape = [6, 7];
    const constant = (value: number) => ({ shape, values: new Float32Array(42).fill(value), requiresGrad: false });
    const inputs = { x: normal(shape), c: constant(c), minus: constant(-c) };
    for (const seed of seeds) {
      const cancelled = (derivative: string) => (t: Record<'x' | 'c' | 'minus', Tensor>) =>
        add(add(square(t.x, derivative), t.c), t.minus);
      const right = await gradcheck(gpu(), cancelled('2.0 * v * g'), inputs, { ...quiet, seed });
      // What noise hides is no error, and is said to be hidden.
      expect(
        right.problems.filter((problem) => problem.includes('backward gives')),
        `seed ${seed}`,
      ).toEqual([]);
      expect((await gradcheck(gpu(), cancelled('0.0 * v * g'), inputs, { ...quiet, seed })).passed).toBe(false);
    }
  });

  it.each([1e-3, 1e-5])('inputs of %f beside others of 1 pass', async (size) => {
    const small = normal([4]);
    small.values.forEach((value, i) => {
      small.values[i] = size * value;
    });
    for (const seed of seeds) {
      const inputs = { x: normal([2, 3, 5, 5]), w: normal([4, 3, 3, 3]), b: small };
      const report = await gradcheck(gpu(), (t) => conv2d(t.x, t.w, t.b), inputs, {
        ...quiet,
        seed,
        elements: 4,
        blocks: 1,
      });
      expect(report.problems, `seed ${seed}`).toEqual([]);
    }
  });

  it('elements over five decades pass: rounding of large ones is no error of small ones', async () => {
    const shape = [7, 9];
    const values = Float32Array.from({ length: 63 }, () => 10 ** random.between(-3, 2));
    const constant = { shape, values: new Float32Array(63).fill(1), requiresGrad: false };
    for (const seed of seeds.slice(0, 2)) {
      const inverse = (derivative?: string) => (t: Record<'x' | 'one', Tensor>) =>
        frostline.divide(t.one, scaled(t.x, { derivative }));
      const inputs = { x: { shape, values }, one: constant };
      const { problems } = await gradcheck(gpu(), inverse(), inputs, { ...quiet, seed });
      expect(problems, `seed ${seed}`).toEqual([]);
      const wrong = inverse('1.01 * dy[p.dy_base + index]');
      expect((await gradcheck(gpu(), wrong, inputs, { ...quiet, seed })).passed, `seed ${seed}`).toBe(false);
    }
  });

  it.each([1e-30, 1e-36])('weights of %f, beside a bias or alone, are no mismatch', async (size) => {
    const tiny = (shape: Shape) => {
      const { values } = normal(shape);
      return { shape, values: values.map((value) => size * value) };
    };
    const [x, w, b, u] = [normal([3, 6]), tiny([4, 6]), normal([4]), tiny([2, 4])];
    const wrong = 'select(1.0, 2.0, index == 3u) * dy[p.dy_base + index]';
    const one = (t: Record<'x' | 'w' | 'b', Tensor>) => frostline.linear(t.x, t.w, t.b);
    // The product of two vanishes, and what is hidden is called so.
    const two = (t: Record<'x' | 'w' | 'u', Tensor>) => frostline.linear(frostline.linear(t.x, t.w), t.u);
    const mismatches = ({ problems }: GradcheckReport) => problems.filter((one) => one.includes('backward gives'));
    for (const seed of seeds.slice(0, 1)) {
      const options = { ...quiet, seed, elements: 24, blocks: 1 };
      expect(mismatches(await gradcheck(gpu(), one, { x, w, b }, options)), `seed ${seed}`).toEqual([]);
      expect(mismatches(await gradcheck(gpu(), two, { x, w, u }, options)), `seed ${seed}`).toEqual([]);
      // What they are multiplied by shows at long steps: a wrong one is found.
      const doubled = (t: Record<'x' | 'w' | 'b', Tensor>) => one({ ...t, w: scaled(t.w, { derivative: wrong }) });
      const found = mismatches(await gradcheck(gpu(), doubled, { x, w, b }, options));
      expect(found.join(), `seed ${seed}`).toMatch(/^w \[4, 6\]: .* backward gives/);
    }
  });

  it('compares every run at the same inputs: one that differs in the fifth alone fails', async () => {
    const calls = gpu().storage('runs so far', 4);
    const kernel = frostline.defineKernel({
      name: 'fifth/forward',
      params: { count: 'u32' },
      bindings: { x: { access: 'read' }, calls: { access: 'write' }, y: { access: 'write' } },
      variants: [
        {
          name: 'plain',
          configurations: [{}],
          workgroupSize: () => 1,
          workgroups: () => 1,
          text: () => ({
            main: `
              let n = calls[p.calls_base] + 1.0;
              calls[p.calls_base] = n;
              for (var i = 0u; i < p.count; i++) { y[p.y_base + i] = x[p.x_base + i] + select(0.0, 0.25, n == 5.0); }`,
          }),
        },
      ],
      cost: ({ count }) => ({ flops: count, bytes: 8 * count }),
    });
    const fifth = (x: Tensor) =>
      apply(
        {
          name: 'fifth',
          forward(emit) {
            const views = { x: emit.value(x).view(), calls: calls.view(), y: emit.value(emit.output).view() };
            emit.run(kernel, { count: x.size }, views);
          },
          backward(emit) {
            emit.passOn(0, emit.outputGradient);
          },
        },
        [x],
        x.shape,
      );
    const report = await gradcheck(gpu(), (t) => fifth(t.x), { x: normal([5]) }, quiet);
    expect(report.problems.join()).toMatch(/runs of forward at the same inputs differ by up to 0\.25/);
    gpu().release(calls.buffer!);
  });

  it('finds a factor of 1.001 of a single operation by default, and at 3e-4', async () => {
    expect((await gradcheck(gpu(), (t) => square(t.x, '2.002 * v * g'), { x: normal([20, 30]) }, quiet)).passed).toBe(
      false,
    );
    const options = { ...quiet, rtol: 3e-4 };
    const report = await gradcheck(gpu(), (t) => square(t.x, '2.002 * v * g'), { x: normal([20, 30]) }, options);
    expect(report.passed).toBe(false);
    expect(
      (await gradcheck(gpu(), (t) => square(t.x, '2.0 * v * g'), { x: normal([20, 30]) }, options)).problems,
    ).toEqual([]);
  });
});
