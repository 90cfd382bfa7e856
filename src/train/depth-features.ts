/**
 * What a network shows at each depth: for every freeze point the values that the first layer above the frost line reads.
 * One pass over the images for all depths; values are averaged over places to at most SIDE x SIDE, for what is probed are
 * a few hundred images, and early layers have millions of values.
 */
import type { Gpu } from '../gpu/device.ts';
import { compile } from '../graph/compile.ts';
import type { Tensor } from '../graph/tensor.ts';
import { buildNetwork } from '../models/build.ts';
import { freezeThrough } from '../models/layers.ts';
import { type Network, trainedOf } from '../models/network.ts';
import { lastFixedValue } from '../models/split.ts';
import type { TrainingData } from './data.ts';
import { createFeed } from './feed.ts';
import { createModel, describeFreeze, releaseModel } from './model.ts';
import { allFreezePoints } from './plan.ts';
import type { FreezePoint } from './results.ts';

/** Places to a side that are kept of a feature map. */
export const SIDE = 7;

export interface DepthFeatures {
  readonly freeze: FreezePoint;
  /** of a sample, as the network has them */
  readonly shape: readonly number[];
  /** [samples, dimensions], averaged over places */
  readonly values: Float64Array;
}

/** Features at every freeze point, from the network's own parameters. @param data in the network's input size */
export async function depthFeatures(
  gpu: Gpu,
  network: Network,
  data: TrainingData,
  { batchSize, signal }: { batchSize: number; signal?: AbortSignal },
): Promise<DepthFeatures[]> {
  const model = createModel(network);
  const feed = createFeed(gpu, network, data, batchSize);
  const { values } = buildNetwork(network, { batch: batchSize, parameters: model.parameters, image: feed.image });
  const depths = allFreezePoints(network).map((point) => ({
    freeze: describeFreeze(network, point),
    tensor: valueAt(network, point, values) ?? feed.image,
  }));
  const tensors = [...new Set(depths.map(({ tensor }) => tensor))];
  const samples = data.labels.length;
  const sizes = tensors.map(({ shape }) => pooledSize(shape.slice(1)));
  const kept = sizes.map((size) => new Float64Array(samples * size));
  const graph = await compile(gpu, { outputs: tensors });
  try {
    feed.load(graph);
    for (let first = 0; first < samples; first += batchSize) {
      signal?.throwIfAborted();
      // The last batch is filled up with its first sample; what comes of those is dropped.
      feed.write(
        graph,
        Array.from({ length: batchSize }, (_, i) => (first + i < samples ? first + i : first)),
      );
      const read = await graph.run(tensors);
      for (const [t, bytes] of read.entries()) {
        const whole = new Float32Array(bytes);
        const item = whole.length / batchSize;
        for (let i = 0; i < Math.min(batchSize, samples - first); i++) {
          const pooled = pool(whole.subarray(i * item, (i + 1) * item), tensors[t].shape.slice(1));
          kept[t].set(pooled, (first + i) * sizes[t]);
        }
      }
    }
  } finally {
    graph.destroy();
    releaseModel(gpu, model);
  }
  return depths.map(({ freeze, tensor }) => ({
    freeze,
    shape: tensor.shape.slice(1),
    values: kept[tensors.indexOf(tensor)],
  }));
}

/** The last value that stands still at a freeze point; nothing where that is the image itself. */
function valueAt(network: Network, point: number | string, values: ReadonlyMap<string, Tensor>): Tensor | undefined {
  const frozen = freezeThrough(network, point);
  const value = lastFixedValue(network, (node) => trainedOf(network, node).some((name) => !frozen.has(name)));
  return value === undefined ? undefined : values.get(value);
}

const pooledSize = (shape: readonly number[]) =>
  shape.length === 3
    ? shape[0] * Math.min(SIDE, shape[1]) * Math.min(SIDE, shape[2])
    : shape.reduce((product, extent) => product * extent, 1);

/** Means over bins that part a map evenly, as PyTorch's adaptive_avg_pool2d has them. @param shape [C, H, W], or no map */
export function pool(values: Float32Array, shape: readonly number[]): Float64Array {
  if (shape.length !== 3) return Float64Array.from(values);
  const [channels, height, width] = shape;
  const [rows, columns] = [Math.min(SIDE, height), Math.min(SIDE, width)];
  const pooled = new Float64Array(channels * rows * columns);
  for (let c = 0; c < channels; c++) {
    for (let r = 0; r < rows; r++) {
      const [top, bottom] = [Math.floor((r * height) / rows), Math.ceil(((r + 1) * height) / rows)];
      for (let k = 0; k < columns; k++) {
        const [left, right] = [Math.floor((k * width) / columns), Math.ceil(((k + 1) * width) / columns)];
        let sum = 0;
        for (let y = top; y < bottom; y++) {
          for (let x = left; x < right; x++) sum += values[(c * height + y) * width + x];
        }
        pooled[(c * rows + r) * columns + k] = sum / ((bottom - top) * (right - left));
      }
    }
  }
  return pooled;
}
