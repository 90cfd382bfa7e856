/** Pieces of text that the kernels of direct convolution share. */

/** Vectors of four that a strip of `columns` outputs reads, for `taps` neighbouring taps. */
export const vectorsOf = (columns: number, stride: number, taps: number) =>
  Math.ceil(((columns - 1) * stride + taps) / 4);

/** The i-th element of the vectors name0, name1, .. */
export const element = (name: string, i: number) => `${name}${i >> 2}[${i & 3}]`;

/** Kernel widths and strides of a line for which a text exists: those of the networks in use. */
export const WINDOWS: readonly (readonly [width: number, stride: number])[] = [
  [1, 1],
  [3, 1],
  [5, 1],
  [7, 2],
  [11, 4],
];
