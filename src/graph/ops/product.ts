/**
 * One matrix product as dispatches: of packed operands where that pays, else the contraction on the operands as they lie.
 */
import { Storage, type View } from '../../gpu/storage.ts';
import { contraction } from '../../kernels/contraction/contraction.ts';
import { contractionSum } from '../../kernels/contraction/split.ts';
import { type GemmShape, gemm } from '../../kernels/gemm/gemm.ts';
import { panelProduct } from '../../kernels/gemm/panels.ts';
import { planPanels } from '../../kernels/gemm/plan.ts';
import { packPanels } from '../../kernels/panels/pack.ts';
import type { ForwardEmitter } from '../operation.ts';
import type { Tensor } from '../tensor.ts';
import { type ContractionViews, emitContraction } from './contraction.ts';

/** All that it may run. */
export const productKernels = [panelProduct, packPanels, contraction, contractionSum];

/**
 * C (+)= A B + bias, with the strides of `shape`.
 * @param weight the tensor that B is a part of, where it is a weight: its panels may last longer than one run
 */
export function emitProduct(emit: ForwardEmitter, shape: GemmShape, views: ContractionViews, weight?: Tensor): void {
  const plan = planPanels(emit.gpu, shape);
  const { bias = views.a, gate = views.a } = views;
  if (plan === undefined) {
    emitContraction(emit, gemm(shape), views);
    return;
  }
  const a = new Storage(`${emit.output.name} packed`, plan.a.bytes).view();
  emit.run(packPanels, plan.a.params, { w: views.a, panels: a });
  const packB = (run: ForwardEmitter['run'], panels: View) => run(packPanels, plan.b.params, { w: views.b, panels });
  let b: View;
  if (weight === undefined) {
    b = new Storage(`${emit.output.name} packed`, plan.b.bytes).view();
    packB(emit.run, b);
  } else {
    const { row, tile } = plan.b.params;
    b = emit.prepared(weight, `panels of ${tile} by ${row} from ${views.b.offset}`, plan.b.bytes, packB);
  }
  emit.run(panelProduct, plan.run, { a, b, bias, gate, c: views.c }, views.epilogue);
}
