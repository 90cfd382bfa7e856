/**
 * What frozen layers make of a training set. Below the frost line nothing changes from step to step but the images; where
 * augmentation and dropout leave those alone, every epoch would compute the same values again. Where they do not, every
 * cell of a seed would, whatever its rate: what an image becomes in an epoch hangs on seed, epoch and image alone. A
 * deeper point's frozen layers begin with a shallower one's, so each goes on from where the one before it ended.
 */
import { type AugmentPreset, drawTransforms } from '../data/augment.ts';
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { type CompiledGraph, compile } from '../graph/compile.ts';
import type { Tensor } from '../graph/tensor.ts';
import { buildNetwork } from '../models/build.ts';
import { trainedOf } from '../models/network.ts';
import { count, inferShapes } from '../models/shapes.ts';
import { lastFixedValue, splitNetwork } from '../models/split.ts';
import type { TensorData, TrainingData } from './data.ts';
import { createFeed, type Feed } from './feed.ts';
import type { Model } from './model.ts';
import { whereNotFinite } from './not-finite.ts';

/** Bytes of features that are kept in host memory at most. */
const MOST_BYTES = 2 ** 30;

/** Every image of every epoch is the same. */
export const standsStill = (data: TrainingData, { reflectX, translate, scale, rotation }: AugmentPreset): boolean =>
  data.kind === 'tensors' ||
  (reflectX === 0 && [...translate, ...rotation].every((value) => value === 0) && scale.every((value) => value === 1));

/** Which values of which images: what drew them (augmentation and seed), where the network is cut, and the epoch. */
export interface FeaturePlace {
  readonly draw: string;
  readonly cut: string;
  readonly epoch: number;
}

/**
 * Features from cell to cell of a split, whose cells all begin with the same weights. At most a gibibyte: the oldest go
 * first, and are computed anew where they are asked for again.
 */
export class FeatureStore {
  private readonly kept = new Map<string, Float32Array<ArrayBuffer>>();
  private bytes = 0;

  get(place: FeaturePlace): Float32Array<ArrayBuffer> | undefined {
    return this.kept.get(keyOf(place));
  }

  put(place: FeaturePlace, values: Float32Array<ArrayBuffer>): void {
    this.bytes += values.byteLength;
    for (const [key, { byteLength }] of this.kept) {
      if (this.bytes <= MOST_BYTES) break;
      this.kept.delete(key);
      this.bytes -= byteLength;
    }
    this.kept.set(keyOf(place), values);
  }

  drop(place: FeaturePlace): void {
    this.bytes -= this.get(place)?.byteLength ?? 0;
    this.kept.delete(keyOf(place));
  }
}

const keyOf = ({ draw, cut, epoch }: FeaturePlace) => JSON.stringify([draw, cut, epoch]);

/** Tensors that are another epoch's from one epoch to the next. */
class EpochTensors implements TensorData {
  readonly kind = 'tensors';
  values = new Float32Array();
  readonly shape: readonly number[];
  readonly labels: Uint32Array<ArrayBuffer>;

  constructor(shape: readonly number[], labels: Uint32Array<ArrayBuffer>) {
    this.shape = shape;
    this.labels = labels;
  }
}

/** The frozen layers of a training step, run apart from it: in its own batches, so that every value has the step's bits. */
export class FrozenPrefix {
  /** the network behind its last value that no step changes, and that value for every sample of the epoch shown last */
  readonly model: Model;
  readonly data: EpochTensors;
  private readonly gpu: Gpu;
  private readonly head: Model;
  private readonly images: TrainingData;
  private readonly batchSize: number;
  private readonly cut: string;
  private readonly store: FeatureStore;
  /** compiled, by the value that it begins with; of the images by none */
  private readonly heads = new Map<string | undefined, { readonly head: Head; readonly from?: EpochTensors }>();

  private constructor(
    gpu: Gpu,
    whole: Model,
    images: TrainingData,
    batchSize: number,
    cut: string,
    store: FeatureStore,
  ) {
    const { head, tail } = splitNetwork(whole.network, cut);
    this.gpu = gpu;
    this.model = { network: tail, parameters: whole.parameters };
    this.head = { network: head, parameters: whole.parameters };
    this.images = images;
    this.batchSize = batchSize;
    this.cut = cut;
    this.store = store;
    this.data = new EpochTensors(tail.inputs[0].shape, images.labels);
  }

  /**
   * Up to the last value that stands still and of which all epochs fit into a gibibyte.
   * @param epochs that are to be kept at once; @param store of the cells before, whose frozen layers have the same weights
   * @returns nothing where a trained parameter, dropout or augmentation changes the first value already, or none fits
   */
  static of(
    gpu: Gpu,
    whole: Model,
    images: TrainingData,
    { batchSize, dropout, epochs, store }: { batchSize: number; dropout: boolean; epochs: number; store: FeatureStore },
  ): FrozenPrefix | undefined {
    const { network, parameters } = whole;
    const trained = (name: string | undefined) => name !== undefined && parameters.get(name)!.trainable;
    const shapes = inferShapes(network, 1);
    const fits = (value: string) => 4 * count(shapes.get(value)!) * images.labels.length * epochs <= MOST_BYTES;
    const cut = lastFixedValue(
      network,
      (node) => trainedOf(network, node).some(trained) || (node.op.kind === 'dropout' && dropout),
      fits,
    );
    return cut === undefined ? undefined : new FrozenPrefix(gpu, whole, images, batchSize, cut, store);
  }

  /**
   * Makes `data` what the frozen layers make of an epoch's images.
   * @param epoch of the whole run
   */
  async show(
    augment: AugmentPreset,
    { seed, epoch }: { seed: number; epoch: number },
    signal?: AbortSignal,
  ): Promise<void> {
    const still = standsStill(this.images, augment);
    const place = { draw: still ? 'none' : JSON.stringify([augment, seed]), epoch: still ? 0 : epoch };
    const own = { ...place, cut: this.cut };
    let values = this.store.get(own);
    if (values === undefined) {
      values = await this.make(place, still ? undefined : { augment, seed }, signal);
      this.store.put(own, values);
    }
    this.data.values = values;
  }

  destroy(): void {
    for (const { head } of this.heads.values()) head.destroy();
    this.heads.clear();
  }

  /** From the deepest value on the way that is kept, which nobody needs afterwards: deeper points go on from this one's. */
  private async make(
    place: Omit<FeaturePlace, 'cut'>,
    drawn: { readonly augment: AugmentPreset; readonly seed: number } | undefined,
    signal?: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { images, store } = this;
    const begin = this.head.network.nodes.findLast(({ outputs: [cut] }) => store.get({ ...place, cut }) !== undefined);
    const cut = begin?.outputs[0];
    const { head, from } = await this.headFrom(cut, drawn?.augment.fill);
    const values = new Float32Array(count(this.data.shape) * images.labels.length);
    if (cut !== undefined) {
      from!.values = store.get({ ...place, cut })!;
      await head.run(values, undefined, signal);
      store.drop({ ...place, cut });
    } else if (drawn !== undefined && images.kind === 'images') {
      const { height, width } = images;
      const { augment, seed } = drawn;
      const { epoch } = place;
      await head.run(values, (samples) => drawTransforms(augment, { seed, epoch, samples, height, width }), signal);
    } else await head.run(values, undefined, signal);
    return values;
  }

  private async headFrom(cut: string | undefined, fill = 0) {
    const known = this.heads.get(cut);
    if (known !== undefined) return known;
    const { gpu, batchSize } = this;
    const { network, parameters } = this.head;
    const between = cut === undefined ? network : splitNetwork(network, cut).tail;
    const from = cut === undefined ? undefined : new EpochTensors(between.inputs[0].shape, this.images.labels);
    const head = await Head.compile(gpu, { network: between, parameters }, from ?? this.images, { batchSize, fill });
    const made = { head, from };
    this.heads.set(cut, made);
    return made;
  }
}

/** Frozen layers, compiled: from the images, or from a value that they have made before. */
class Head {
  private readonly gpu: Gpu;
  private readonly model: Model;
  private readonly graph: CompiledGraph;
  private readonly feed: Feed;
  private readonly features: Tensor;
  private readonly samples: number;
  private readonly batchSize: number;

  private constructor(
    gpu: Gpu,
    model: Model,
    { graph, feed, features }: { graph: CompiledGraph; feed: Feed; features: Tensor },
    samples: number,
  ) {
    this.gpu = gpu;
    this.model = model;
    this.graph = graph;
    this.feed = feed;
    this.features = features;
    this.samples = samples;
    this.batchSize = features.shape[0];
  }

  static async compile(
    gpu: Gpu,
    model: Model,
    data: TrainingData,
    { batchSize, fill }: { batchSize: number; fill: number },
  ): Promise<Head> {
    const { network, parameters } = model;
    const feed = createFeed(gpu, network, data, batchSize, fill);
    const built = buildNetwork(network, { batch: batchSize, parameters, image: feed.image });
    const [features] = built.outputs;
    const graph = await compile(gpu, { outputs: [features] });
    feed.load(graph);
    return new Head(gpu, model, { graph, feed, features }, data.labels.length);
  }

  /** Of all samples. @param transforms of those of a batch; none where images stay as they are */
  async run(
    into: Float32Array,
    transforms?: (samples: readonly number[]) => Float32Array<ArrayBuffer>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { samples: count, batchSize } = this;
    const item = into.length / count;
    for (let first = 0; first < count; first += batchSize) {
      signal?.throwIfAborted();
      // The last batch is filled up with its first sample; what comes of those is dropped.
      const samples = Array.from({ length: batchSize }, (_, i) => (first + i < count ? first + i : first));
      this.feed.write(this.graph, samples, transforms?.(samples));
      const [bytes] = await this.graph.run([this.features]);
      if (!new Float32Array(bytes).every(Number.isFinite)) {
        const where = await whereNotFinite(this.gpu, this.model, this.feed, samples);
        throw new FrostlineError(`Before any step, ${where}`);
      }
      into.set(new Float32Array(bytes, 0, item * Math.min(batchSize, count - first)), item * first);
    }
  }

  destroy(): void {
    this.graph.destroy();
  }
}
