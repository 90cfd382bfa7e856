/** What kernels say that they compute: nothing is counted as nothing but what only moves values. */
import { expect, it } from 'vitest';
import { kernelFamilies } from '../../src/operators/all.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { Random } from '../../src/random.ts';

const MOVES = [
  'cast/copy',
  'concat/copy',
  'conv2d/pad',
  'conv2d/phases',
  'conv2d/phases-backward',
  'fill/constant',
  'gemm/pack',
  'pad/forward',
  'roofline/copy',
  'transpose/forward',
];

it('every kernel counts operations but those that only move values', () => {
  const counted = new Map<string, boolean>();
  for (const { kernel, params } of kernelFamilies.flatMap((family) => family.examples(new Random(1)))) {
    const { flops, bytes } = kernel.cost(params);
    expect([kernel.name, Number.isFinite(flops) && flops >= 0 && bytes > 0]).toEqual([kernel.name, true]);
    counted.set(kernel.name, (counted.get(kernel.name) ?? false) || flops > 0);
  }
  expect([...allKernels.keys()].filter((name) => !counted.has(name))).toEqual([]);
  expect([...counted].flatMap(([name, some]) => (some ? [] : [name])).toSorted()).toEqual(MOVES);
});
