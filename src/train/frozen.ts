/** The proof that what is frozen stood still: a hash of its bytes on the device, before and after training. */
import type { Gpu } from '../gpu/device.ts';
import { createHash } from '../host.ts';
import { stateOf, trainedOf } from '../models/network.ts';
import type { Model } from './model.ts';

/** Hashes of the frozen parameters before and after training. */
export interface FrozenRecord {
  /** how many parameters no phase trains or moves */
  readonly parameters: number;
  /** sha256 of their names and bytes, in the network's order */
  readonly before: string;
  readonly after: string;
}

/**
 * What no step of any phase may change: all but what is trained and the running statistics of layers that are.
 * @param trained of each phase, as `trainedBy` gives them
 */
export function frozenThroughout({ network, parameters }: Model, trained: readonly ReadonlySet<string>[]): string[] {
  const isTrained = (name: string) => trained.some((names) => names.has(name));
  const moving = new Set(
    network.nodes.filter((node) => trainedOf(network, node).some(isTrained)).flatMap((node) => stateOf(network, node)),
  );
  return [...parameters.keys()].filter((name) => !isTrained(name) && !moving.has(name));
}

/** sha256 of the names and bytes of parameters as they are on the device; none where there are no names. */
export async function frozenHash(gpu: Gpu, model: Model, names: readonly string[]): Promise<string | undefined> {
  if (names.length === 0) return undefined;
  const hash = createHash('sha256');
  for (const name of names) hash.update(`${name}\n`).update(await model.parameters.get(name)!.read(gpu));
  return hash.digest('hex');
}

/**
 * The record of a run, to be taken behind its last step.
 * @param names of what no phase trains; `before`: of `frozenHash`, ahead of the first step
 * @throws Error where they differ: a defect of ours
 */
export async function frozenRecord(
  gpu: Gpu,
  model: Model,
  names: readonly string[],
  before: string | undefined,
): Promise<FrozenRecord | undefined> {
  if (before === undefined) return undefined;
  const after = (await frozenHash(gpu, model, names))!;
  if (after !== before) throw new Error(`frozen parameters changed in training: sha256 ${before}, then ${after}`);
  return { parameters: names.length, before, after };
}
