/**
 * What frozen layers make of a training set, computed once. Below the frost line nothing changes from step to step but
 * the images; where augmentation and dropout leave those alone, every epoch would compute the same values again. Where
 * they do not, every run of one seed would: what an image becomes in an epoch hangs on seed, epoch and image alone.
 */
import { type AugmentPreset, drawTransforms } from '../data/augment.ts';
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { type CompiledGraph, compile } from '../graph/compile.ts';
import type { Tensor } from '../graph/tensor.ts';
import { buildNetwork } from '../models/build.ts';
import { type Network, trainedOf } from '../models/network.ts';
import { lastFixedValue, splitNetwork } from '../models/split.ts';
import type { ImageData, TensorData, TrainingData } from './data.ts';
import { createFeed, type Feed } from './feed.ts';
import type { Model } from './model.ts';
import { whereNotFinite } from './not-finite.ts';

/** Bytes of features that are kept in host memory at most. */
const MOST_BYTES = 2 ** 30;

/** Every image of every epoch is the same. */
const isIdentity = ({ reflectX, translate, scale, rotation }: AugmentPreset) =>
  reflectX === 0 && [...translate, ...rotation].every((value) => value === 0) && scale.every((value) => value === 1);

/**
 * The model behind its last value that no step changes, and that value for every sample; nothing where augmentation,
 * dropout or a trained parameter changes it at once, or the values would fill more than a gibibyte. In batches of the
 * step's own size, so that every value has the bits that the step would have computed.
 */
export async function reuseFeatures(
  gpu: Gpu,
  model: Model,
  data: TrainingData,
  { batchSize, dropout, augment }: { batchSize: number; dropout: boolean; augment: AugmentPreset },
): Promise<{ model: Model; data: TensorData } | undefined> {
  if (data.kind === 'images' && !isIdentity(augment)) return undefined;
  const cut = cutOf(model, dropout);
  if (cut === undefined) return undefined;
  const { head, tail, shape, item } = cut;
  const { labels } = data;
  if (4 * item * labels.length > MOST_BYTES) return undefined;
  const values = new Float32Array(item * labels.length);
  const whole = { network: head, parameters: model.parameters };
  const compiled = await Head.compile(gpu, whole, data, { batchSize, fill: augment.fill });
  try {
    await compiled.run(values);
  } finally {
    compiled.destroy();
  }
  return { model: { network: tail, parameters: model.parameters }, data: { kind: 'tensors', values, shape, labels } };
}

interface Cut {
  readonly head: Network;
  readonly tail: Network;
  /** of the value between them, of a sample */
  readonly shape: readonly number[];
  readonly item: number;
}

function cutOf({ network, parameters }: Model, dropout: boolean): Cut | undefined {
  const trained = (name: string | undefined) => name !== undefined && parameters.get(name)!.trainable;
  const cut = lastFixedValue(
    network,
    (node) => trainedOf(network, node).some(trained) || (node.op.kind === 'dropout' && dropout),
  );
  if (cut === undefined) return undefined;
  const { head, tail } = splitNetwork(network, cut);
  const { shape } = tail.inputs[0];
  return { head, tail, shape, item: shape.reduce((product, extent) => product * extent, 1) };
}

/** The layers below the cut, compiled. */
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

/**
 * The features of every image in every epoch of one seed's runs, for the cells of a grid that differ in their rates alone:
 * the first of them computes them, the others find them. In the step's own batches, so with the bits of the step.
 */
export class SharedFeatures {
  /** the network behind the frost line, and a data set of a row for each epoch and sample */
  readonly model: Model;
  readonly data: TensorData;
  private readonly gpu: Gpu;
  private readonly head: Model;
  private readonly images: ImageData;
  private readonly batchSize: number;
  private readonly item: number;
  private compiled: Head | undefined;
  /** augmentation, seed and first epoch of the runs whose features these are, and which epochs there are */
  private madeFor: string | undefined;
  private readonly made = new Set<number>();

  private constructor(gpu: Gpu, { parameters }: Model, images: ImageData, batchSize: number, cut: Cut, epochs: number) {
    this.gpu = gpu;
    this.model = { network: cut.tail, parameters };
    this.head = { network: cut.head, parameters };
    this.images = images;
    this.batchSize = batchSize;
    this.item = cut.item;
    const values = new Float32Array(cut.item * images.labels.length * epochs);
    this.data = { kind: 'tensors', values, shape: cut.shape, labels: images.labels };
  }

  /** @returns nothing where nothing stands still, or all epochs' values would fill more than a gibibyte */
  static of(
    gpu: Gpu,
    model: Model,
    data: TrainingData,
    { batchSize, dropout, epochs }: { batchSize: number; dropout: boolean; epochs: number },
  ): SharedFeatures | undefined {
    const cut = data.kind === 'images' ? cutOf(model, dropout) : undefined;
    if (cut === undefined || data.kind !== 'images') return undefined;
    if (4 * cut.item * data.labels.length * epochs > MOST_BYTES) return undefined;
    return new SharedFeatures(gpu, model, data, batchSize, cut, epochs);
  }

  /**
   * Where the samples of an epoch stand in `data`; computed where no run of this seed has come to that epoch before.
   * @param epoch of the whole run; @param start its first epoch that these features are of
   */
  async rows(
    augment: AugmentPreset,
    { seed, start, epoch, samples }: { seed: number; start: number; epoch: number; samples: Uint32Array },
    signal?: AbortSignal,
  ): Promise<Uint32Array> {
    const key = JSON.stringify([augment, seed, start]);
    if (this.madeFor !== key) this.made.clear();
    this.madeFor = key;
    const { height, width, labels } = this.images;
    const at = epoch - start;
    if (!this.made.has(at)) {
      const { batchSize } = this;
      this.compiled ??= await Head.compile(this.gpu, this.head, this.images, { batchSize, fill: augment.fill });
      const row = this.item * labels.length;
      const drawn = (own: readonly number[]) => drawTransforms(augment, { seed, epoch, samples: own, height, width });
      await this.compiled.run(this.data.values.subarray(at * row, (at + 1) * row), drawn, signal);
      this.made.add(at);
    }
    return samples.map((sample) => at * labels.length + sample);
  }

  destroy(): void {
    this.compiled?.destroy();
  }
}
