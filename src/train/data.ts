/** What a run trains and is tested on, in host memory. */
import { withMembers } from '../arguments.ts';

/** 8-bit images at one size; the sampler makes them the network's input on the device. */
export interface ImageData {
  readonly kind: 'images';
  /** RGBA, image after image */
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly height: number;
  readonly width: number;
  readonly labels: Uint32Array<ArrayBuffer>;
}

/** Inputs used as they are, [count, ...shape]. */
export interface TensorData {
  readonly kind: 'tensors';
  readonly values: Float32Array<ArrayBuffer>;
  /** of one item: channels, height, width, or what a cut network reads */
  readonly shape: readonly number[];
  readonly labels: Uint32Array<ArrayBuffer>;
}

/** Images and labels of a training run, decoded or to be decoded. */
export type TrainingData = ImageData | TensorData;

/** Data of a run, as an argument. */
export const DATA = withMembers('images or tensors with their labels', {
  kind: (value) => value === 'images' || value === 'tensors',
  labels: (value) => value instanceof Uint32Array,
});

/** The samples with these indices. */
export function selectSamples(data: TrainingData, indices: readonly number[]): TrainingData {
  const labels = Uint32Array.from(indices, (i) => data.labels[i]);
  const gather = <T extends Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>>(from: T, into: T, item: number): T => {
    indices.forEach((i, at) => {
      into.set(from.subarray(i * item, (i + 1) * item), at * item);
    });
    return into;
  };
  if (data.kind === 'images') {
    const item = 4 * data.height * data.width;
    return { ...data, labels, pixels: gather(data.pixels, new Uint8Array(indices.length * item), item) };
  }
  const item = data.shape.reduce((product, extent) => product * extent, 1);
  return { ...data, labels, values: gather(data.values, new Float32Array(indices.length * item), item) };
}
