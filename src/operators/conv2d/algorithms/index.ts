/** The algorithms of a convolution, the plain one first. To add one: its file, and a line of ours.ts. */

import type { Direction } from '../../../kernels/conv2d/shape.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import { type Decision, refuseUnknown, type Selected, select } from '../../algorithms/algorithm.ts';
import { byName } from '../../by-name.ts';
import {
  type Convolution,
  type ConvolutionAlgorithm,
  caseOf,
  type Left,
  type Operands,
  type Serves,
} from './convolution.ts';
import { implicitGemm, implicitGemmInSomeParts } from './implicit-gemm.ts';
import * as ours from './ours.ts';
import { winogradAtATime } from './winograd.ts';

const PARTS = [2, 4, 8, 16, 32, 64, 128];
const IMAGES = [1, 2, 4, 8, 16, 32];

const others: readonly Serves[] = Object.values(byName(ours));

const decisionOn = <D extends Direction>(direction: D): Decision<Convolution, Operands[D]> => ({
  purpose: `conv2d ${direction}`,
  algorithms: [implicitGemm(direction), ...others.flatMap((one) => one[direction] ?? [])],
  measured: [
    ...PARTS.map((parts) => implicitGemmInSomeParts(direction, parts)),
    ...IMAGES.map((images) => winogradAtATime(direction, images)),
  ],
  caseOf,
});

/** By what they compute; mapped, so that a direction cannot be left out. */
export const convolutionDecisions: { readonly [D in Direction]: Decision<Convolution, Operands[D]> } = {
  forward: decisionOn('forward'),
  'input gradient': decisionOn('input gradient'),
  'filter gradient': decisionOn('filter gradient'),
};

/** @throws FrostlineError where an algorithm is forced that convolutions have not */
export function selectConvolution<D extends Direction>(
  adapter: Capabilities,
  direction: D,
  problem: Convolution,
): Selected<ConvolutionAlgorithm<D>> {
  refuseUnknown(adapter, 'conv2d', Object.values(convolutionDecisions));
  return select(adapter, convolutionDecisions[direction], problem);
}

/** What forward, as it is chosen, leaves to the filter gradient, where that one is the quickest with it. */
export function tilesLeft(adapter: Capabilities, problem: Convolution): Left | undefined {
  const left = selectConvolution(adapter, 'forward', problem).algorithm.leaves?.(adapter, problem);
  if (left === undefined) return undefined;
  const { algorithm } = selectConvolution(adapter, 'filter gradient', { ...problem, tilesLeft: true });
  return algorithm.takesTiles === true ? left : undefined;
}
