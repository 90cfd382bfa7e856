/** The fully connected layer's kernels; rows of y and dy are longer than the window of outputs that is worked on. */
import type { Combination } from '../../kernels/epilogue.ts';
import { linearBackward } from '../../kernels/linear/backward.ts';
import { linearForward } from '../../kernels/linear/forward.ts';
import { linearInputGradient } from '../../kernels/linear/input-gradient.ts';
import { linearUpdate, linearUpdateScaled } from '../../kernels/linear/update.ts';
import { VELOCITY_SCALE } from '../../kernels/loss-scale/state.ts';
import { packStep } from '../../kernels/step.ts';
import type { Random } from '../../random.ts';
import { type Activation, activationOf, rectify, through } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { type Expected, exactly, sumsOf } from '../expected.ts';
import * as reference from '../reference/linear.ts';
import { type Kind, SMALLEST_NORMAL, valuesOf } from '../values.ts';
import { drawScaling } from './loss-scale.ts';

interface Shape {
  readonly batch: number;
  /** a multiple of four */
  readonly inputs: number;
  readonly outputs: number;
  /** outputs of other windows, between those of this one */
  readonly gap: number;
  readonly hasBias: boolean;
  readonly accumulate: boolean;
  readonly mask: number;
  /** one that follows, to the forward kernel; one before, whose outputs are x, to the others */
  readonly relu: boolean;
}

type Values = ArrayLike<number>;
type Numbers = Float32Array<ArrayBuffer>;

const RESIDUAL = { name: 'add', wgsl: 'value + operand', operand: 'place' } as const satisfies Combination;

export const linearFamily = defineFamily<Shape>({
  names: ['linear/forward', 'linear/input-gradient', 'linear/update', 'linear/update-scaled', 'linear/backward'],
  examples: [
    // Around the tiles of items, of outputs and of vectors of inputs.
    [1, 4, 1, 0],
    [8, 32, 32, 0],
    [10, 68, 37, 3],
    [17, 12, 130, 0],
    [33, 132, 19, 1],
  ].map(([batch, inputs, outputs, gap], i) => ({
    batch,
    inputs,
    outputs,
    gap,
    hasBias: i % 2 === 0,
    accumulate: i % 2 === 1,
    mask: 1 + i,
    relu: i % 3 !== 0,
  })),
  shape: (choose) => ({
    batch: choose(0, 5) === 5 ? choose(18, 35) : choose(1, 17),
    inputs: 4 * (choose(0, 5) === 5 ? choose(15, 35) : choose(1, 9)),
    outputs: choose(0, 5) === 5 ? choose(30, 70) : choose(1, 20),
    gap: choose(0, 3),
    hasBias: choose(0, 1) === 1,
    accumulate: choose(0, 1) === 1,
    mask: choose(1, 12) / 2,
    relu: choose(0, 1) === 1,
  }),
  cases({ gap, ...drawn }, kind, random): KernelCase[] {
    const shape = { ...drawn, row: drawn.outputs + gap };
    const { batch, inputs, outputs, relu } = shape;
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const aux = relu ? activationOf(random, batch * inputs) : undefined;
    const x = aux?.output ?? values(batch * inputs);
    const length = reference.lengthOf(shape);
    const [w, bias, dy] = [values(outputs * inputs), values(outputs), values(length)];
    const [untouched, start, v] = [values(length), values(x.length), values(w.length)];
    const given: Given = { x, w, bias, dy, aux };
    /** As y lies: rows of `row`. */
    const residual = values(length);
    const update = { v, ...drawRates(random) };
    const scaling = drawScaling(random);
    /** As halves, but for what another window has written. */
    const h = values(w.length);
    return [
      forwardCase(shape, given, untouched, residual, false),
      forwardCase(shape, given, untouched, residual, true),
      inputGradientCase(shape, given, start, kind),
      updateCase(shape, given, update, kind),
      scaledUpdateCase(shape, given, update, h, scaling),
      backwardCase(shape, given, update, start, kind),
    ];
  },
});

/** With the distance between rows in place of the gap. */
type Rows = Omit<Shape, 'gap'> & reference.LinearShape;

interface Given {
  readonly x: Numbers;
  readonly w: Numbers;
  readonly bias: Numbers;
  readonly dy: Numbers;
  /** the ReLU whose outputs are x */
  readonly aux: Activation | undefined;
}

const describe = ({ batch, inputs, outputs, row }: Rows) =>
  `x=[${batch},${inputs}] w=[${outputs},${inputs}] rows of ${row}`;
const afterwards = ({ accumulate, relu }: Rows) => (accumulate ? ' accumulated' : '') + (relu ? ' after relu' : '');

const backwardParams = ({ batch, inputs, outputs, row }: Rows) => ({ batch, inputs, outputs, dy_row: row });
const flagsOf = ({ accumulate, relu }: Rows) => ({ accumulate: accumulate ? 1 : 0, differentiates: relu ? 1 : 0 });

/** What differences look at: nothing between the rows. */
const forwardOf = (shape: Rows, { bias }: Given, x: Values, w: Values) =>
  reference.linear(shape, x, w, new Float64Array(reference.lengthOf(shape)), biasOf(shape, bias));
const biasOf =
  ({ hasBias }: Rows, bias: Values) =>
  (sum: number, o: number) =>
    (hasBias ? bias[o] : 0) + sum;

/** What differences are taken by: x, or the argument of the ReLU before; and x from it. */
const argumentOf = ({ x, aux }: Given) => aux?.argument ?? x;
const inputOf = ({ aux }: Given, argument: Values) => (aux ? rectify(argument) : argument);

/** @param adds the residual, by a text that follows the sum */
function forwardCase(
  shape: Rows,
  { x, w, bias }: Given,
  untouched: Numbers,
  residual: Numbers,
  adds: boolean,
): KernelCase {
  const { batch, inputs, outputs, row, hasBias, relu } = shape;
  const forward = (x: Values, w: Values, bias: Values, between: Values, residual: Values) =>
    reference.linear(shape, x, w, between, (sum, o, at) => {
      const value = (hasBias ? bias[o] : 0) + (adds ? residual[at] : 0) + sum;
      return relu ? Math.max(value, 0) : value;
    });
  return {
    name: 'linear/forward',
    description: describe(shape) + (hasBias ? '' : ' without bias') + (adds ? ' residual' : '') + (relu ? ' relu' : ''),
    kernel: linearForward,
    params: { batch, inputs, outputs, y_row: row, has_bias: hasBias ? 1 : 0, relu: relu ? 1 : 0 },
    inputs: { x, w, bias, aux: residual },
    outputs: { y: untouched },
    ...(adds && { epilogues: { combination: RESIDUAL } }),
    reference: () => ({
      y: sumsOf((...v) => forward(v[0], v[1], v[2], v[3], v[4]), [x, w, bias, untouched, residual], inputs + 2),
    }),
  };
}

const inputGradient = (shape: Rows, { aux }: Given, dy: Values, w: Values) =>
  through(aux, reference.inputGradient(shape, dy, w));

/** Onto `start` where it is accumulated. */
const expectedInputGradient = (shape: Rows, given: Given, start: Numbers): Expected =>
  sumsOf(
    (...v) => inputGradient(shape, given, v[0], v[1]).map((value, i) => value + (shape.accumulate ? v[2][i] : 0)),
    [given.dy, given.w, start],
    shape.outputs + 1,
  );

function inputGradientCase(shape: Rows, given: Given, start: Numbers, kind: Kind): KernelCase {
  const { x, w, dy } = given;
  return {
    name: 'linear/input-gradient',
    description: describe(shape) + afterwards(shape),
    kernel: linearInputGradient,
    params: { ...backwardParams(shape), ...flagsOf(shape) },
    inputs: { dy, w, x },
    outputs: { dx: shape.accumulate ? start : x.length },
    reference: () => ({ dx: expectedInputGradient(shape, given, start) }),
    derivative:
      kind === 'normal'
        ? {
            at: argumentOf(given),
            upstream: dy,
            forward: (at) => forwardOf(shape, given, inputOf(given, at), w),
            gradient: () => inputGradient(shape, given, dy, w),
          }
        : undefined,
  };
}

interface Update {
  readonly v: Numbers;
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/** As single precision holds them. */
function drawRates(random: Random): Omit<Update, 'v'> {
  const [learningRate, momentum, weightDecay] = Float32Array.of(
    random.between(1e-5, 0.1),
    random.between(0, 0.99),
    random.between(0, 0.1),
  );
  return { learningRate, momentum, weightDecay };
}

const stepOf = ({ learningRate, momentum, weightDecay }: Update) =>
  packStep({ learningRate, momentum, weightDecay, step: 3, seed: 1 });

/**
 * v' = momentum v - rate (factor g + decay w), w' = w + v', where g is the gradient of the sums of the batch.
 * @param kept the velocity is kept so many times as large
 */
function updated(
  shape: Rows,
  { x, w, dy }: Given,
  { v, learningRate, momentum, weightDecay }: Update,
  { factor, kept } = { factor: 1, kept: 1 },
): Record<'w' | 'v', Expected> {
  const rate = learningRate * shape.mask;
  const gradient = sumsOf(
    (...v) => reference.weightGradient(shape, v[0], v[1]).map((value) => factor * value),
    [dy, x],
    shape.batch,
  );
  const rows = Array.from({ length: w.length }, (_, i) => {
    const velocity = (momentum * v[i]) / kept - rate * (gradient.values[i] + weightDecay * w[i]);
    const terms = gradient.magnitudes![i] + weightDecay * Math.abs(w[i]);
    return { velocity, size: (momentum * Math.abs(v[i])) / kept + rate * terms };
  });
  const flushed = Array.from(gradient.flushed!, (value) => rate * value + 16 * SMALLEST_NORMAL);
  const units = shape.batch + 9;
  return {
    v: {
      values: rows.map(({ velocity }) => kept * velocity),
      magnitudes: rows.map(({ size }) => kept * size),
      flushed: flushed.map((value) => kept * value),
      units,
    },
    w: {
      values: rows.map(({ velocity }, i) => w[i] + velocity),
      magnitudes: rows.map(({ size }, i) => size + Math.abs(w[i])),
      flushed,
      units,
    },
  };
}

function updateCase(shape: Rows, given: Given, update: Update, kind: Kind): KernelCase {
  const { x, w, dy } = given;
  return {
    name: 'linear/update',
    description: `${describe(shape)} mask ${shape.mask}`,
    kernel: linearUpdate,
    params: { ...backwardParams(shape), mask: shape.mask, decay_factor: 1 },
    inputs: { dy, x, step: stepOf(update) },
    outputs: { w, v: update.v },
    reference: () => updated(shape, given, update),
    derivative:
      kind === 'normal'
        ? {
            at: w,
            upstream: dy,
            forward: (at) => forwardOf(shape, given, x, at),
            gradient: () => reference.weightGradient(shape, dy, x),
          }
        : undefined,
  };
}

/** @param h the copy as halves */
function scaledUpdateCase(
  shape: Rows,
  given: Given,
  update: Update,
  h: Numbers,
  { scaling, skipped, unscale }: ReturnType<typeof drawScaling>,
): KernelCase {
  const { x, w, dy } = given;
  const { v } = update;
  return {
    name: 'linear/update-scaled',
    description: `${describe(shape)} mask ${shape.mask}${skipped ? ' skipped' : ''}`,
    kernel: linearUpdateScaled,
    params: { ...backwardParams(shape), mask: shape.mask, decay_factor: 1 },
    inputs: { dy, x, step: stepOf(update), scaling },
    outputs: { w, v, h },
    reference() {
      if (skipped) return { w: exactly(w), v: exactly(v), h: exactly(h) };
      const after = updated(shape, given, update, { factor: unscale, kept: VELOCITY_SCALE });
      return { ...after, h: after.w };
    },
  };
}

function backwardCase(shape: Rows, given: Given, update: Update, start: Numbers, kind: Kind): KernelCase {
  const { x, w, dy } = given;
  return {
    name: 'linear/backward',
    description: `${describe(shape)} mask ${shape.mask}${afterwards(shape)}`,
    kernel: linearBackward,
    params: { ...backwardParams(shape), ...flagsOf(shape), mask: shape.mask, decay_factor: 1 },
    inputs: { dy, x, step: stepOf(update) },
    outputs: { w, v: update.v, dx: shape.accumulate ? start : x.length },
    reference: () => ({ ...updated(shape, given, update), dx: expectedInputGradient(shape, given, start) }),
    // Of both at once: x first, then w.
    derivative:
      kind === 'normal'
        ? {
            at: [...argumentOf(given), ...w],
            upstream: dy,
            forward: (both) =>
              forwardOf(shape, given, inputOf(given, both.subarray(0, x.length)), both.subarray(x.length)),
            gradient: () => [...inputGradient(shape, given, dy, w), ...reference.weightGradient(shape, dy, x)],
          }
        : undefined,
  };
}
