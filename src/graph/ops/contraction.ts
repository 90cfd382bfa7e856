/** A contraction as dispatches: one, or in parts and a second pass over them where that keeps more of a GPU busy. */
import { profileOf } from '../../gpu/machine.ts';
import { Storage, type View } from '../../gpu/storage.ts';
import { type ContractionParams, contraction, depthOf } from '../../kernels/contraction/contraction.ts';
import { contractionSum, planSplit, splitCycles } from '../../kernels/contraction/split.ts';
import type { Epilogues } from '../../kernels/epilogue.ts';
import type { Capabilities } from '../../kernels/kernel.ts';
import type { Work } from '../algorithm.ts';
import type { ForwardEmitter } from '../operation.ts';

export interface ContractionViews {
  readonly a: View;
  readonly b: View;
  readonly c: View;
  readonly bias?: View;
  /** outputs of the ReLU before, where its derivative is to be applied, or the operand of a combination */
  readonly aux?: View;
  readonly epilogues?: Epilogues;
}

/**
 * On a rasteriser an accumulator of the contraction is touched for every product: in instructions, what its estimate counts
 * as one. Raced against the direct convolution on VGG16's first layer it takes 1.8 to 2.2 times their time, that is 14 to 18. With 14 the
 * estimate is 0.9 to 1.3 times off lavapipe's processor time for products of 4,096 by 1,000 with 64 to 300 items.
 */
const CONTRACTION_UNIT = 14;

/** @param depth of a part of the sum */
export function contractionWork(adapter: Capabilities, params: ContractionParams, depth: number): Work {
  const instructions =
    profileOf(adapter).unit === 'cycles'
      ? splitCycles(adapter, params, depth)
      : CONTRACTION_UNIT * contraction.time(adapter, params);
  return { instructions, movedBytes: 0, dispatches: 1 };
}

/** @param depth of a part of the sum: whoever emits has counted the work of the same one */
export function emitContraction(
  emit: ForwardEmitter,
  params: ContractionParams,
  { a, b, c, bias, aux, epilogues }: ContractionViews,
  depth: number,
): void {
  if (depth >= depthOf(params)) {
    emit.run(contraction, params, { a, b, bias: bias ?? a, aux: aux ?? a, c }, epilogues);
    return;
  }
  const plan = planSplit(params, depth);
  const sums = new Storage(`${c.storage.label} in parts`, plan.bytes).view();
  emit.run(contraction, plan.run, { a, b, bias: a, aux: a, c: sums });
  emit.run(contractionSum, plan.sum, { sums, bias: bias ?? sums, aux: aux ?? sums, c }, epilogues);
}
