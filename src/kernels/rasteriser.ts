/** What variants for rasterisers in software share: a subgroup is a vector register there, and loads are what costs. */

/** Subgroup widths for which a text exists: SwiftShader's and lavapipe's. */
export const LANES = [4, 8];

/** What one load of a vector costs, in instructions a lane; a multiply-add takes two. */
export const LOAD = 32;

/** 0 .. n - 1: the rows, columns and taps that a text is unrolled over. */
export const range = (n: number) => Array.from({ length: n }, (_, i) => i);
