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
import { count } from '../models/shapes.ts';
import { splitNetwork } from '../models/split.ts';
import type { TensorData, TrainingData } from './data.ts';
import { cutOf, drawOf, type FeatureStore, standsStill } from './feature-store.ts';
import { createFeed, type Feed } from './feed.ts';
import type { Model } from './model.ts';
import { whereNotFinite } from './not-finite.ts';

/** Tensors that are another epoch's from one epoch to the next. */
class EpochTensors implements TensorData {
  readonly kind = 'tensors';
  values: Float32Array<ArrayBuffer> = new Float32Array();
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
   * @param epochs that are to be kept at once; @param store of the cells before, whose frozen layers have the same weights
   * @returns nothing where there is nothing to keep, as `cutOf` says
   */
  static of(
    gpu: Gpu,
    whole: Model,
    images: TrainingData,
    { batchSize, dropout, epochs, store }: { batchSize: number; dropout: boolean; epochs: number; store: FeatureStore },
  ): FrozenPrefix | undefined {
    const { network, parameters } = whole;
    const trained = (name: string) => parameters.get(name)!.trainable;
    const cut = cutOf(network, trained, { samples: images.labels.length, epochs, dropout, most: store.most });
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
    const drawn = drawOf(still, augment, { seed, epoch });
    const { cut, store } = this;
    const from = store.deepest(this.head.network, drawn);
    const kept = from === undefined ? undefined : { cut: from, values: store.get({ ...drawn, cut: from })! };
    if (kept?.cut === cut) {
      this.data.values = kept.values;
      return;
    }
    this.data.values = await this.make(kept, still ? undefined : { augment, seed, epoch }, signal);
    store.keep({ ...drawn, cut }, this.data.values, from);
  }

  destroy(): void {
    for (const { head } of this.heads.values()) head.destroy();
    this.heads.clear();
  }

  /** @param kept of a value on the way; of the images unless given. @param drawn how images are changed; not, unless given */
  private async make(
    kept: { readonly cut: string; readonly values: Float32Array<ArrayBuffer> } | undefined,
    drawn: { readonly augment: AugmentPreset; readonly seed: number; readonly epoch: number } | undefined,
    signal?: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { images } = this;
    const { head, from } = await this.headFrom(kept?.cut, drawn?.augment.fill);
    const values = new Float32Array(count(this.data.shape) * images.labels.length);
    if (kept !== undefined) {
      from!.values = kept.values;
      await head.run(values, undefined, signal);
    } else if (drawn !== undefined && images.kind === 'images') {
      const { height, width } = images;
      const { augment, seed, epoch } = drawn;
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
