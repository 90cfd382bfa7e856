/** frostline's times against those of its peers, and what they are to reach. */
import { type Target, target } from '../targets.ts';
import { OURS } from './list.ts';
import type { PeerRow } from './rounds.ts';

/** A peer's time over ours: how many times as fast ours is. Undefined where one of them was not timed. */
export function ratioTo({ outcomes }: Pick<PeerRow, 'outcomes'>, peer: string): number | undefined {
  const [ours, theirs] = [outcomes[OURS], outcomes[peer]];
  if (ours?.status !== 'timed' || theirs?.status !== 'timed') return undefined;
  return theirs.timing.median / ours.timing.median;
}

/** The fastest of these peers and its ratio; undefined where none was timed. */
export function bestPeer(row: Pick<PeerRow, 'outcomes'>, peers: readonly string[]) {
  let best: { readonly name: string; readonly ratio: number } | undefined;
  for (const name of peers) {
    const ratio = ratioTo(row, name);
    if (ratio !== undefined && (best === undefined || ratio < best.ratio)) best = { name, ratio };
  }
  return best;
}

/**
 * @param onAdapter names of the peers on the same adapter
 * @param productShare of the multiply-add ceiling, where it was measured: ../product-share.ts
 */
export function peerTargets(rows: readonly PeerRow[], onAdapter: readonly string[], productShare?: number): Target[] {
  const ratio = (name: string, peer: string) => {
    const row = rows.find((candidate) => candidate.name === name);
    return row === undefined ? undefined : ratioTo(row, peer);
  };
  const layers = rows.filter(({ network, layer }) => network === 'alexnet' && layer !== undefined);
  const ratios = layers.flatMap((row) => bestPeer(row, onAdapter)?.ratio ?? []);
  return [
    target(
      'AlexNet forward, batch 10: times as fast as onnxruntime-webgpu',
      5,
      8,
      ratio('alexnet 10 forward', 'onnxruntime-webgpu'),
    ),
    target(
      'AlexNet training step, batch 10: times as fast as jax-js',
      8,
      12,
      ratio('alexnet 10 training step', 'jax-js'),
    ),
    target(
      'VGG16 forward, batch 2: times as fast as onnxruntime-webgpu',
      5,
      8,
      ratio('vgg16 2 forward', 'onnxruntime-webgpu'),
    ),
    target(
      `AlexNet's kernels, the worst of ${ratios.length}: times as fast as the best peer on the adapter`,
      1,
      4,
      ratios.length === 0 ? undefined : Math.min(...ratios),
    ),
    target('matrix product: share of the measured multiply-add ceiling', 0.6, 0.8, productShare),
  ];
}
