/** An image as numbers, row-major, channels last. */
export interface ReferenceImage {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: ArrayLike<number>;
}

/**
 * Inverse affine warp in float64, bilinear, of the size of the image: each of the four taps that lies outside the image
 * counts as `fill`. The transform is as `drawTransforms` gives it, [a b c; d e f] from output to input pixel centres.
 */
export function warpReference(image: ReferenceImage, transform: ArrayLike<number>, fill: number): Float64Array {
  const { height, width, channels, data } = image;
  const tap = (y: number, x: number, c: number) =>
    y >= 0 && y < height && x >= 0 && x < width ? data[(y * width + x) * channels + c] : fill;
  const out = new Float64Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const xin = transform[0] * x + transform[1] * y + transform[2];
      const yin = transform[3] * x + transform[4] * y + transform[5];
      const [left, top] = [Math.floor(xin), Math.floor(yin)];
      const [u, v] = [xin - left, yin - top];
      for (let c = 0; c < channels; c++) {
        out[(y * width + x) * channels + c] =
          (1 - v) * ((1 - u) * tap(top, left, c) + u * tap(top, left + 1, c)) +
          v * ((1 - u) * tap(top + 1, left, c) + u * tap(top + 1, left + 1, c));
      }
    }
  }
  return out;
}
