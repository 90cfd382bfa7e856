/**
 * What a kernel does to each value that it writes, before it writes it: one pass over memory less. It is a property of an
 * operation, not its name: the compiler asks for this and for nothing else. An output is first combined with an operand,
 * then mapped; a gradient may be taken on to the argument of the map before, from that map's output:
 *
 *   y = map(combination(value, operand))          dL/dx = derivative(dL/dy, y)
 *
 * A kernel says by `applies` what its texts do of this (kernel.ts). The functions that they call then stand before them:
 * `activated(value)`, `combined(value, place, channel)`, `operand_at(index)`, which reads the binding `aux`, and
 * `derivative(gradient, value)`. Texts call them on every value; where nothing is to be applied, the functions return it.
 */
import { FrostlineError } from '../errors.ts';
import type { Memory } from './memory.ts';
import { RELU, RELU_DERIVATIVE, RELU_VALUE } from './relu/rule.ts';
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

/** A value and an operand made one: a residual added, a channel scaled and shifted. */
export interface Combination {
  readonly name: string;
  /** WGSL, an expression of `value` and of what `operand` names */
  readonly wgsl: string;
  /**
   * How the operand lies, and what the expression calls it. `place`: as what is written, `operand`. Else a `scale` for each
   * channel, and so many values behind it its `shift`.
   */
  readonly operand: 'place' | { readonly shiftAt: number };
}

/** The derivative of the map before, where it is not a ReLU's. */
export interface Derivative {
  readonly name: string;
  /** WGSL, dL/dx from `gradient`, dL/dy, and `value`, y */
  readonly wgsl: string;
}

/** What one run of a kernel applies. */
export interface Epilogues {
  readonly combination?: Combination;
  readonly map?: Epilogue;
  readonly derivative?: Derivative;
  /** what it writes is the gradient of a parameter, which is updated in its place (update.ts) */
  readonly update?: KernelUpdate;
}

/**
 * What a kernel's texts can apply. `epilogue`: everything, to what they write; they have the binding `aux` and the parameter
 * `relu`. `derivative`: that of the map before alone, whose outputs they have at hand.
 */
export type Applies = 'epilogue' | 'derivative';

/** The names of what is applied, for labels. */
export const namesOf = ({ combination, map, derivative, update }: Epilogues): string[] =>
  [combination, map, derivative, update?.rule].flatMap((one) => (one === undefined ? [] : [one.name]));

/** The functions that a text calls to apply epilogues. */
export function epilogueText(applies: Applies, memory: Memory, epilogues: Epilogues): string {
  const derivative = derivativeText(epilogues);
  return applies === 'derivative' ? derivative : derivative + outputText(memory, epilogues);
}

const derivativeText = ({ derivative }: Epilogues) => /* wgsl */ `
fn derivative(gradient: f32, value: f32) -> f32 { return ${derivative?.wgsl ?? RELU_DERIVATIVE}; }
`;

/**
 * `differentiated` is the number of turns of a loop over what the derivative is applied to, which has none where none is
 * asked for: software rasterisers take both sides of a branch, and would load `aux` for nothing.
 */
const outputText = ({ load }: Memory, { combination, map }: Epilogues) => /* wgsl */ `
fn operand_at(index: u32) -> f32 { return ${load('aux', 'p.aux_base + index')}; }
fn differentiated(count: u32) -> u32 { return select(0u, count, p.relu == ${RELU.before}u); }
fn activated(value: f32) -> f32 { return ${map?.wgsl ?? `select(value, ${RELU_VALUE}, p.relu == ${RELU.after}u)`}; }
fn combined(value: f32, place: u32, channel: u32) -> f32 { ${combination === undefined ? 'return value;' : combinedText(combination)} }
`;

function combinedText({ operand, wgsl }: Combination): string {
  const read = (name: string, index: string) => `let ${name} = operand_at(${index});`;
  return operand === 'place'
    ? `${read('operand', 'place')} return ${wgsl};`
    : `${read('scale', 'channel')} ${read('shift', `channel + ${operand.shiftAt}u`)} return ${wgsl};`;
}

/** @throws FrostlineError where a kernel's texts cannot apply it: left out unnoticed, it would be a wrong result */
export function checkApplies(applies: Applies | undefined, epilogues: Epilogues, kernel: string): void {
  const { combination, map, derivative } = epilogues;
  const left = applies === 'epilogue' ? {} : { combination, map, ...(applies === undefined && { derivative }) };
  const [name] = namesOf(left);
  if (name !== undefined)
    throw new FrostlineError(
      `${kernel} cannot apply ${name}: its texts have no place for it. State what they apply by \`applies\`, or run ${name} by itself.`,
    );
}
