/** Patterns of ONNX nodes that are one operation, as exporters write them; and nodes that are several. */
import type { OnnxNode } from '../../onnx/model.ts';
import type { Surroundings } from '../onnx/form.ts';
import { hardSwishes, leakyRelu, silu } from './activations.ts';
import { gemm } from './gemm.ts';
import { decomposedLrns } from './lrn.ts';
import type { Expansion, Rewrite } from './match.ts';
import { reductions } from './reduce.ts';
import { bounds, square } from './simple.ts';
import { mean, sum } from './sum.ts';

export const rewrites: readonly Rewrite[] = [...decomposedLrns, silu, ...hardSwishes, leakyRelu];

const expansions: ReadonlyMap<string, Expansion> = new Map(
  [gemm, sum, mean, ...reductions, ...bounds, square].map((one) => [one.opType, one]),
);

/** Operators that are read as steps of others, as far as those go. */
export const expandedOperators: readonly string[] = [...expansions.keys()].filter((name) => name !== 'Gemm');

/** The node's steps where constants alone are known, or the node itself. */
export function expandedFirst(
  node: OnnxNode,
  around: Pick<Surroundings, 'lead' | 'constants' | 'opset'>,
): readonly OnnxNode[] {
  const expansion = node.domain === '' ? expansions.get(node.opType) : undefined;
  return (expansion?.when === 'first' && expansion.expand(node, around)) || [node];
}

/** The node's steps where all before it has been read, or the node itself. */
export function expanded(node: OnnxNode, around: Surroundings): readonly OnnxNode[] {
  const expansion = node.domain === '' ? expansions.get(node.opType) : undefined;
  return (expansion?.when === 'read' && expansion.expand(node, around)) || [node];
}
