/** The shape of a two-dimensional convolution, its output size and what is refused. */
import { FrostlineError } from '../../errors.ts';

/** x [batch, channels, height, width], w [filters, channels / groups, kernelHeight, kernelWidth] */
export interface Conv2dShape {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly filters: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
  readonly groups: number;
}

/** What a convolution's kernels compute: y from x and w, dx from dy and w, dw from x and dy. */
export type Direction = 'forward' | 'input gradient' | 'filter gradient';

/** Height and width of the output: floor((size + pads - dilation (kernel - 1) - 1) / stride) + 1. */
export function conv2dOutput(shape: Conv2dShape): [number, number] {
  const { kernel, strides, pads, dilations } = shape;
  const extent = (size: number, i: 0 | 1) =>
    Math.floor((size + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) / strides[i]) + 1;
  return [extent(shape.height, 0), extent(shape.width, 1)];
}

/** Refuses, when the graph is built, what no kernel could compute. */
export function checkConv2d(shape: Conv2dShape): void {
  const refuse = (what: string, remedy: string) => {
    throw new FrostlineError(`conv2d: ${what}. ${remedy}`);
  };
  const { channels, filters, groups, kernel, strides, pads, dilations } = shape;
  const positive: [string, readonly number[]][] = [
    ['kernel', kernel],
    ['strides', strides],
    ['dilations', dilations],
    ['groups', [groups]],
  ];
  for (const [name, values] of positive) {
    if (!values.every((value) => Number.isInteger(value) && value >= 1)) {
      refuse(`${name} ${values.join(' x ')}`, 'Use whole numbers of 1 or more.');
    }
  }
  if (!pads.every((value) => Number.isInteger(value) && value >= 0)) {
    refuse(`pads ${pads.join(', ')}`, 'Use whole numbers of 0 or more.');
  }
  if (channels % groups !== 0 || filters % groups !== 0) {
    refuse(`${channels} channels and ${filters} filters in ${groups} groups`, 'Both must be multiples of the groups.');
  }
  const [height, width] = conv2dOutput(shape);
  if (height < 1 || width < 1) {
    refuse(
      `a kernel of ${kernel.join(' x ')} (dilation ${dilations.join(' x ')}) over ${shape.height} x ${shape.width} ` +
        `with pads ${pads.join(', ')} leaves no output`,
      'Use a larger input, more padding or a smaller kernel.',
    );
  }
}
