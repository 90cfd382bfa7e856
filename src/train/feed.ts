/**
 * How samples get into a compiled graph. 8-bit images stay resident on the device where one binding holds them all, and
 * a step sends only indices and transforms; a larger set is sent batch by batch. Tensors are always sent.
 */
import { checkArguments, listOf, wholeFrom } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { CompiledGraph } from '../graph/compile.ts';
import { affineSample } from '../graph/ops/affine-sample.ts';
import { input, type Tensor } from '../graph/tensor.ts';
import { IDENTITY_TRANSFORM } from '../kernels/augment/augment.ts';
import { imageShape, type Network } from '../models/network.ts';
import { preprocessingOf } from '../models/preprocessing.ts';
import { transpose } from '../operators/transpose/graph.ts';
import { DATA, type TrainingData } from './data.ts';

export interface Feed {
  /** the network's input, the batch first */
  readonly image: Tensor;
  /** Sends what stays resident; once, after compilation. */
  load(graph: CompiledGraph): void;
  /** Sends one batch: samples and, for images, six numbers of inverse affine map each (identity where left out). */
  write(graph: CompiledGraph, samples: ArrayLike<number>, transforms?: Float32Array<ArrayBuffer>): void;
}

/** @throws FrostlineError for data that are none, do not fit the network's input, or for which it has no preprocessing */
export function createFeed(gpu: Gpu, network: Network, data: TrainingData, batch: number, fill = 0): Feed {
  checkData(data);
  const [{ name, shape }, ...others] = network.inputs;
  if (others.length > 0) {
    throw new FrostlineError(
      `${network.name} has ${network.inputs.length} inputs, ${network.inputs.map((input) => input.name).join(', ')}; ` +
        'one is expected for images and tensors. Fold the others into constants.',
    );
  }
  return data.kind === 'images' ? imageFeed(gpu, network, data, batch, fill) : tensorFeed(data, batch, name, shape);
}

/** Values and labels of the same samples: fewer values would be filled up with what the batch before left. */
function checkData(data: TrainingData): void {
  const what = 'the data of a network';
  checkArguments(what, { data: [data, DATA] });
  const values = data.kind === 'images' ? data.pixels : data.values;
  if (data.kind === 'images') {
    checkArguments(what, {
      height: [data.height, wholeFrom(1)],
      width: [data.width, wholeFrom(1)],
      pixels: [values, { is: (value) => value instanceof Uint8Array, words: 'a Uint8Array of RGBA' }],
    });
  } else {
    checkArguments(what, {
      shape: [data.shape, listOf(wholeFrom(1), 'the lengths of an item, such as [3, 64, 64]')],
      values: [values, { is: (value) => value instanceof Float32Array, words: 'a Float32Array' }],
    });
  }
  // Features that are yet to be made have no values: they are looked at when they are sent.
  if (data.kind === 'tensors' && values.length === 0) return;
  checkLength(data, values.length, what);
}

function checkLength(data: TrainingData, length: number, what: string): void {
  const shape = data.kind === 'images' ? [data.height, data.width, 4] : data.shape;
  const wanted = shape.reduce((product, extent) => product * extent, data.labels.length);
  if (length === wanted) return;
  throw new FrostlineError(
    `${what}: there are ${length} values for ${data.labels.length} labels; items of [${shape.join(', ')}] have ` +
      `${wanted}. Give values and labels of the same samples.`,
  );
}

/** As Keras' networks want their images; their first layer turns them back, and neither moves a value then. */
const channelsLast = (image: Tensor, name: string): Tensor => transpose(image, [0, 2, 3, 1], `${name} channels last`);

function tensorFeed(
  data: TrainingData & { kind: 'tensors' },
  batch: number,
  name: string,
  shape: readonly number[],
): Feed {
  if (data.shape.join() !== shape.join()) {
    throw new FrostlineError(
      `The tensors are [${data.shape.join(', ')}] an item, the network's input ${name} is [${shape.join(', ')}]. ` +
        'Make them anew in that shape.',
    );
  }
  const image = input(name, [batch, ...shape]);
  const item = image.size / batch;
  const values = new Float32Array(image.size);
  return {
    image,
    load() {},
    write(graph, samples) {
      checkLength(data, data.values.length, name);
      for (let i = 0; i < batch; i++) {
        values.set(data.values.subarray(samples[i] * item, (samples[i] + 1) * item), i * item);
      }
      graph.write(image, values);
    },
  };
}

function imageFeed(
  gpu: Gpu,
  network: Network,
  data: TrainingData & { kind: 'images' },
  batch: number,
  fill: number,
): Feed {
  const preprocessing = preprocessingOf(network);
  const [{ name, shape, layout }] = network.inputs;
  const [channels, height, width] = imageShape(network.inputs[0]) ?? [0, 0, 0];
  if (channels !== 1 && channels !== 3) {
    throw new FrostlineError(
      `Input ${name} is [N, ${shape.join(', ')}], no image of 1 or 3 channels. ` +
        'Train on tensors instead: --images X.npy --labels Y.npy.',
    );
  }
  const { height: imageHeight, width: imageWidth, labels } = data;
  const pixels = new Uint32Array(data.pixels.buffer, data.pixels.byteOffset, data.pixels.byteLength / 4);
  const plane = imageHeight * imageWidth;
  const resident = 4 * pixels.length <= gpu.limits.maxBinding - gpu.limits.offsetAlignment;
  const images = input('images', [resident ? labels.length : batch, imageHeight, imageWidth], 'u32');
  const source = input('source', [batch], 'u32');
  const transforms = input('transforms', [batch, 6]);
  const { mean, std } = preprocessing;
  // Presets have three; an image of one channel is the first of its colours.
  const own = (values: readonly number[]) => (channels === 1 ? values.slice(0, 1) : values);
  const sampled = affineSample(images, source, transforms, {
    ...preprocessing,
    mean: own(mean),
    std: own(std),
    size: [height, width],
    channels,
    fill,
    name,
  });
  const image = layout === 'NHWC' ? channelsLast(sampled, name) : sampled;
  const identity = Float32Array.from({ length: 6 * batch }, (_, i) => IDENTITY_TRANSFORM[i % 6]);
  const part = new Uint32Array(resident ? 0 : batch * plane);
  return {
    image,
    load(graph) {
      if (resident) graph.write(images, pixels);
      else
        graph.write(
          source,
          Uint32Array.from({ length: batch }, (_, i) => i),
        );
    },
    write(graph, samples, drawn = identity) {
      if (resident) graph.write(source, Uint32Array.from(samples));
      else {
        for (let i = 0; i < batch; i++) {
          part.set(pixels.subarray(samples[i] * plane, (samples[i] + 1) * plane), i * plane);
        }
        graph.write(images, part);
      }
      graph.write(transforms, drawn);
    },
  };
}
