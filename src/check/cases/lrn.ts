import { lrnBackward, lrnForward } from '../../kernels/lrn/lrn.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { type Lrn, lrn, lrnBackwardTerms, lrnUnits } from '../reference/lrn.ts';
import { isDenormal, SMALLEST_NORMAL, valuesOf } from '../values.ts';

const shapes: [batch: number, channels: number, plane: number, size: number][] = [
  [1, 1, 1, 5],
  [2, 7, 13, 1],
  [2, 7, 13, 2],
  [1, 11, 5, 3],
  [3, 6, 67, 4],
  [2, 17, 31, 5],
  [2, 37, 5, 5],
  [1, 50, 3, 4],
  [2, 9, 7, 6],
  [2, 13, 3, 7],
  [1, 3, 10, 8],
  [1, 4, 9, 9],
  [2, 5, 4, 12],
  [1, 3, 2, 31],
];

export const lrnFamily = defineFamily<Lrn>({
  names: ['lrn/forward', 'lrn/backward'],
  // alpha = 1 makes the neighbours count; the zoo's 1e-4 would hide a wrong window.
  examples: shapes.map(([batch, channels, plane, size], i) => ({
    batch,
    channels,
    plane,
    size,
    alpha: 1,
    beta: Math.fround(i % 3 === 0 ? 0.6 : 0.75),
    bias: i % 2 === 0 ? 1 : 2,
  })),
  shape: (choose) => ({
    batch: choose(1, 17),
    // Of several segments (../../kernels/lrn/lrn.ts), too.
    channels: choose(0, 3) === 3 ? choose(18, 50) : choose(1, 17),
    plane: choose(1, 13),
    size: choose(0, 7) === 7 ? choose(10, 25) : choose(1, 9),
    alpha: choose(0, 8) / 4,
    beta: choose(0, 1) === 1 ? 0.75 : choose(1, 8) / 8,
    bias: choose(1, 8) / 4,
  }),
  cases(p, kind, random): KernelCase[] {
    const count = p.batch * p.channels * p.plane;
    // Values are squared and multiplied by one another.
    const values = () => valuesOf(random, kind, count, { decades: 12, instead: 'tiny' });
    const [x, dy] = [values(), values()];
    const description = `[${p.batch},${p.channels},${p.plane}] size ${p.size} alpha ${p.alpha} beta ${p.beta} bias ${p.bias}`;
    const power = lrnUnits(p, x);
    const backward = (relu: 0 | 1): KernelCase => {
      // Differences must not step over the ReLU's kink: one among thousands would not be noticed as one.
      const argument = kind === 'normal' && relu === 1 ? x.map((value) => value + 1e-3 * Math.sign(value)) : x;
      const input = relu === 1 ? argument.map((value) => Math.max(value, 0)) : x;
      // dL/d argument of a ReLU that gave the input. A denormal may count as 0.
      const through = (terms: ArrayLike<number>) =>
        Float64Array.from(terms, (v, i) => (relu && !(input[i] > 0) ? 0 : v));
      return {
        name: 'lrn/backward',
        description: description + (relu ? ' after relu' : ''),
        kernel: lrnBackward,
        params: { ...p, differentiates: relu },
        inputs: { x: input, dy },
        outputs: { dx: count },
        reference: () => {
          const { values, magnitudes } = lrnBackwardTerms(p, input, dy);
          // Each t may be flushed, or a product on the way to it, up to 32 times the smallest number in all; x scales it.
          const flushed = input.map(
            (value, i) =>
              SMALLEST_NORMAL * (1024 + 64 * p.alpha * p.beta * Math.abs(value)) +
              (relu && isDenormal(value) ? Math.abs(values[i]) : 0),
          );
          return { dx: { values: through(values), magnitudes, flushed, units: 2 * power + 2 * p.size + 16 } };
        },
        derivative:
          kind === 'normal'
            ? {
                at: argument,
                upstream: dy,
                forward: (at) => lrn(p, relu ? at.map((value) => Math.max(value, 0)) : at),
                gradient: () => through(lrnBackwardTerms(p, input, dy).values),
              }
            : undefined,
      };
    };
    return [
      {
        name: 'lrn/forward',
        description,
        kernel: lrnForward,
        params: { ...p },
        inputs: { x },
        outputs: { y: count },
        // s^-beta is no more than bias^-beta, 4.
        reference: () => ({ y: { values: lrn(p, x), units: power, flushed: x.map(() => 16 * SMALLEST_NORMAL) } }),
      },
      backward(0),
      backward(1),
    ];
  },
});
