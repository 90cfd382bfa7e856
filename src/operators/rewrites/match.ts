/**
 * Rewriting of ONNX nodes into ONNX nodes, before any is read, so that reading knows one node at a time: the shapes of
 * patterns, and how they are found. The rewrites themselves: index.ts.
 */
import type { OnnxNode } from '../../onnx/model.ts';
import type { KnownConstants, Surroundings } from '../onnx/form.ts';

/** Nodes of an ONNX graph that are one operation together. */
export interface Pattern {
  readonly opType: string;
  /** what each input must be: a pattern, a name that is bound to the value, or a test of a constant */
  readonly inputs: readonly Part[];
  readonly commutes?: true;
  readonly test?: (node: OnnxNode) => boolean;
}
/**
 * What stands between two nodes and moves no value, so that exporters put it there or not: any number of these, along
 * their first inputs.
 */
export interface Via {
  readonly via: readonly string[];
  readonly part: Part;
}
/** One node of a pattern. */
export type Part =
  | Pattern
  | Via
  | { readonly either: readonly Part[] }
  | string
  | { readonly constant: string; readonly test?: (values: Float32Array) => boolean };

/** Nodes that a pattern was found in, by the names it gives them. */
export interface Match {
  /** bound values by name */
  readonly values: ReadonlyMap<string, string>;
  /** bound constants by name */
  readonly constants: ReadonlyMap<string, Float32Array>;
  /** the nodes that the pattern covers, the last one first */
  readonly nodes: readonly OnnxNode[];
  /** all constants of the graph */
  readonly known: KnownConstants;
}

/** Several nodes that are one operation. */
export interface Rewrite {
  readonly name: string;
  readonly pattern: Pattern;
  /** the nodes in place of those matched, or nothing where it is none after all */
  replace(match: Match, opset: number): readonly OnnxNode[] | undefined;
}

/**
 * One node that is several simpler ones: the steps, of which the last makes what the node makes; or nothing where an
 * operator reads the node itself. `first`: before patterns are looked for, in which the steps may stand; `read`: when
 * constants and shapes before it are known.
 */
export type Expansion =
  | {
      readonly opType: string;
      readonly when: 'first';
      expand(
        node: OnnxNode,
        around: Pick<Surroundings, 'lead' | 'constants' | 'opset'>,
      ): readonly OnnxNode[] | undefined;
    }
  | {
      readonly opType: string;
      readonly when: 'read';
      expand(node: OnnxNode, around: Surroundings): readonly OnnxNode[] | undefined;
    };

export interface Graph {
  readonly nodes: readonly OnnxNode[];
  readonly outputs: readonly string[];
  readonly constants: KnownConstants;
  readonly opset: number;
}

/** A node, for `replace`. */
export const node = (
  opType: string,
  inputs: readonly string[],
  output: string,
  attributes: OnnxNode['attributes'] = new Map(),
  name = '',
): OnnxNode => ({ name, opType, domain: '', inputs, outputs: [output], attributes });

/** The graph with every pattern replaced, from the last node back; what lies between must be read by the pattern alone. */
export function rewritten(
  { nodes, outputs, constants, opset }: Graph,
  rewrites: readonly Rewrite[],
): readonly OnnxNode[] {
  let current = nodes;
  for (const rewrite of rewrites) {
    const makers = new Map(current.flatMap((one) => one.outputs.map((value) => [value, one] as const)));
    const readers = new Map<string, number>();
    for (const value of [...current.flatMap(({ inputs }) => inputs), ...outputs]) {
      readers.set(value, (readers.get(value) ?? 0) + 1);
    }
    const replaced = new Map<OnnxNode, readonly OnnxNode[]>();
    for (const last of current.toReversed()) {
      if (replaced.has(last)) continue;
      const match = matched(rewrite.pattern, last, makers, constants);
      const inner = match?.nodes.slice(1) ?? [];
      // A value between that others read must still be made.
      const own = (value: string) =>
        readers.get(value) ===
        match!.nodes
          .filter(({ inputs }) => inputs.includes(value))
          .flatMap(({ inputs }) => inputs.filter((one) => one === value)).length;
      if (match === undefined || !inner.every((one) => one.outputs.every(own))) continue;
      const made = rewrite.replace(match, opset);
      if (made === undefined) continue;
      for (const one of inner) replaced.set(one, []);
      replaced.set(last, made);
    }
    current = current.flatMap((one) => replaced.get(one) ?? [one]);
  }
  return current;
}

/** Exporters write three at most; a file may hold any number. */
const mostBetween = 8;

function matched(
  pattern: Pattern,
  last: OnnxNode,
  makers: ReadonlyMap<string, OnnxNode>,
  constants: KnownConstants,
): Match | undefined {
  const orders = pattern.commutes
    ? [
        [0, 1],
        [1, 0],
      ]
    : [[...pattern.inputs.keys()]];
  for (const order of orders) {
    const values = new Map<string, string>();
    const bound = new Map<string, Float32Array>();
    const covered: OnnxNode[] = [];
    /** What a way that fails has covered and bound is not. */
    const tried = (way: () => boolean): boolean => {
      const [length, before, constant] = [covered.length, [...values], [...bound]];
      if (way()) return true;
      covered.length = length;
      refill(values, before);
      refill(bound, constant);
      return false;
    };
    const fits = (part: Part, value: string | undefined): boolean => {
      if (value === undefined) return false;
      if (typeof part === 'string') {
        const known = values.get(part);
        if (known === undefined) values.set(part, value);
        return (known ?? value) === value;
      }
      if ('constant' in part) {
        const found = constants.tensor(value)?.toFloat32();
        if (found === undefined || !(part.test?.(found) ?? true)) return false;
        bound.set(part.constant, found);
        return true;
      }
      if ('either' in part) return part.either.some((one) => tried(() => fits(one, value)));
      if ('via' in part) {
        for (let [at, steps] = [value, 0]; ; steps++) {
          if (tried(() => fits(part.part, at))) return true;
          const between = makers.get(at);
          if (between?.domain !== '' || !part.via.includes(between.opType) || steps === mostBetween) return false;
          covered.push(between);
          at = between.inputs[0];
        }
      }
      const maker = makers.get(value);
      return maker !== undefined && covers(part, maker);
    };
    const covers = (part: Pattern, one: OnnxNode): boolean => {
      if (one.opType !== part.opType || one.domain !== '' || !(part.test?.(one) ?? true)) return false;
      covered.push(one);
      const given = part === pattern ? order.map((i) => one.inputs[i]) : one.inputs;
      if (tried(() => part.inputs.every((input, i) => fits(input, given[i])))) return true;
      return (
        part !== pattern && part.commutes === true && part.inputs.every((input, i) => fits(input, one.inputs[1 - i]))
      );
    };
    if (covers(pattern, last)) return { values, constants: bound, nodes: [...new Set(covered)], known: constants };
  }
  return undefined;
}

function refill<T>(map: Map<string, T>, entries: readonly [string, T][]): void {
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}

export const single = (values: Float32Array): boolean => values.length === 1;
