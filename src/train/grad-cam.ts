/**
 * Grad-CAM (Selvaraju et al., ICCV 2017): where in an image a change would raise a class's score. With the score y of a
 * class before the softmax and the activations A_k of the last convolutional layer,
 *
 *   w_k = mean over places of dy/dA_k        map = ReLU(sum over k of w_k A_k)
 *
 * The gradient is the graph's own: `upstream` picks the class of each image, so that one run differentiates them all.
 */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { compile } from '../graph/compile.ts';
import { input } from '../graph/tensor.ts';
import { buildNetwork } from '../models/build.ts';
import type { Network } from '../models/network.ts';
import { inferShapes } from '../models/shapes.ts';
import type { TrainingData } from './data.ts';
import { createFeed } from './feed.ts';
import { createModel, releaseModel } from './model.ts';

export interface HeatMaps {
  /** the layer whose output is looked at */
  readonly layer: string;
  readonly height: number;
  readonly width: number;
  /** [height * width] each, from 0 on, in units of the score; all 0 where nothing raises it */
  readonly maps: readonly Float32Array[];
}

/** What only rearranges, halves or drops what the layer before it made: its output is looked at no closer. */
const PASSES_ON = new Set(['maxPool', 'averagePool', 'dropout', 'identity', 'flatten', 'reshape']);

/**
 * The last value with places: of a plain network the last convolution's, behind its ReLU and before the pool.
 * @returns nothing where the network has none, as one of fully connected layers
 */
export function heatLayer(network: Network): { readonly layer: string; readonly value: string } | undefined {
  const shapes = inferShapes(network, 1);
  const node = network.nodes.findLast(({ op, outputs: [value] }) => {
    const [, , height = 1, width = 1] = shapes.get(value) ?? [];
    return height * width > 1 && !PASSES_ON.has(op.kind);
  });
  return node && { layer: node.name, value: node.outputs[0] };
}

/**
 * @param data the images, each with the class that is asked for as its label
 * @param batch images at a time on the device
 * @throws FrostlineError where the network has no layer with places
 */
export async function gradCam(gpu: Gpu, network: Network, data: TrainingData, batch = 8): Promise<HeatMaps> {
  const at = heatLayer(network);
  if (at === undefined) {
    throw new FrostlineError(
      `${network.name} has no convolutional layer, so there is no map of places for its classes.`,
    );
  }
  const model = createModel(network);
  const feed = createFeed(gpu, network, data, batch);
  const built = buildNetwork(network, { batch, parameters: model.parameters, image: feed.image });
  const activations = built.values.get(at.value)!;
  const classes = built.logits.size / batch;
  const upstream = input('asked', built.logits.shape);
  const graph = await compile(gpu, {
    outputs: [activations],
    loss: built.logits,
    upstream,
    gradients: [activations],
    training: false,
  });
  const [, channels, height, width] = activations.shape;
  const maps: Float32Array[] = [];
  try {
    feed.load(graph);
    const count = data.labels.length;
    for (let first = 0; first < count; first += batch) {
      // The last batch is filled up with its first sample; what comes of those is dropped.
      const samples = Array.from({ length: batch }, (_, i) => (first + i < count ? first + i : first));
      feed.write(graph, samples);
      const asked = new Float32Array(batch * classes);
      for (const [i, sample] of samples.entries()) asked[i * classes + data.labels[sample]] = 1;
      graph.write(upstream, asked);
      await graph.run();
      const values = await graph.read(activations);
      const gradients = await graph.readGradient(activations);
      const size = channels * height * width;
      for (let i = 0; i < Math.min(batch, count - first); i++) {
        const own = (all: Float32Array) => all.subarray(i * size, (i + 1) * size);
        maps.push(mapOf(own(values), own(gradients), channels, height * width));
      }
    }
  } finally {
    graph.destroy();
    releaseModel(gpu, model);
  }
  return { layer: at.layer, height, width, maps };
}

function mapOf(values: Float32Array, gradients: Float32Array, channels: number, places: number): Float32Array {
  const map = new Float32Array(places);
  for (let k = 0; k < channels; k++) {
    let weight = 0;
    for (let p = 0; p < places; p++) weight += gradients[k * places + p] / places;
    for (let p = 0; p < places; p++) map[p] += weight * values[k * places + p];
  }
  return map.map((value) => Math.max(0, value));
}
