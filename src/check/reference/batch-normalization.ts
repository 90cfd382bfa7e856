/** Batch normalisation in float64, channel by channel, by its own statistics or by given ones. */
type Values = ArrayLike<number>;

export interface Planes {
  readonly batch: number;
  readonly channels: number;
  readonly plane: number;
}

export const planesSize = ({ batch, channels, plane }: Planes) => batch * channels * plane;

/** Of an element's place. */
export const channelOf = ({ channels, plane }: Planes, at: number) => Math.floor(at / plane) % channels;

/** For each channel the sum over its elements of what `term` makes of a place. */
export function channelSums(shape: Planes, term: (at: number, channel: number) => number): Float64Array {
  const sums = new Float64Array(shape.channels);
  for (let at = 0; at < planesSize(shape); at++) {
    const c = channelOf(shape, at);
    sums[c] += term(at, c);
  }
  return sums;
}

export function moments(shape: Planes, x: Values): { mean: Float64Array; variance: Float64Array } {
  const share = 1 / (shape.batch * shape.plane);
  const mean = channelSums(shape, (at) => share * x[at]);
  return { mean, variance: channelSums(shape, (at, c) => share * (x[at] - mean[c]) ** 2) };
}

export interface Normalization {
  readonly epsilon: number;
  readonly scale: Values;
  readonly shift: Values;
}

/** y by the statistics of x itself. */
export function normalizedByBatch(shape: Planes, x: Values, { epsilon, scale, shift }: Normalization): Float64Array {
  const { mean, variance } = moments(shape, x);
  return Float64Array.from(x, (value, at) => {
    const c = channelOf(shape, at);
    return ((value - mean[c]) / Math.sqrt(variance[c] + epsilon)) * scale[c] + shift[c];
  });
}
