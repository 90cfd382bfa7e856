/** The proof that what is frozen stood still: a hash of its bytes on the device, before and after training. */
import { createHash } from 'node:crypto';
import type { Gpu } from '../gpu/device.ts';
import type { Parameter } from '../graph/tensor.ts';
import { stateOf, trainedOf } from '../models/network.ts';
import type { Model } from './model.ts';

export interface FrozenRecord {
  /** how many parameters are frozen */
  readonly parameters: number;
  /** sha256 of their names and bytes, in the network's order */
  readonly before: string;
  readonly after: string;
}

/** What no step may change: parameters with the mask 0, but for the running statistics of layers that are trained. */
function frozenOf({ network, parameters }: Model): (readonly [string, Parameter])[] {
  const trained = (name: string) => parameters.get(name)!.trainable;
  const moving = new Set(
    network.nodes.filter((node) => trainedOf(network, node).some(trained)).flatMap((node) => stateOf(network, node)),
  );
  return [...parameters].filter(([name, { trainable }]) => !trainable && !moving.has(name));
}

/** sha256 of the names and bytes of every frozen parameter, as they are on the device; none where all train. */
export async function frozenHash(gpu: Gpu, model: Model): Promise<string | undefined> {
  const frozen = frozenOf(model);
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
  return { parameters: frozenOf(model).length, before, after };
}
