/** the augmentation's affine sampler in float64, one tap at a time. */
export interface AffineSample {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly channelOrder: 'rgb' | 'bgr';
  readonly fill: number;
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** @param images bytes [image][height][width][4]; @param transforms six numbers an output image */
export function affineSample(
  p: AffineSample,
  images: Uint8Array,
  source: ArrayLike<number>,
  transforms: ArrayLike<number>,
): number[] {
  const out: number[] = [];
  for (let n = 0; n < source.length; n++) {
    const [a, b, c, d, e, f] = Array.from({ length: 6 }, (_, i) => transforms[6 * n + i]);
    const at = (y: number, x: number, channel: number) =>
      y < 0 || x < 0 || y >= p.height || x >= p.width
        ? p.fill
        : images[((source[n] * p.height + y) * p.width + x) * 4 + channel];
    for (let k = 0; k < p.channels; k++) {
      const channel = p.channelOrder === 'bgr' ? 2 - k : k;
      for (let oy = 0; oy < p.outHeight; oy++) {
        for (let ox = 0; ox < p.outWidth; ox++) {
          const x = a * ox + b * oy + c;
          const y = d * ox + e * oy + f;
          const [x0, y0] = [Math.floor(x), Math.floor(y)];
          let value = 0;
          for (const [dy, dx] of [
            [0, 0],
            [0, 1],
            [1, 0],
            [1, 1],
          ]) {
            const weight = (dy === 1 ? y - y0 : 1 - (y - y0)) * (dx === 1 ? x - x0 : 1 - (x - x0));
            value += weight * at(y0 + dy, x0 + dx, channel);
          }
          out.push((value * p.scale - p.mean[k]) / p.std[k]);
        }
      }
    }
  }
  return out;
}
