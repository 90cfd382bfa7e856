/**
 * Which values of frozen layers are kept, and what they are made from: the rule, without the values. Who computes them
 * (features.ts) and who reckons what that takes (work.ts) go by it.
 */
import type { AugmentPreset } from '../data/augment.ts';
import { type Network, trainedOf } from '../models/network.ts';
import { count, inferShapes } from '../models/shapes.ts';
import { lastFixedValue } from '../models/split.ts';
import type { TrainingData } from './data.ts';

/** Bytes of features that are kept in host memory at most. */
export const MOST_BYTES = 2 ** 30;

/** Every image of every epoch is the same. */
export const standsStill = (
  data: Pick<TrainingData, 'kind'>,
  { reflectX, translate, scale, rotation }: AugmentPreset,
): boolean =>
  data.kind === 'tensors' ||
  (reflectX === 0 && [...translate, ...rotation].every((value) => value === 0) && scale.every((value) => value === 1));

/** Cells of one split and seed see the same images, and begin with the same weights. @param cells of all splits and seeds */
export const sharesFeatures = (cells: number, { divisions, seeds }: { divisions: number; seeds: number }): boolean =>
  cells > divisions * seeds;

/**
 * How many epochs' features a step begins behind; nothing where it begins at the image. Where epochs differ, keeping them
 * serves later cells alone. @param shared epochs of a phase whose features later cells find
 */
export const keptEpochs = (still: boolean, shared: number | undefined): number | undefined => (still ? 1 : shared);

/** Which values of which images: what drew them (augmentation and seed), where the network is cut, and the epoch. */
export interface FeaturePlace {
  readonly draw: string;
  readonly cut: string;
  readonly epoch: number;
}

/** What drew an epoch's images. @param still as `standsStill` says */
export const drawOf = (
  still: boolean,
  augment: AugmentPreset,
  { seed, epoch }: { readonly seed: number; readonly epoch: number },
): Omit<FeaturePlace, 'cut'> => ({
  draw: still ? 'none' : JSON.stringify([augment, seed]),
  epoch: still ? 0 : epoch,
});

/** What the cut of a network hangs on beside the network. */
interface CutLimits {
  readonly samples: number;
  /** that are to be kept at once */
  readonly epochs: number;
  readonly dropout: boolean;
  /** bytes of the features of all these epochs */
  readonly most: number;
}

/**
 * The last value that stands still and of which so many epochs fit into memory.
 * @returns nothing where a trained parameter, dropout or augmentation changes the first value already, or none fits
 */
export function cutOf(
  network: Network,
  trained: (parameter: string) => boolean,
  { samples, epochs, dropout, most }: CutLimits,
): string | undefined {
  const shapes = inferShapes(network, 1);
  return lastFixedValue(
    network,
    (node) => trainedOf(network, node).some(trained) || (node.op.kind === 'dropout' && dropout),
    (value) => bytesOf(count(shapes.get(value)!), samples) * epochs <= most,
  );
}

/** Of an epoch's features. @param values of a sample */
export const bytesOf = (values: number, samples: number): number => 4 * values * samples;

/**
 * Features from cell to cell of a split, whose cells all begin with the same weights. Where there are too many the oldest
 * go first, and are computed anew where they are asked for again.
 */
export class FeatureStore<V extends { readonly byteLength: number } = Float32Array<ArrayBuffer>> {
  readonly most: number;
  private readonly kept = new Map<string, V>();
  private bytes = 0;

  /** @param most bytes; a gibibyte unless given */
  constructor(most = MOST_BYTES) {
    this.most = most;
  }

  get(place: FeaturePlace): V | undefined {
    return this.kept.get(keyOf(place));
  }

  put(place: FeaturePlace, values: V): void {
    this.bytes += values.byteLength;
    for (const [key, { byteLength }] of this.kept) {
      if (this.bytes <= this.most) break;
      this.kept.delete(key);
      this.bytes -= byteLength;
    }
    this.kept.set(keyOf(place), values);
  }

  drop(place: FeaturePlace): void {
    this.bytes -= this.get(place)?.byteLength ?? 0;
    this.kept.delete(keyOf(place));
  }

  /** Of the values that frozen layers make one after another the deepest that are kept. */
  deepest(head: Network, drawn: Omit<FeaturePlace, 'cut'>): string | undefined {
    return head.nodes.findLast(({ outputs: [cut] }) => this.get({ ...drawn, cut }) !== undefined)?.outputs[0];
  }

  /** Keeps what was made of the values at `from`, which nobody needs afterwards: deeper points go on from this one's. */
  keep(place: FeaturePlace, values: V, from: string | undefined): void {
    if (from !== undefined) this.drop({ ...place, cut: from });
    this.put(place, values);
  }

  copy(): FeatureStore<V> {
    const copy = new FeatureStore<V>(this.most);
    for (const [key, values] of this.kept) copy.kept.set(key, values);
    copy.bytes = this.bytes;
    return copy;
  }
}

const keyOf = ({ draw, cut, epoch }: FeaturePlace) => `${epoch} ${JSON.stringify(cut)} ${draw}`;
