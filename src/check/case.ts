/**
 * One case object a kernel and shape: the same for the tests, `frostline gradcheck kernels` and the mutation check. Its
 * reference is plain float64 code that shares nothing with the kernel; where the kernel computes a derivative, the
 * reference is itself checked by differences of the float64 forward.
 *
 * A family draws the cases of kernels that belong together, forward and backward of one shape.
 */
import { checkArguments, FUNCTION, INTEGER, listOf, OBJECT, TEXT, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { Epilogues } from '../kernels/epilogue.ts';
import type { Choice, Kernel } from '../kernels/kernel.ts';
import type { Words } from '../kernels/run.ts';
import type { Random } from '../random.ts';
import { type Choose, drawing } from './choose.ts';
import type { DerivativeClaim } from './derivative.ts';
import type { Expected } from './expected.ts';
import { chooseKind, type Kind } from './values.ts';

/** One run of a kernel with its inputs and what its outputs must hold. */
export interface KernelCase {
  /** what is computed, by the kernel's own name or, where one kernel serves many, the use's: `conv2d/forward` */
  readonly name: string;
  /** shapes and options */
  readonly description: string;
  readonly kernel: Kernel;
  readonly params: Readonly<Record<string, number>>;
  /** contents of the bindings that are read */
  readonly inputs: Readonly<Record<string, Words>>;
  /** bindings that are written: a length, or contents where the kernel updates in place */
  readonly outputs: Readonly<Record<string, number | Words>>;
  /**
   * the expected contents of every output
   * @param halves the bindings that store halves, for kernels that scale what they store so
   */
  reference(halves?: ReadonlySet<string>): Record<string, Expected>;
  /** where the reference is a derivative: of what */
  readonly derivative?: DerivativeClaim;
  /** what the kernel applies to what it writes */
  readonly epilogues?: Epilogues;
  /** the choices that compute this case, where not all do */
  applies?(choice: Choice): boolean;
  /** the bindings that store halves; none unless given (halves.ts) */
  readonly halves?: ReadonlySet<string>;
}

/** Cases of some kernels: examples, and shapes to draw others from. */
export interface KernelFamily {
  /** names of the cases it draws */
  readonly names: readonly string[];
  /** One shape's cases, one or more a name. */
  draw(choose: Choose, random: Random): KernelCase[];
  /** The shapes that must always be looked at, with values by `random`. */
  examples(random: Random): KernelCase[];
}

const KERNEL = withMembers('', { name: TEXT.is, bindings: OBJECT.is, choices: FUNCTION.is, dispatch: FUNCTION.is });
const MEMBERS = {
  name: TEXT.is,
  description: TEXT.is,
  kernel: KERNEL.is,
  params: OBJECT.is,
  inputs: OBJECT.is,
  outputs: OBJECT.is,
  reference: FUNCTION.is,
};
const PARTS = 'name, description, kernel (of defineKernel), params, inputs, outputs and reference';
/** A case, as an argument. */
export const CASE = withMembers(`a case, with ${PARTS}`, MEMBERS);
/** Cases, as an argument. */
export const CASES = listOf(CASE, `a list of cases, each with ${PARTS}`);
const FAMILY = withMembers('a family, of defineFamily', { names: Array.isArray, draw: FUNCTION.is });

/** What a case is called in messages. */
export const describeKernelCase = ({ name, description }: KernelCase) => `${name} ${description}`;

/** Refuses a case that leaves out what a binding of its kernel holds. */
export function checkContents({
  name,
  kernel,
  inputs,
  outputs,
}: Pick<KernelCase, 'name' | 'kernel' | 'inputs' | 'outputs'>): void {
  const without = Object.keys(kernel.bindings).find((binding) => !(binding in inputs) && !(binding in outputs));
  if (without === undefined) return;
  throw new FrostlineError(
    `${name}: the case has no contents for binding ${without} of ${kernel.name}. Give what it holds in \`inputs\`, or, ` +
      'where it is written, its length in `outputs`.',
  );
}

/** The family's cases of a seed, the same on every machine. */
export function drawKernelCases(family: KernelFamily, seed: number): KernelCase[] {
  checkArguments('drawKernelCases', { family: [family, FAMILY], seed: [seed, INTEGER] });
  return family.draw(...drawing(seed));
}

/** What `defineFamily` takes. */
export interface FamilyDefinition<Shape> {
  readonly names: readonly string[];
  /** corners of the text, shapes of real networks in small */
  readonly examples: readonly Shape[];
  shape(choose: Choose): Shape;
  cases(shape: Shape, kind: Kind, random: Random): KernelCase[];
}

/** A family by its shapes. One drawn case in five has the shape of an example, with other values. */
export function defineFamily<Shape>(definition: FamilyDefinition<Shape>): KernelFamily {
  checkArguments('defineFamily', { definition: [definition, OBJECT] });
  const { names, examples, shape, cases } = definition;
  checkArguments('defineFamily', {
    names: [names, listOf(TEXT, 'a list of names')],
    examples: [examples, { is: (value) => Array.isArray(value) && value.length > 0, words: 'a list of shapes' }],
    shape: [shape, FUNCTION],
    cases: [cases, FUNCTION],
  });
  return {
    names,
    draw(choose, random) {
      const kind = chooseKind(choose);
      const drawn = choose(0, 4) === 4 ? examples[choose(0, examples.length - 1)] : shape(choose);
      return cases(drawn, kind, random);
    },
    examples: (random) => examples.flatMap((example) => cases(example, 'normal', random)),
  };
}
