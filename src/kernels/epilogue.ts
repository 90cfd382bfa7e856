/**
 * What a kernel does to each value that it writes, before it writes it: one pass over memory less. It is a property of an
 * operation, not its name: the compiler asks for this and for nothing else. First the value is combined with an operand,
 * then mapped:
 *
 *   y = map(combination(value, operand))
 *
 * Kernels that can map have `fn activated(value)` in their text, those that can combine `fn combined(value, place, channel)`
 * and `fn operand_at(index)`, which reads their binding `aux`. They call both on every value; as they stand there, the
 * functions return it. Kernels that write a gradient and have the output of the map before at hand apply its derivative by
 * `fn derivative(gradient, value)`, which is a ReLU's as it stands there (relu/relu.ts).
 */
import type { KernelUpdate } from './update.ts';

/** A map of single values: ReLU, a sigmoid. */
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
  /**
   * WGSL, dL/dx from `gradient`, dL/dy, and `value`, y; of those made of the output. Whoever writes dL/dy may apply it.
   * Linear in `gradient`, for sums may come in parts.
   */
  readonly derivative?: string;
  /** the code of `RELU` that the parameter `relu` of every kernel with the hole knows, where there is one: no new text */
  readonly code?: number;
}

/** A map, or maps in turn, as the one that reads the output needs them, who applies their derivative. */
export type MapBefore = Pick<Epilogue, 'name' | 'code' | 'derivative'>;

/** A value and an operand made one: a residual added, a channel scaled and shifted, the derivative of the map before. */
export interface Combination {
  readonly name: string;
  /** WGSL, an expression of `value` and of what `operand` names */
  readonly wgsl: string;
  /**
   * How the operand lies, and what the expression calls it. `place`: as what is written, `operand`. `output`: the same, where
   * a gradient is written, the output of the map before: `value`, and what is written `gradient`. Else a `scale` for each
   * channel, and so many values behind it its `shift`.
   */
  readonly operand: 'place' | 'output' | { readonly shiftAt: number };
}

/** What one run of a kernel applies. */
export interface Epilogues {
  readonly combination?: Combination;
  readonly map?: Epilogue;
  /** what it writes is the gradient of a parameter, which is updated in its place (update.ts) */
  readonly update?: KernelUpdate;
}

/** Where a text maps, as it stands there without a map. */
const MAP = /fn activated\(value: f32\) -> f32 \{[^}]*\}/;

/** The operand is read where there is one alone: what a text loads for nothing costs a rasteriser in software its time. */
export const COMBINATION = /* wgsl */ `
fn combined(value: f32, place: u32, channel: u32) -> f32 { return value; }
`;
const COMBINE = /fn combined\(value: f32, place: u32, channel: u32\) -> f32 \{[^}]*\}/;
const combinedText = ({ operand, wgsl }: Combination) => {
  const read = (name: string, index: string) => `let ${name} = operand_at(${index});`;
  const body =
    operand === 'output'
      ? `let gradient = value; { ${read('value', 'place')} return ${wgsl}; }`
      : operand === 'place'
        ? `${read('operand', 'place')} return ${wgsl};`
        : `${read('scale', 'channel')} ${read('shift', `channel + ${operand.shiftAt}u`)} return ${wgsl};`;
  return `fn combined(value: f32, place: u32, channel: u32) -> f32 { ${body} }`;
};

/** Where a text applies the derivative of the map before to a gradient, `value` being that map's output. */
const DERIVE = /fn derivative\(gradient: f32, value: f32\) -> f32 \{[^}]*\}/;

/** The names of what is applied, for labels. */
export const namesOf = ({ combination, map, update }: Epilogues): string[] =>
  [combination, map, update?.rule].flatMap((one) => (one === undefined ? [] : [one.name]));

/**
 * The text with what is to be applied.
 * @throws Error where the text cannot: left out unnoticed, it would be a wrong result
 */
export function applied(text: string, { combination, map }: Epilogues, kernel: string): string {
  let filled = text;
  const fill = (hole: RegExp, put: string, name: string) => {
    if (!hole.test(filled)) throw new Error(`${kernel} cannot apply ${name}`);
    filled = filled.replace(hole, () => put);
  };
  if (map !== undefined) fill(MAP, `fn activated(value: f32) -> f32 { return ${map.wgsl}; }`, map.name);
  if (combination?.operand === 'output' && DERIVE.test(filled)) {
    fill(DERIVE, `fn derivative(gradient: f32, value: f32) -> f32 { return ${combination.wgsl}; }`, combination.name);
  } else if (combination !== undefined) fill(COMBINE, combinedText(combination), combination.name);
  return filled;
}
