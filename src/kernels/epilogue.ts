/**
 * An epilogue is a map of single values that a kernel applies to what it writes, before it writes it: one pass over
 * memory less. It is a property of an operation, not its name: the compiler asks for this and for nothing else.
 *
 * Kernels that can do it have `fn activated(value: f32) -> f32` in their text (`HOLE`), and call it on every value.
 */
export interface Epilogue {
  /** part of the kernel's label, and of the key under which its text is kept */
  readonly name: string;
  /** WGSL, an expression of `value` */
  readonly wgsl: string;
  /**
   * What the derivative is made of. `output`: the argument need not be kept, so the map may be fused although it is
   * differentiated. `input`: it may be fused only where nobody differentiates it.
   */
  readonly derivativeOf: 'output' | 'input';
  /** the code of `RELU` that the parameter `relu` of every kernel with the hole knows, where there is one: no new text */
  readonly code?: number;
}

const HOLE = /fn activated\(value: f32\) -> f32 \{[^}]*\}/;

/** Whether a text can apply an epilogue. */
export const hasHole = (text: string): boolean => HOLE.test(text);

/** The text with the epilogue in its hole. */
export const fill = (text: string, { wgsl }: Epilogue): string =>
  text.replace(HOLE, () => `fn activated(value: f32) -> f32 { return ${wgsl}; }`);
