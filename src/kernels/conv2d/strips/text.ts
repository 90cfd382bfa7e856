/** Pieces of text that the strip kernels share. */

export const range = (n: number) => Array.from({ length: n }, (_, i) => i);

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

/** Subgroup widths for which a text exists: SwiftShader's and lavapipe's. */
export const LANES = [4, 8];

/** What one load of a vector costs on a software rasteriser, in instructions a lane; a multiply-add takes two. */
export const LOAD = 32;
