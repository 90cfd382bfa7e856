/** What variants for rasterisers in software share: a subgroup is a vector register there, and loads are what costs. */

/** Subgroup widths for which a text exists: SwiftShader's and lavapipe's. */
export const LANES = [4, 8];

/** What one load of a vector costs on lavapipe, in instructions a lane; a multiply-add takes two. */
export const LOAD = 32;

/**
 * The same by the width of a subgroup. SwiftShader's four lanes are loaded in half the time beside its arithmetic: so its
 * convolutions by tiles, which load and store most, were measured to take 0.5 to 0.7 of what lavapipe's number says.
 */
export const loadOf = (lanes: number) => (lanes === 4 ? LOAD / 2 : LOAD);

/** What else a text consists of, in instructions of a vector as wide as the subgroup: handing a value round, moving four. */
export const BROADCAST = 4;
export const MOVE = 12;

/**
 * The time of a straight text of so many instructions. The processor keeps some 4,000 decoded; what is beyond costs
 * about twice as much.
 */
export const textTime = (instructions: number) => instructions + Math.max(0, instructions - 4096);

/** 0 .. n - 1: the rows, columns and taps that a text is unrolled over. */
export const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/**
 * How many of at most so many from `first` on lie before `end`: an expression. The lesser of the two says the same, but Mesa
 * takes the constant in it for the loop's length and unrolls what is done for each: seconds of compilation.
 */
export const countBefore = (end: string, first: string, most: number) =>
  `select(${end} - ${first}, ${most}u, ${first} + ${most}u <= ${end})`;
