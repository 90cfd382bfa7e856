/** A convolution of 1 x 1 taps is a product of matrices an image: y[n] = w x[n], of packed operands. */
import { epiloguesOf } from '../../../graph/operation.ts';
import type { Conv2dShape } from '../../../kernels/conv2d/shape.ts';
import type { GemmShape } from '../../../kernels/gemm/gemm.ts';
import { packedProduct } from '../../algorithms/product.ts';
import { bytesOf, type ConvolutionAlgorithm, operandOf, type Serves } from './convolution.ts';

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

const forward: ConvolutionAlgorithm<'forward'> = {
  name: 'pointwise',
  how: '1 x 1 taps: a product of packed matrices for each image',
  kernels: packedProduct.kernels,
  obstacle(adapter, { shape, hasBias }) {
    if (hasBias) return 'it adds no bias';
    if (shape.groups !== 1) return 'it has no groups';
    if ([...shape.kernel, ...shape.strides].some((one) => one !== 1) || shape.pads.some((pad) => pad !== 0)) {
      return 'it takes 1 x 1 taps, strides of 1 and no padding alone';
    }
    const largest = Math.max(bytesOf(shape).image, bytesOf(shape).output, shape.filters * bytesOf(shape).filter);
    return largest <= adapter.limits.maxBinding - adapter.limits.offsetAlignment
      ? packedProduct.obstacle(adapter, productOf(shape))
      : `an image, or the weight, has ${largest} bytes, more than a binding holds`;
  },
  work(adapter, { shape }) {
    // Without the bytes that it streams, as the other convolutions count.
    const { instructions, movedBytes, dispatches } = packedProduct.work(adapter, productOf(shape));
    const { batch } = shape;
    return { instructions: batch * instructions, movedBytes: batch * movedBytes, dispatches: batch * dispatches };
  },
  emit(emit, { shape }, { x, weight, y }) {
    const { image, output } = bytesOf(shape);
    const applied = epiloguesOf(emit);
    const { relu, epilogues } = applied;
    const all = { first: 0, count: shape.filters };
    for (let n = 0; n < shape.batch; n++) {
      const views = { a: emit.value(weight).view(), b: x.view(n * image, image), c: y.view(n * output, output) };
      const aux = operandOf(applied, shape, { first: n, count: 1 }, all);
      packedProduct.emit(emit, { ...productOf(shape), relu }, { ...views, aux, epilogues });
    }
  },
};

export const pointwise: Serves = { forward };
