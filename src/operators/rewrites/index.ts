/** Patterns of ONNX nodes that are one operation, as exporters write them; and nodes that are several. */
import type { OnnxNode } from '../../onnx/model.ts';
import type { Surroundings } from '../onnx/form.ts';
import { hardSwishes, silu } from './activations.ts';
import { gemm } from './gemm.ts';
import { decomposedLrn } from './lrn.ts';
import type { Expansion, Rewrite } from './match.ts';
import { sum } from './sum.ts';

export const rewrites: readonly Rewrite[] = [decomposedLrn, silu, ...hardSwishes];

const expansions: ReadonlyMap<string, Expansion> = new Map([gemm, sum].map((one) => [one.opType, one]));

/** The node's steps, or the node itself. */
export function expanded(
  node: OnnxNode,
  when: Expansion['when'],
  around: Pick<Surroundings, 'lead' | 'constants'>,
): readonly OnnxNode[] {
  const expansion = node.domain === '' ? expansions.get(node.opType) : undefined;
  return (expansion?.when === when && expansion.expand(node, around)) || [node];
}
