/** A contraction as dispatches: one, or in parts and a second pass over them where that keeps more of a GPU busy. */
import { profileOf } from '../../gpu/machine.ts';
import { Storage, type View } from '../../gpu/storage.ts';
import type { ForwardEmitter } from '../../graph/operation.ts';
import { boundsOf, type ContractionParams, contraction, depthOf } from '../../kernels/contraction/contraction.ts';
import { contractionSum, planSplit, splitCycles } from '../../kernels/contraction/split.ts';
import type { Epilogues } from '../../kernels/epilogue.ts';
import type { Capabilities } from '../../kernels/kernel.ts';
import type { Work } from './algorithm.ts';

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
 * On a rasteriser, the instructions of what the estimates of the contraction's variants count as one, by the text of the
 * bounds (none, a window's edge, spread): a sum is touched for every product, and bounds are asked lane by lane. By least
 * squares of the times of 237 contractions on lavapipe, of layers drawn by `frostline bench selection --seed 3`.
 */
const UNITS: Readonly<Record<string, readonly [number, number, number]>> = {
  broadcast: [8, 11, 12],
  registers: [12.5, 27, 31],
  plain: [60, 120, 120],
};

/** The same for each sum that is written, value by value out of an array, to a place that is looked for. */
const WRITE = 55;

function rasteriserWork(adapter: Capabilities, params: ContractionParams): Work {
  const { variant, configuration } = contraction.estimated(adapter, params);
  const { workgroups } = contraction.variants.find(({ name }) => name === variant)!;
  const unit = (UNITS[variant] ?? UNITS['plain'])[boundsOf(params)];
  const { groups, rows, columns } = params;
  return {
    instructions: unit * contraction.time(adapter, params) + WRITE * groups * rows * columns,
    streamedBytes: contraction.cost(params).bytes,
    movedBytes: 0,
    dispatches: 1,
    workgroups: workgroups(params, configuration),
  };
}

/** @param depth of a part of the sum */
export const contractionWork = (adapter: Capabilities, params: ContractionParams, depth: number): Work =>
  profileOf(adapter).unit === 'cycles'
    ? { instructions: splitCycles(adapter, params, depth), movedBytes: 0, dispatches: 1 }
    : rasteriserWork(adapter, params);

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
