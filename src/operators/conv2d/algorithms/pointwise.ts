/** A convolution of 1 x 1 taps is a product of matrices an image: y[n] = w x[n], of packed operands where that pays. */
import { epilogueOf } from '../../../graph/operation.ts';
import { emitProduct, productKernels } from '../../../graph/ops/product.ts';
import type { Conv2dShape } from '../../../kernels/conv2d/shape.ts';
import { type GemmShape, gemm } from '../../../kernels/gemm/gemm.ts';
import { panelProductTime } from '../../../kernels/gemm/panels.ts';
import { planPanels } from '../../../kernels/gemm/plan.ts';
import { bytesOf, type ConvolutionAlgorithm } from './convolution.ts';
import { contractionWork } from './implicit-gemm.ts';

function productOf({ channels, height, width, filters }: Conv2dShape): GemmShape {
  const plane = height * width;
  return {
    m: filters,
    n: plane,
    k: channels,
    a: { row: channels, column: 1 },
    b: { row: plane, column: 1 },
    cRow: plane,
  };
}

export const pointwise: ConvolutionAlgorithm<'forward'> = {
  name: 'pointwise',
  kernels: productKernels,
  obstacle({ limits }, { shape, hasBias }) {
    if (hasBias) return 'it adds no bias';
    if (shape.groups !== 1) return 'it has no groups';
    if ([...shape.kernel, ...shape.strides].some((one) => one !== 1) || shape.pads.some((pad) => pad !== 0)) {
      return 'it takes 1 x 1 taps, strides of 1 and no padding alone';
    }
    const largest = Math.max(bytesOf(shape).image, bytesOf(shape).output, shape.filters * bytesOf(shape).filter);
    return largest <= limits.maxBinding - limits.offsetAlignment
      ? undefined
      : `an image, or the weight, has ${largest} bytes, more than a binding holds`;
  },
  work(adapter, { shape }) {
    const product = productOf(shape);
    const plan = planPanels(adapter, product);
    const { instructions, movedBytes, dispatches } =
      plan === undefined
        ? contractionWork(adapter, gemm(product), 1)
        : {
            instructions: panelProductTime(plan.run, adapter.subgroupWidth),
            movedBytes: plan.a.bytes + plan.b.bytes,
            dispatches: 3,
          };
    const { batch } = shape;
    return { instructions: batch * instructions, movedBytes: batch * movedBytes, dispatches: batch * dispatches };
  },
  workspaceBytes(adapter, { shape }) {
    const plan = planPanels(adapter, productOf(shape));
    return plan === undefined ? 0 : plan.a.bytes + plan.b.bytes;
  },
  emit(emit, { shape }, { x, weight, y }) {
    const { image, output } = bytesOf(shape);
    const { relu, epilogue } = epilogueOf(emit);
    for (let n = 0; n < shape.batch; n++) {
      const views = { a: emit.value(weight).view(), b: x.view(n * image, image), c: y.view(n * output, output) };
      emitProduct(emit, { ...productOf(shape), relu }, { ...views, epilogue });
    }
  },
};
