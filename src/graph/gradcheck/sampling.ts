/** Where derivatives are looked at: single elements, and directions. */
import type { Random } from '../../random.ts';
import { type Shape, sizeOf } from '../tensor.ts';

/** Half along the gradient, half random signs, of length 1. */
export function mixedDirection(gradient: Float32Array, random: Random): Float64Array {
  const finite = Float64Array.from(gradient, (value) => (Number.isFinite(value) ? value : 0));
  const length = lengthOf(finite) || 1;
  const signs = randomSigns(finite.length, 0, finite.length, random);
  const mixed = finite.map((value, i) => value / length + signs[i]);
  const norm = lengthOf(mixed);
  // The halves may cancel where there are few elements.
  return norm > 1e-3 ? mixed.map((value) => value / norm) : finite.map((value) => value / length);
}

/** Signs of length 1 for the elements [first, end), else 0. */
export function randomSigns(size: number, first: number, end: number, random: Random): Float64Array {
  const signs = new Float64Array(size);
  const value = 1 / Math.sqrt(end - first);
  for (let i = first; i < end; i++) signs[i] = random.uniform() < 0.5 ? value : -value;
  return signs;
}

/** Flat indices in the order in which they are looked at: the first, the last, one on each face, and all others. */
export function* elementOrder(shape: Shape, random: Random): Generator<number> {
  const size = sizeOf(shape);
  let stride = size;
  const faces = shape.flatMap((extent) => {
    stride /= extent;
    return extent === 1 ? [] : [0, extent - 1].map((at) => ({ stride, extent, at }));
  });
  const onFaces = random.permutation(faces.length).map((i) => {
    const face = faces[i];
    const element = random.integer(size);
    return element + (face.at - (Math.floor(element / face.stride) % face.extent)) * face.stride;
  });
  const first = new Set([0, size - 1, ...onFaces]);
  yield* first;
  // Shuffled as far as it is asked for: a layer has millions of elements, of which some dozens are looked at.
  const exchanged = new Map<number, number>();
  for (let i = 0; i < size; i++) {
    const j = i + random.integer(size - i);
    const element = exchanged.get(j) ?? j;
    exchanged.set(j, exchanged.get(i) ?? i);
    exchanged.delete(i);
    if (!first.has(element)) yield element;
  }
}

export const lengthOf = (values: Float32Array | Float64Array) =>
  Math.sqrt((values as Float64Array).reduce((sum, value) => sum + value * value, 0));
