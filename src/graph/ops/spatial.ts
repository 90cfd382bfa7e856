/** Pooling and local response normalisation as operations of the graph. */
import { averagePoolBackward, averagePoolForward, averagePoolParams } from '../../kernels/avgpool/avgpool.ts';
import { lrnBackward, lrnForward } from '../../kernels/lrn/lrn.ts';
import { maxPoolBackward, maxPoolForward, maxPoolInference, maxPoolParams } from '../../kernels/maxpool/maxpool.ts';
import { checkPool, type PoolShape, poolOutput } from '../../kernels/pooling.ts';
import { RELU } from '../../kernels/relu/relu.ts';
import { apply, expect4d, refuse } from '../operation.ts';
import type { Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';

export interface PoolOptions {
  readonly kernel: readonly [number, number];
  /** Default 1, 1, as in ONNX */
  readonly strides?: readonly [number, number];
  /** top, left, bottom, right. Default 0 */
  readonly pads?: readonly [number, number, number, number];
  /** max pooling only */
  readonly dilations?: readonly [number, number];
  readonly ceilMode?: boolean;
  readonly name?: string;
}

function poolShape(name: string, x: Tensor, options: PoolOptions): PoolShape {
  const [batch, channels, height, width] = expect4d(name, x);
  const { kernel, strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceilMode = false } = options;
  const shape = { batch, channels, height, width, kernel, strides, pads, dilations, ceilMode };
  checkPool(name, shape);
  return shape;
}

/** The largest value of each window; padding never wins, ties go to the first. ONNX MaxPool. */
export function maxPool(x: Tensor, options: PoolOptions): Tensor {
  const { name = 'maxPool' } = options;
  const shape = poolShape(name, x, options);
  const [outHeight, outWidth] = poolOutput(shape);
  const outputs = shape.channels * outHeight * outWidth;
  const inputBytes = x.bytes / shape.batch;
  const outputBytes = 4 * outputs;
  return apply(
    {
      name: 'maxPool',
      fusesBefore: (_, { code }) => code === RELU.after,
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
              { ...params, relu_before: emit.before === undefined ? 0 : 1 },
              { ...views, choice },
            );
          } else emit.run(maxPoolInference, params, views);
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        for (const window of windows(emit.gpu, shape.batch, [inputBytes, outputBytes], `${name}: one image`)) {
          emit.run(maxPoolBackward, maxPoolParams({ ...shape, batch: window.count }), {
            dy: rows(emit.outputGradient, outputBytes, window),
            choice: rows(emit.saved('choice', outputBytes * shape.batch), outputBytes, window),
            dx: rows(dx, inputBytes, window),
          });
        }
      },
    },
    [x],
    [shape.batch, shape.channels, outHeight, outWidth],
    name,
  );
}

/** The mean of each window. ONNX AveragePool; `countIncludePad` counts padding as zeros. */
export function averagePool(x: Tensor, options: PoolOptions & { readonly countIncludePad?: boolean }): Tensor {
  const { name = 'averagePool', countIncludePad = false, dilations = [1, 1] } = options;
  if (dilations[0] !== 1 || dilations[1] !== 1) refuse(name, `dilations ${dilations.join(' x ')}`, 'Use 1 x 1.');
  const shape = { ...poolShape(name, x, options), countIncludePad };
  const [outHeight, outWidth] = poolOutput(shape);
  const inputBytes = x.bytes / shape.batch;
  const outputBytes = 4 * shape.channels * outHeight * outWidth;
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
    [shape.batch, shape.channels, outHeight, outWidth],
    name,
  );
}

/** The mean of each plane, [N, C, 1, 1]. ONNX GlobalAveragePool. */
export function globalAveragePool(x: Tensor, name = 'globalAveragePool'): Tensor {
  const [, , height, width] = expect4d(name, x);
  return averagePool(x, { kernel: [height, width], name });
}

export interface LrnOptions {
  /** channels in the window */
  readonly size: number;
  /** Default 1e-4, 0.75, 1: ONNX's */
  readonly alpha?: number;
  readonly beta?: number;
  readonly bias?: number;
  readonly name?: string;
}

/** y = x / (bias + alpha / size * sum of squares over `size` channels)^beta. ONNX LRN, MATLAB crossChannelNormalization. */
export function lrn(x: Tensor, options: LrnOptions): Tensor {
  const { size, alpha = 1e-4, beta = 0.75, bias = 1, name = 'lrn' } = options;
  if (!Number.isInteger(size) || size < 1) refuse(name, `size ${size}`, 'Use a whole number of channels, 1 or more.');
  if (!(bias > 0)) refuse(name, `bias ${bias}`, 'Use a positive bias: with 0 a window of zeros divides by zero.');
  const [batch, channels, height, width] = expect4d(name, x);
  const params = { channels, plane: height * width, size, alpha, beta, bias };
  const imageBytes = x.bytes / batch;
  return apply(
    {
      name: 'lrn',
      fusesBefore: (_, { code }) => code === RELU.after,
      forward(emit) {
        for (const window of windows(emit.gpu, batch, [imageBytes], `${name}: one image`)) {
          emit.run(
            lrnForward,
            { ...params, batch: window.count },
            { x: rows(emit.value(x), imageBytes, window), y: rows(emit.value(emit.output), imageBytes, window) },
          );
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        for (const window of windows(emit.gpu, batch, [imageBytes], `${name}: one image`)) {
          emit.run(
            lrnBackward,
            { ...params, batch: window.count, relu_before: emit.before === undefined ? 0 : 1 },
            {
              x: rows(emit.value(x), imageBytes, window),
              dy: rows(emit.outputGradient, imageBytes, window),
              dx: rows(dx, imageBytes, window),
            },
          );
        }
      },
    },
    [x],
    x.shape,
    name,
  );
}
