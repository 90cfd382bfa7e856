/**
 * What is derived from the list of operators (ours.ts): the type of a network's nodes, import and
 * export, shapes, building, layer numbers, the list of kernels, cases, mutations, the table in the documentation.
 *
 * Beside the closed set stands an open one: `withOperators` adds those of other packages, whose kinds have a colon.
 */
import { checkArguments, type Expectation } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { byName } from './by-name.ts';
import type { Read } from './onnx/form.ts';
import type { AnyOperator, Operator } from './operator.ts';
import * as list from './ours.ts';
import { rewrites } from './rewrites/index.ts';
import type { Rewrite } from './rewrites/match.ts';

/** By kind. */
export const operators = byName(list) satisfies { readonly [kind: string]: AnyOperator };

/** Names of the operators that the package brings. */
export type Kind = keyof typeof operators;
/** The attributes of an operator's nodes. */
export type AttributesOf<O> = O extends Operator<string, infer A, infer _R> ? A : never;
/** A node's operator and its attributes; the union over all kinds. */
export type OurOp = { [K in Kind]: { readonly kind: K } & AttributesOf<(typeof operators)[K]> }[Kind];

/** An outsider's: the kind is 'package:word', so that it never is one of ours, and unions of ours stay exhaustive. */
export type ForeignKind = `${string}:${string}`;
/** The attributes of a node whose operator was brought by `OperatorSet`, with its kind. */
export type ForeignOp = { readonly kind: ForeignKind } & Readonly<Record<string, unknown>>;

/** Does not compile where a key is not the kind of its operator. */
type Misnamed = { [K in Kind]: (typeof operators)[K]['kind'] extends K ? never : K }[Kind];
const misnamed: [Misnamed] extends [never] ? true : never = true;
void misnamed;

/** A set of operators: ours, and perhaps an outsider's. A network carries the one that it was made with. */
export interface OperatorSet {
  readonly all: readonly AnyOperator[];
  /** by 'Name' or 'domain.Name' of ONNX */
  readonly reads: ReadonlyMap<string, { readonly read: Read; readonly owner: AnyOperator }>;
  readonly rewrites: readonly Rewrite[];
  operatorOf(op: { readonly kind: string }): AnyOperator | undefined;
}

const ADDITIONS: Expectation = {
  is: (value) => {
    const { operators: added, rewrites: more } = (value ?? {}) as Partial<Additions>;
    const given = [added, more].filter((one) => one !== undefined);
    return given.length > 0 && given.every(Array.isArray);
  },
  words: 'an object with lists: { operators: [...], rewrites: [...] }',
};

/** What another package brings: see `withOperators`. */
export interface Additions {
  readonly operators?: readonly (AnyOperator & { readonly kind: ForeignKind })[];
  readonly rewrites?: readonly Rewrite[];
}

function setOf(all: readonly AnyOperator[], rewrites: readonly Rewrite[]): OperatorSet {
  const kinds = new Map(all.map((operator) => [operator.kind, operator]));
  const reads = new Map<string, { read: Read; owner: AnyOperator }>();
  for (const owner of all) {
    for (const [opType, read] of Object.entries(owner.onnx.reads)) {
      const other = reads.get(opType)?.owner;
      // Which of the two reads a file would be left to the order of a list.
      if (other) throw new FrostlineError(`ONNX's ${opType} is read by ${other.kind} and by ${owner.kind}. One must.`);
      reads.set(opType, { read, owner });
    }
  }
  return { all, reads, rewrites, operatorOf: ({ kind }) => kinds.get(kind) };
}

export const ours: OperatorSet = setOf(Object.values(operators), rewrites);

/**
 * Ours and those of another package, whose kinds are 'package:word': for `importOnnx(model, { operators })`.
 * @throws FrostlineError where a kind or an operator of ONNX is taken already
 */
export function withOperators(additions: Additions): OperatorSet {
  checkArguments('withOperators', { additions: [additions, ADDITIONS] });
  const { operators: added = [], rewrites: more = [] } = additions;
  const twice = added.find(({ kind }, i) => !kind.includes(':') || added.findIndex((one) => one.kind === kind) !== i);
  if (twice) throw new FrostlineError(`The kind '${twice.kind}' must be 'package:word', and be given once.`);
  // An outsider's rewrites come first: they may be of larger patterns.
  return setOf([...ours.all, ...added], [...more, ...ours.rewrites]);
}
