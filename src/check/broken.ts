/** A phrase of a kernel's final WGSL, and what breaks it: the mutation check. */
export interface Broken {
  /** what is broken */
  readonly name: string;
  /** a phrase that stands exactly once in the text; a pattern (flag g) may stand several times, all are replaced */
  readonly find: string | RegExp;
  readonly replace: string;
  /** the variants that have the phrase; all where left out. Each must have it in at least one of its texts */
  readonly variants?: readonly string[];
  /** the adapter on which it changes a result, where others do right without the phrase */
  readonly adapter?: string;
}

export const broken = (name: string, find: string | RegExp, replace: string, ...variants: string[]): Broken => ({
  name,
  find,
  replace,
  ...(variants.length > 0 ? { variants } : {}),
});

/** Every reading of a parameter, in any text: independent of how a variant is written. */
export const parameter = (name: string, field: string, replace: string, ...variants: string[]): Broken =>
  broken(name, new RegExp(`\\bp\\.${field}\\b`, 'g'), replace, ...variants);

export const stale = (find: string | RegExp, replace: string, ...variants: string[]): Broken =>
  broken('stale accumulator', find, replace, ...variants);

/** Of kernels with the derivative of the map before in their text (../kernels/relu/relu.ts). */
export const derivativeBefore: readonly Broken[] = [
  parameter('the derivative before left out', 'differentiates', '0u'),
  parameter('a derivative before unasked', 'differentiates', '1u'),
  broken('what the ReLU cut off passes', 'value > 0.0', 'value >= 0.0'),
];
