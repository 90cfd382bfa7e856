/** A contraction as dispatches: one, or in parts and a second pass over them where that keeps more of a GPU busy. */
import { Storage, type View } from '../../gpu/storage.ts';
import { type ContractionParams, contraction, depthOf } from '../../kernels/contraction/contraction.ts';
import { contractionSum, planSplit, splitDepth } from '../../kernels/contraction/split.ts';
import type { Epilogue } from '../../kernels/epilogue.ts';
import type { ForwardEmitter } from '../operation.ts';

export interface ContractionViews {
  readonly a: View;
  readonly b: View;
  readonly c: View;
  readonly bias?: View;
  /** outputs of the ReLU before, where its derivative is to be applied */
  readonly gate?: View;
  readonly epilogue?: Epilogue;
}

export function emitContraction(
  emit: ForwardEmitter,
  params: ContractionParams,
  { a, b, c, bias, gate, epilogue }: ContractionViews,
  depth = splitDepth(emit.gpu, params),
): void {
  if (depth >= depthOf(params)) {
    emit.run(contraction, params, { a, b, bias: bias ?? a, gate: gate ?? a, c }, epilogue);
    return;
  }
  const plan = planSplit(params, depth);
  const sums = new Storage(`${c.storage.label} in parts`, plan.bytes).view();
  emit.run(contraction, plan.run, { a, b, bias: a, gate: a, c: sums });
  emit.run(contractionSum, plan.sum, { sums, bias: bias ?? sums, gate: gate ?? sums, c }, epilogue);
}
