import { defineFamily, type KernelCase } from '../../check/case.ts';
import { sumsOf } from '../../check/expected.ts';
import { isDenormal, valuesOf } from '../../check/values.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { leakyReluMap } from '../../kernels/leaky-relu/leaky-relu.ts';
import { sums } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { LeakyReluAttributes } from './graph.ts';

const family = defineFamily<{ count: number; slope: number }>({
  names: ['leaky-relu/forward', 'leaky-relu/backward'],
  examples: [1, 67, 1009].map((count) => ({ count, slope: 0.125 })),
  shape: (choose) => ({ count: choose(1, 300), slope: choose(1, 16) / 16 }),
  cases({ count, slope }, kind, random): KernelCase[] {
    const [x, dy] = [0, 1].map(() => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' }));
    const forward = (at: ArrayLike<number>) => Array.from(at, (v) => (v < 0 ? slope * v : v));
    const y = Float32Array.from(forward(x));
    const backward = (v: ArrayLike<number>) => Array.from(v, (one, i) => (y[i] > 0 ? one : slope * one));
    const common = { description: `n=${count} slope ${slope}`, params: { count, slope } };
    return [
      {
        ...common,
        name: 'leaky-relu/forward',
        kernel: leakyReluMap.forward,
        inputs: { x },
        outputs: { y: count },
        reference: () => ({ y: sumsOf((...v) => forward(v[0]), [x], 1) }),
      },
      {
        ...common,
        name: 'leaky-relu/backward',
        kernel: leakyReluMap.backward,
        inputs: { y, dy },
        outputs: { dx: count },
        reference: () => {
          const dx = sumsOf((...v) => backward(v[0]), [dy], 1);
          // A y that is taken for 0 takes the other branch.
          const flushed = Array.from(y, (one, i) => dx.flushed![i] + (isDenormal(one) ? Math.abs(dy[i]) : 0));
          return { dx: { ...dx, flushed } };
        },
        derivative: kind === 'normal' ? { at: x, upstream: dy, forward, gradient: () => backward(dy) } : undefined,
      },
    ];
  },
});

export const checks: Checks<LeakyReluAttributes> = {
  bound: sums(() => 1),
  draw: (choose, random) => ({
    attributes: { slope: choose(1, 16) / 16 },
    inputs: { x: normal(random, image(choose)) },
  }),
  torch: "lambda o, x: F.leaky_relu(x, o['slope'])",
  families: [family],
  mutations: {
    'leaky-relu/forward': [
      { name: 'sign of the comparison', find: 'value < 0.0', replace: 'value > 0.0' },
      { name: 'no leak', find: 'p.slope * value', replace: '0.0' },
      { name: 'sign of the leak', find: 'p.slope * value', replace: '-p.slope * value' },
      { name: 'the leak everywhere', find: 'value < 0.0', replace: 'true' },
      { name: 'neighbour', find: 'p.x_base + index', replace: 'p.x_base + index + 1u' },
    ],
    'leaky-relu/backward': [
      { name: 'sign of the comparison', find: 'value > 0.0', replace: 'value < 0.0' },
      { name: 'no leak', find: 'p.slope * gradient', replace: '0.0' },
      { name: 'everything passes', find: 'p.slope * gradient', replace: 'gradient' },
      { name: 'y for dy', find: 'dy[p.dy_base + index]', replace: 'y[p.y_base + index]' },
      { name: 'neighbour', find: 'p.y_base + index', replace: 'p.y_base + index + 1u' },
    ],
  },
};
