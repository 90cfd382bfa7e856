/** The fully connected layer's kernels; rows of y and dy are longer than the window of outputs that is worked on. */
import type { Combination } from '../../kernels/epilogue.ts';
import { linearBackward } from '../../kernels/linear/backward.ts';
import { linearForward } from '../../kernels/linear/forward.ts';
import { linearInputGradient } from '../../kernels/linear/input-gradient.ts';
import { linearUpdate, linearUpdateScaled } from '../../kernels/linear/update.ts';
import { VELOCITY_SCALE } from '../../kernels/loss-scale/state.ts';
import { packStep } from '../../kernels/step.ts';
import { activationOf, rectify, through } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { type Expected, exactly, sumsOf } from '../expected.ts';
import { SMALLEST_NORMAL, valuesOf } from '../values.ts';
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

const RESIDUAL = { name: 'add', wgsl: 'value + operand', operand: 'place' } as const satisfies Combination;

function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}

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
  cases({ batch, inputs, outputs, gap, hasBias, accumulate, mask, relu }, kind, random): KernelCase[] {
    const row = outputs + gap;
    const length = (batch - 1) * row + outputs;
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const aux = relu ? activationOf(random, batch * inputs) : undefined;
    const x = aux?.output ?? values(batch * inputs);
    const [w, bias, dy] = [values(outputs * inputs), values(outputs), values(length)];
    /** What differences are taken by: x, or the ReLU's argument. */
    const at = aux?.argument ?? x;
    const xOf = (at: Values) => (aux ? rectify(at) : at);
    const [untouched, start, v] = [values(length), values(x.length), values(w.length)];
    const description = `x=[${batch},${inputs}] w=[${outputs},${inputs}] rows of ${row}`;

    /** y in rows of `row`; what lies between the windows stays. */
    const forward = (x: Values, w: Values, bias: Values, between: Values, residual?: Values, rectified = false) => {
      const y = Float64Array.from(between);
      for (let n = 0; n < batch; n++)
        for (let o = 0; o < outputs; o++) {
          const at = n * row + o;
          const own = (hasBias ? bias[o] : 0) + (residual?.[at] ?? 0);
          const value = own + sum(inputs, (i) => x[n * inputs + i] * w[o * inputs + i]);
          y[at] = rectified ? Math.max(value, 0) : value;
        }
      return y;
    };
    /** As y lies: rows of `row`. */
    const residual = values(length);
    const forwardCase = (adds: boolean): KernelCase => ({
      name: 'linear/forward',
      description: description + (hasBias ? '' : ' without bias') + (adds ? ' residual' : '') + (relu ? ' relu' : ''),
      kernel: linearForward,
      params: { batch, inputs, outputs, y_row: row, has_bias: hasBias ? 1 : 0, relu: relu ? 1 : 0 },
      inputs: { x, w, bias, aux: residual },
      outputs: { y: untouched },
      ...(adds && { epilogues: { combination: RESIDUAL } }),
      reference: () => ({
        y: sumsOf(
          (...v) => forward(v[0], v[1], v[2], v[3], adds ? v[4] : undefined, relu),
          [x, w, bias, untouched, residual],
          inputs + 2,
        ),
      }),
    });
    const inputGradient = (dy: Values, w: Values) =>
      through(
        aux,
        Float64Array.from(x, (_, at) =>
          sum(outputs, (o) => dy[Math.floor(at / inputs) * row + o] * w[o * inputs + (at % inputs)]),
        ),
      );
    const weightGradient = (dy: Values, x: Values) =>
      Float64Array.from(w, (_, at) =>
        sum(batch, (n) => dy[n * row + Math.floor(at / inputs)] * x[n * inputs + (at % inputs)]),
      );

    const gradientOfInput = () =>
      sumsOf(
        (...v) => inputGradient(v[0], v[1]).map((value, i) => value + (accumulate ? v[2][i] : 0)),
        [dy, w, start],
        outputs + 1,
      );

    // As single precision holds them.
    const [learningRate, momentum, weightDecay] = Float32Array.of(
      random.between(1e-5, 0.1),
      random.between(0, 0.99),
      random.between(0, 0.1),
    );
    const step = packStep({ learningRate, momentum, weightDecay, step: 3, seed: 1 });
    const { scaling, skipped, unscale } = drawScaling(random);
    /** As halves, but for what another window has written. */
    const h = values(w.length);
    /** @param kept the velocity is kept so many times as large */
    const updated = (factor = 1, kept = 1): Record<'w' | 'v', Expected> => {
      const rate = learningRate * mask;
      const gradient = sumsOf((...v) => weightGradient(v[0], v[1]).map((value) => factor * value), [dy, x], batch);
      const rows = Array.from({ length: w.length }, (_, i) => {
        const velocity = (momentum * v[i]) / kept - rate * (gradient.values[i] + weightDecay * w[i]);
        const terms = gradient.magnitudes![i] + weightDecay * Math.abs(w[i]);
        return { velocity, size: (momentum * Math.abs(v[i])) / kept + rate * terms };
      });
      const flushed = Array.from(gradient.flushed!, (value) => rate * value + 16 * SMALLEST_NORMAL);
      const units = batch + 9;
      const velocities = rows.map(({ velocity }) => velocity);
      return {
        v: {
          values: velocities.map((velocity) => kept * velocity),
          magnitudes: rows.map(({ size }) => kept * size),
          flushed: flushed.map((value) => kept * value),
          units,
        },
        w: {
          values: velocities.map((velocity, i) => w[i] + velocity),
          magnitudes: rows.map(({ size }, i) => size + Math.abs(w[i])),
          flushed,
          units,
        },
      };
    };
    const shape = { batch, inputs, outputs, dy_row: row };
    const flags = { accumulate: accumulate ? 1 : 0, differentiates: relu ? 1 : 0 };
    const afterwards = (accumulate ? ' accumulated' : '') + (relu ? ' after relu' : '');
    return [
      forwardCase(false),
      forwardCase(true),
      {
        name: 'linear/input-gradient',
        description: description + afterwards,
        kernel: linearInputGradient,
        params: { ...shape, ...flags },
        inputs: { dy, w, x },
        outputs: { dx: accumulate ? start : x.length },
        reference: () => ({ dx: gradientOfInput() }),
        derivative:
          kind === 'normal'
            ? {
                at,
                upstream: dy,
                forward: (at) => forward(xOf(at), w, bias, new Float64Array(length)),
                gradient: () => inputGradient(dy, w),
              }
            : undefined,
      },
      {
        name: 'linear/update',
        description: `${description} mask ${mask}`,
        kernel: linearUpdate,
        params: { ...shape, mask, decay_factor: 1 },
        inputs: { dy, x, step },
        outputs: { w, v },
        reference: () => updated(),
        derivative:
          kind === 'normal'
            ? {
                at: w,
                upstream: dy,
                forward: (at) => forward(x, at, bias, new Float64Array(length)),
                gradient: () => weightGradient(dy, x),
              }
            : undefined,
      },
      {
        name: 'linear/update-scaled',
        description: `${description} mask ${mask}${skipped ? ' skipped' : ''}`,
        kernel: linearUpdateScaled,
        params: { ...shape, mask, decay_factor: 1 },
        inputs: { dy, x, step, scaling },
        outputs: { w, v, h },
        reference() {
          if (skipped) return { w: exactly(w), v: exactly(v), h: exactly(h) };
          const { w: weight, v: velocity } = updated(unscale, VELOCITY_SCALE);
          return { w: weight, v: velocity, h: weight };
        },
      },
      {
        name: 'linear/backward',
        description: `${description} mask ${mask}${afterwards}`,
        kernel: linearBackward,
        params: { ...shape, ...flags, mask, decay_factor: 1 },
        inputs: { dy, x, step },
        outputs: { w, v, dx: accumulate ? start : x.length },
        reference: () => ({ ...updated(), dx: gradientOfInput() }),
        // Of both at once: x first, then w.
        derivative:
          kind === 'normal'
            ? {
                at: [...at, ...w],
                upstream: dy,
                forward: (both) =>
                  forward(xOf(both.subarray(0, x.length)), both.subarray(x.length), bias, new Float64Array(length)),
                gradient: () => [...inputGradient(dy, w), ...weightGradient(dy, x)],
              }
            : undefined,
      },
    ];
  },
});
