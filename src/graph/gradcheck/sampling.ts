/** Where derivatives are looked at: single elements, and directions. */
import type { Random } from '../../random.ts';
import { type Shape, sizeOf } from '../tensor.ts';

/** A way to go. */
export interface Direction {
  readonly direction: Float64Array;
  /** of a step that changes the elements by about their own size */
  readonly length: number;
  /** of the derivatives along it, if its elements' did not cancel */
  readonly size: number;
}

/** the root mean square, in units of the quarter's largest, from which on a range is wide; of normal values 3 */
const WIDE = 30;

/** Draws directions for one input. */
export class Directions {
  private readonly values: Float32Array;
  private readonly gradient: Float32Array;
  private readonly scale: number;
  private readonly random: Random;
  private readonly largest: number;
  /** whether elements lie over decades: along signs alone only the smallest would count, or only the largest */
  readonly wide: boolean;

  /** @param scale the elements' root mean square */
  constructor(values: Float32Array, gradient: Float32Array, scale: number, random: Random) {
    this.values = values;
    this.gradient = gradient.map((value) => (Number.isFinite(value) ? value : 0));
    this.scale = scale;
    this.random = random;
    this.largest = this.gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const sizes = values.map(Math.abs).filter((value) => value > 0);
    this.wide = sizes.toSorted()[sizes.length >> 2] < scale / WIDE;
  }

  element(element: number): Direction {
    const direction = new Float64Array(this.values.length);
    direction[element] = 1;
    const own = Math.abs(this.values[element]);
    // An element far below the others may be 0 but for rounding; one far above needs a step of its own size.
    return { direction, length: own > this.scale / 1000 ? own : this.scale, size: this.largest };
  }

  /** Random signs for the elements [first, end): in turn the same for all, and each element's of its own size. */
  *over(first: number, end: number, tries: number): Generator<Direction> {
    for (let i = 0; i < tries; i++) yield i % 2 === 0 ? this.signs(first, end) : this.shares(first, end);
  }

  /** Half along the gradient, half random signs; in turn with signs of each element's size. */
  *mixed(tries: number): Generator<Direction> {
    const { values, gradient, scale, random } = this;
    for (let i = 0; i < tries; i++) {
      if (i % 2 === 1) yield this.shares(0, values.length);
      else {
        const direction = mixedDirection(gradient, random);
        yield { direction, length: scale * Math.sqrt(values.length), size: lengthOf(gradient) };
      }
    }
  }

  private signs(first: number, end: number): Direction {
    const direction = randomSigns(this.values.length, first, end, this.random);
    return { direction, length: this.scale * Math.sqrt(end - first), size: this.along(direction) };
  }

  /** Elements over decades: what is a short step for the largest takes the smallest beyond 0. */
  shares(first: number, end: number): Direction {
    const signs = this.signs(first, end);
    const shares = signs.direction.map((value, i) => Math.sign(value) * Math.abs(this.values[i]));
    const length = lengthOf(shares);
    if (length === 0) return signs;
    const direction = shares.map((value) => value / length);
    return { direction, length, size: this.along(direction) };
  }

  private along(direction: Float64Array): number {
    return Math.sqrt(direction.reduce((sum, value, i) => sum + (value * this.gradient[i]) ** 2, 0));
  }
}

/** Of length 1. */
function mixedDirection(gradient: Float32Array, random: Random): Float64Array {
  const length = lengthOf(gradient) || 1;
  const signs = randomSigns(gradient.length, 0, gradient.length, random);
  const mixed = signs.map((value, i) => gradient[i] / length + value);
  const norm = lengthOf(mixed);
  // The halves may cancel where there are few elements.
  return norm > 1e-3 ? mixed.map((value) => value / norm) : Float64Array.from(gradient, (value) => value / length);
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
