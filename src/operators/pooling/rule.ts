/** The shape rules of pooling, and all that is refused. */
import { type PoolShape, poolOutput } from '../../kernels/pooling.ts';
import type { Pads, Pair } from '../onnx/reading.ts';
import { flag, type None, numbers, type Rule, refuse, type Shape, show, type Value } from '../operator.ts';

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
  const shape: PoolShape = { ...window, batch: 1, channels, height, width };
  const output = poolOutput(shape);
  if (output.some((extent) => extent < 1)) {
    refuse(`reads '${x.name}' of ${height} x ${width}, too small for ${shown}`, 'Give a larger input size.');
  }
  if ([0, 1].some((axis) => seesPaddingAlone(shape, output[axis], axis as 0 | 1))) {
    refuse(
      `reads '${x.name}' of ${height} x ${width} with ${shown}: a window sees only padding`,
      'It has no maximum and no mean: use less padding or a smaller stride.',
    );
  }
  return [[channels, ...output]];
}

function seesPaddingAlone(shape: PoolShape, outputs: number, axis: 0 | 1): boolean {
  const size = axis === 0 ? shape.height : shape.width;
  const dilation = shape.dilations?.[axis] ?? 1;
  return Array.from({ length: outputs }, (_, i) => i * shape.strides[axis] - shape.pads[axis]).some((start) =>
    Array.from({ length: shape.kernel[axis] }, (_, k) => start + k * dilation).every((tap) => tap < 0 || tap >= size),
  );
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
