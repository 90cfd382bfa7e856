/** The shape rules of pooling, and all that is refused. */
import { type PoolShape, poolOutput } from '../../kernels/pooling.ts';
import { withinLimit } from '../../limits.ts';
import type { Pads, Pair } from '../onnx/reading.ts';
import { flag, type None, numbers, type Rule, refuse, type Shape, show, type Value } from '../operator.ts';

/** Attributes of pooling, as in ONNX's MaxPool and AveragePool. */
export interface PoolAttributes {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly pads: Pads;
  readonly ceilMode: boolean;
}
export interface MaxPoolAttributes extends PoolAttributes {
  readonly dilations: Pair;
}
export interface AveragePoolAttributes extends PoolAttributes {
  readonly countIncludePad: boolean;
}

/** Channels, height and width of an image. */
export function imageOf({ name, shape }: Value): readonly [number, number, number] {
  if (shape.length !== 3) {
    refuse(
      `reads '${name}' of shape ${show(shape)} an image`,
      '[channels, height, width] is expected: one and three spatial dimensions are not supported.',
    );
  }
  const [channels, height, width] = shape;
  return [channels, height, width];
}

function pooled(x: Value, window: PoolAttributes & { readonly dilations: Pair }): Shape[] {
  const [channels, height, width] = imageOf(x);
  const { kernel, strides, pads, dilations } = window;
  const shown = `kernel [${kernel}], strides [${strides}], dilations [${dilations}], pads [${pads}]`;
  const whole = (values: readonly number[], least: number) => values.every((n) => Number.isInteger(n) && n >= least);
  if (!whole([...kernel, ...strides, ...dilations], 1) || !whole(pads, 0)) {
    refuse(`has ${shown}`, 'Whole numbers are expected: of pads at least 0, of all others at least 1.');
  }
  withinLimit('window-places', kernel[0] * kernel[1], `the pool of '${x.name}' has windows of`);
  const shape: PoolShape = { ...window, batch: 1, channels, height, width };
  const output = poolOutput(shape);
  if (output.some((extent) => extent < 1)) {
    refuse(`reads '${x.name}' of ${height} x ${width}, too small for ${shown}`, 'Give a larger input size.');
  }
  withinLimit('activation-values', channels * output[0] * output[1], `the pool of '${x.name}' makes`);
  if ([0, 1].some((axis) => seesPaddingAlone(shape, output[axis], axis as 0 | 1))) {
    refuse(
      `reads '${x.name}' of ${height} x ${width} with ${shown}: a window sees only padding`,
      'It has no maximum and no mean: use less padding or a smaller stride.',
    );
  }
  return [[channels, ...output]];
}

/** Whether no tap of some window along an axis falls on the image. */
function seesPaddingAlone({ height, width, dilations, ...window }: PoolShape, outputs: number, axis: 0 | 1): boolean {
  const size = [height, width][axis];
  const [kernel, stride, pad] = [window.kernel[axis], window.strides[axis], window.pads[axis]];
  const dilation = dilations?.[axis] ?? 1;
  if ((outputs - 1) * stride - pad >= size) return true;
  // A window that begins on the image sees it; of the others the first tap that is not before the image tells.
  for (let i = 0; i < outputs && i * stride < pad; i++) {
    const before = pad - i * stride;
    const tap = Math.ceil(before / dilation);
    if (tap >= kernel || tap * dilation - before >= size) return true;
  }
  return false;
}

const attributes = {
  kernel: numbers<Pair>('rows, columns', 2),
  strides: numbers<Pair>('rows, columns', 2),
  pads: numbers<Pads>('top, left, bottom, right', 4),
  ceilMode: flag('a last window that hangs over the end counts too'),
};

export const maxRule: Rule<MaxPoolAttributes> = {
  attributes: { ...attributes, dilations: numbers<Pair>('rows, columns', 2) },
  shape: ({ inputs: [x], attributes }) => pooled(x, attributes),
};

export const averageRule: Rule<AveragePoolAttributes> = {
  attributes: { ...attributes, countIncludePad: flag('padding counts as zeros') },
  shape: ({ inputs: [x], attributes }) => pooled(x, { ...attributes, dilations: [1, 1] }),
};

export const globalRule: Rule<None> = {
  attributes: {},
  shape: ({ inputs: [x] }) => [[imageOf(x)[0], 1, 1]],
};
