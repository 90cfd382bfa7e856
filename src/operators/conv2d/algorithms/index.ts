/** The algorithms of a convolution, the plain one first. To add one: its file, and a line for each direction it serves. */
import { FrostlineError } from '../../../errors.ts';
import { type Selected, select } from '../../../graph/algorithm.ts';
import type { Direction } from '../../../kernels/conv2d/shape.ts';
import { stripsPay } from '../../../kernels/conv2d/strips/plan.ts';
import { tilesPay } from '../../../kernels/conv2d/winograd/plan.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import type { Convolution, ConvolutionAlgorithm } from './convolution.ts';
import { implicitGemm, implicitGemmInParts } from './implicit-gemm.ts';
import { pointwise } from './pointwise.ts';
import { strips } from './strips.ts';
import { winograd } from './winograd.ts';

const algorithmsFor = <D extends Direction>(
  direction: D,
): readonly [ConvolutionAlgorithm<D>, ...ConvolutionAlgorithm<D>[]] => [
  implicitGemm(direction),
  implicitGemmInParts(direction),
  strips(direction),
  winograd(direction),
];

/** By what they compute; mapped, so that a direction cannot be left out. */
export const convolutionAlgorithms: {
  readonly [D in Direction]: readonly [ConvolutionAlgorithm<D>, ...ConvolutionAlgorithm<D>[]];
} = {
  forward: [...algorithmsFor('forward'), pointwise],
  'input gradient': algorithmsFor('input gradient'),
  'filter gradient': algorithmsFor('filter gradient'),
};

const names = [...new Set(Object.values(convolutionAlgorithms).flatMap((all) => all.map(({ name }) => name)))];

export function selectConvolution<D extends Direction>(
  adapter: Capabilities,
  direction: D,
  problem: Convolution,
): Selected<ConvolutionAlgorithm<D>> {
  const purpose = `conv2d ${direction}`;
  for (const key of ['conv2d', purpose]) {
    const name = adapter.algorithms?.get(key);
    if (name !== undefined && !names.includes(name)) {
      throw new FrostlineError(`${key} has no algorithm '${name}'. It has ${names.join(', ')}.`);
    }
  }
  return select(adapter, convolutionAlgorithms[direction], problem, {
    pinned: presentChoice(adapter, direction, problem),
    purpose,
  });
}

/**
 * What the project chooses today, pinned, so that the move to one `select` changes no number. Without it the estimates
 * decide; they were measured against each other (`milliseconds`), which this order never was.
 */
function presentChoice(adapter: Capabilities, direction: Direction, { shape }: Convolution): string | undefined {
  if (tilesPay(adapter, shape, direction)) return 'winograd';
  if (stripsPay(adapter, shape)) return 'strips';
  return adapter.kind === 'hardware' ? undefined : 'implicit-gemm';
}
