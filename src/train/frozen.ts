/** The proof that what is frozen stood still: a hash of its bytes on the device, before and after training. */
import { createHash } from 'node:crypto';
import type { Gpu } from '../gpu/device.ts';
import type { Model } from './model.ts';

export interface FrozenRecord {
  /** how many parameters have the mask 0 */
  readonly parameters: number;
  /** sha256 of their names and bytes, in the network's order */
  readonly before: string;
  readonly after: string;
}

/** sha256 of the names and bytes of every parameter with the mask 0, as they are on the device; none where all train. */
export async function frozenHash(gpu: Gpu, { parameters }: Model): Promise<string | undefined> {
  const frozen = [...parameters].filter(([, parameter]) => !parameter.trainable);
  if (frozen.length === 0) return undefined;
  const hash = createHash('sha256');
  for (const [name, parameter] of frozen) hash.update(`${name}\n`).update(await parameter.read(gpu));
  return hash.digest('hex');
}

/**
 * The record of a run, to be taken behind its last step.
 * @param before of `frozenHash`, ahead of the first step
 * @throws Error where they differ: a defect of ours
 */
export async function frozenRecord(
  gpu: Gpu,
  model: Model,
  before: string | undefined,
): Promise<FrozenRecord | undefined> {
  if (before === undefined) return undefined;
  const after = (await frozenHash(gpu, model))!;
  if (after !== before) throw new Error(`frozen parameters changed in training: sha256 ${before}, then ${after}`);
  const parameters = [...model.parameters.values()].filter(({ trainable }) => !trainable).length;
  return { parameters, before, after };
}
