/** What shows that an operator is right: loaded by those who check, never by those who run. */
import type { Broken } from '../check/broken.ts';
import type { KernelFamily } from '../check/case.ts';
import type { Choose } from '../check/choose.ts';
import type { GradcheckInput } from '../graph/gradcheck.ts';
import type { OperationCases } from '../graph/operation-case.ts';
import type { Random } from '../random.ts';
import type { Bound } from './bounds.ts';

/** A random case of the operator: with it everything is checked, from import to the gradient. */
export interface Drawn<A> {
  readonly attributes: A;
  /** activations in order, by the names that PyTorch's lambda gives them; with the batch */
  readonly inputs: Readonly<Record<string, GradcheckInput>>;
  /** by role, the state among them */
  readonly parameters?: Readonly<Record<string, GradcheckInput>>;
}

/**
 * What checks an operator: drawn problems, references in double precision, mutations of its kernels, the PyTorch
 * expression.
 */
export interface Checks<A> {
  /** A case with shapes by `choose` and values by `random`; one image of it stays below 900 values. */
  draw(choose: Choose, random: Random): Drawn<A>;
  /** It hands on its input: there is no operation of tensors whose derivative could be wrong. */
  readonly handsOn?: true;
  /** the operator in PyTorch: a lambda of the attributes `o`, the inputs and the parameters by their names */
  readonly torch: string;
  /** operations of tensors that stand in the room beside the operator's own, each with its lambda in PyTorch */
  readonly operations?: readonly { readonly cases: OperationCases; readonly torch: string }[];
  /** how far single precision may be from the operator's `reference` */
  readonly bound: Bound<A>;
  /** of the operator's own kernels: float64 references and derivatives */
  readonly families: readonly KernelFamily[];
  /** at least five ways to break each kernel that is the operator's own */
  readonly mutations: Readonly<Record<string, readonly Broken[]>>;
}
