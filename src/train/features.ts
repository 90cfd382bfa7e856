/**
 * What frozen layers make of a training set, computed once. Below the frost line nothing changes from step to step but
 * the images; where augmentation and dropout leave those alone, every epoch would compute the same values again.
 */
import type { AugmentPreset } from '../data/augment.ts';
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { compile } from '../graph/compile.ts';
import { buildNetwork } from '../models/build.ts';
import { trainedOf } from '../models/network.ts';
import { lastFixedValue, splitNetwork } from '../models/split.ts';
import type { TensorData, TrainingData } from './data.ts';
import { createFeed } from './feed.ts';
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
  const { network, parameters } = model;
  if (data.kind === 'images' && !isIdentity(augment)) return undefined;
  const trained = (name: string | undefined) => name !== undefined && parameters.get(name)!.trainable;
  const cut = lastFixedValue(
    network,
    (node) => trainedOf(network, node).some(trained) || (node.op.kind === 'dropout' && dropout),
  );
  if (cut === undefined) return undefined;
  const { head, tail } = splitNetwork(network, cut);
  const shape = tail.inputs[0].shape;
  const item = shape.reduce((product, extent) => product * extent, 1);
  const { labels } = data;
  if (4 * item * labels.length > MOST_BYTES) return undefined;

  const feed = createFeed(gpu, head, data, batchSize, augment.fill);
  const built = buildNetwork(head, { batch: batchSize, parameters, image: feed.image });
  const [features] = built.outputs;
  const graph = await compile(gpu, { outputs: [features] });
  try {
    feed.load(graph);
    const values = new Float32Array(item * labels.length);
    for (let first = 0; first < labels.length; first += batchSize) {
      // The last batch is filled up with its first sample; what comes of those is dropped.
      const samples = Array.from({ length: batchSize }, (_, i) => (first + i < labels.length ? first + i : first));
      feed.write(graph, samples);
      const [bytes] = await graph.run([features]);
      if (!new Float32Array(bytes).every(Number.isFinite)) {
        const where = await whereNotFinite(gpu, { network: head, parameters }, feed, samples);
        throw new FrostlineError(`Before any step, ${where}`);
      }
      values.set(new Float32Array(bytes, 0, item * Math.min(batchSize, labels.length - first)), item * first);
    }
    return { model: { network: tail, parameters }, data: { kind: 'tensors', values, shape, labels } };
  } finally {
    graph.destroy();
  }
}
