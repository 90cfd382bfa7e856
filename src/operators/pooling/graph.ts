/** Pooling as operations of tensors; the mathematics stands in ../../kernels/maxpool and ../../kernels/avgpool. */
import { checkArguments, NUMBERS, OBJECT } from '../../arguments.ts';
import { apply, derivativeBefore, hasDerivative, refuse } from '../../graph/operation.ts';
import { empty, type Pieces } from '../../graph/pieces.ts';
import { type Shape, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { rows, windows } from '../../graph/windows.ts';
import { averagePoolBackward, averagePoolForward, averagePoolParams } from '../../kernels/avgpool/avgpool.ts';
import { maxPoolBackward, maxPoolForward, maxPoolInference, maxPoolParams } from '../../kernels/maxpool/maxpool.ts';
import { RELU } from '../../kernels/relu/rule.ts';
import { shapesOf } from '../operator.ts';
import { averageRule, globalRule, type MaxPoolAttributes, maxRule, type PoolAttributes } from './rule.ts';

/** By default strides of 1, no padding, rounded down, as in ONNX. */
export interface PoolOptions extends Partial<PoolAttributes> {
  readonly kernel: readonly [number, number];
  /** max pooling only */
  readonly dilations?: readonly [number, number];
  readonly name?: string;
}

type MaxPoolShape = MaxPoolAttributes & {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
};

/** The attributes with the defaults of those that are left out, and names that there are not, which the rule refuses. */
const attributesOf = ({ strides = [1, 1], pads = [0, 0, 0, 0], ceilMode = false, name: _, ...rest }: PoolOptions) => ({
  strides,
  pads,
  ceilMode,
  ...rest,
});

function extents({ shape: [batch, channels, height, width] }: Tensor) {
  return { batch, channels, height, width };
}

/** The largest value of each window; padding never wins, ties go to the first. ONNX MaxPool. */
export function maxPool(x: Tensor, options: PoolOptions): Tensor {
  checkArguments('maxPool', { options: [options, OBJECT] });
  const { name = 'maxPool', dilations = [1, 1] } = options;
  const attributes = { ...attributesOf(options), dilations };
  const [output] = shapesOf(name, maxRule, attributes, [x]);
  const shape = { ...attributes, ...extents(x) };
  const inputBytes = x.bytes / shape.batch;
  const outputBytes = (4 * sizeOf(output)) / shape.batch;
  return apply(
    {
      name: 'maxPool',
      pieces: { rows: shape.batch, record: (values) => winners(values, shape, output) },
      fusesBefore: (_, epilogue) => hasDerivative(epilogue),
      forward(emit) {
        for (const window of windows(emit.gpu, shape.batch, [inputBytes, outputBytes], `${name}: one image`)) {
          const params = maxPoolParams({ ...shape, batch: window.count });
          const views = {
            x: rows(emit.value(x), inputBytes, window),
            y: rows(emit.value(emit.output), outputBytes, window),
          };
          if (emit.differentiated) {
            const choice = rows(emit.saved('choice', outputBytes * shape.batch), outputBytes, window);
            emit.run(
              maxPoolForward,
              { ...params, relu_before: emit.before?.code === RELU.after ? 1 : 0 },
              { ...views, choice },
            );
          } else emit.run(maxPoolInference, params, views);
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        // A ReLU's derivative stands in the winners.
        const outputs = emit.before === undefined || emit.before.code === RELU.after ? undefined : emit.value(x);
        const { epilogues } = derivativeBefore(emit);
        for (const window of windows(emit.gpu, shape.batch, [inputBytes, outputBytes], `${name}: one image`)) {
          const params = maxPoolParams({ ...shape, batch: window.count });
          const dy = rows(emit.outputGradient, outputBytes, window);
          const views = {
            dy,
            choice: rows(emit.saved('choice', outputBytes * shape.batch), outputBytes, window),
            aux: outputs === undefined ? dy : rows(outputs, inputBytes, window),
            dx: rows(dx, inputBytes, window),
          };
          emit.run(maxPoolBackward, { ...params, differentiates: outputs === undefined ? 0 : 1 }, views, epilogues);
        }
      },
    },
    [x],
    output,
    name,
  );
}

/** The first of the largest values of each window; where several are the largest, there is no derivative. */
function winners(x: Float32Array, shape: MaxPoolShape, [, , outHeight, outWidth]: Shape): Pieces {
  const { batch, channels, height, width, kernel, strides, pads, dilations } = shape;
  const pieces = empty(batch * channels * outHeight * outWidth);
  for (let o = 0; o < pieces.from.length; o++) {
    const plane = Math.floor(o / (outHeight * outWidth)) * height * width;
    const [oy, ox] = [Math.floor(o / outWidth) % outHeight, o % outWidth];
    let best = Number.NEGATIVE_INFINITY;
    for (let ky = 0; ky < kernel[0]; ky++) {
      const iy = oy * strides[0] - pads[0] + ky * dilations[0];
      if (iy < 0 || iy >= height) continue;
      for (let kx = 0; kx < kernel[1]; kx++) {
        const ix = ox * strides[1] - pads[1] + kx * dilations[1];
        if (ix < 0 || ix >= width) continue;
        const value = x[plane + iy * width + ix];
        if (value === best) pieces.border[o] = 1;
        if (!(value > best)) continue;
        best = value;
        pieces.from[o] = plane + iy * width + ix;
        pieces.border[o] = 0;
      }
    }
  }
  return pieces;
}

/** The mean of each window. ONNX AveragePool; `countIncludePad` counts padding as zeros. */
export function averagePool(x: Tensor, options: PoolOptions & { readonly countIncludePad?: boolean }): Tensor {
  checkArguments('averagePool', { options: [options, OBJECT] });
  const { name = 'averagePool', countIncludePad = false, dilations = [1, 1], ...window } = options;
  checkArguments(name, { dilations: [dilations, NUMBERS] });
  if (dilations.some((d) => d !== 1)) refuse(name, `dilations ${dilations.join(' x ')}`, 'Use 1 x 1.');
  const attributes = { ...attributesOf(window), countIncludePad };
  const [output] = shapesOf(name, averageRule, attributes, [x]);
  const shape = { ...attributes, ...extents(x) };
  const inputBytes = x.bytes / shape.batch;
  const outputBytes = (4 * sizeOf(output)) / shape.batch;
  return apply(
    {
      name: 'averagePool',
      forward(emit) {
        for (const window of windows(emit.gpu, shape.batch, [inputBytes, outputBytes], `${name}: one image`)) {
          emit.run(averagePoolForward, averagePoolParams({ ...shape, batch: window.count }), {
            x: rows(emit.value(x), inputBytes, window),
            y: rows(emit.value(emit.output), outputBytes, window),
          });
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        for (const window of windows(emit.gpu, shape.batch, [inputBytes, outputBytes], `${name}: one image`)) {
          emit.run(averagePoolBackward, averagePoolParams({ ...shape, batch: window.count }), {
            dy: rows(emit.outputGradient, outputBytes, window),
            dx: rows(dx, inputBytes, window),
          });
        }
      },
    },
    [x],
    output,
    name,
  );
}

/** The mean of each plane, [N, C, 1, 1]. ONNX GlobalAveragePool. */
export function globalAveragePool(x: Tensor, name = 'globalAveragePool'): Tensor {
  shapesOf(name, globalRule, {}, [x]);
  const [, , height, width] = x.shape;
  return averagePool(x, { kernel: [height, width], name });
}
