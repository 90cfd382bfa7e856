/** Pixels of one image, row-major, channels last: 1 grey, 3 RGB, 4 RGBA (not premultiplied). */
export interface Pixels {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
}

/** For each output position: the first input position read, and the weights from there on. */
interface Taps {
  readonly first: Int32Array;
  readonly weights: readonly Float64Array[];
}

/**
 * The triangle filter of bilinear interpolation, widened by the scale where the image shrinks so that no input pixel
 * is skipped (Pillow's BILINEAR, torchvision's antialiased Resize). Pixel centres lie at i + 1/2; beyond the border
 * the weights that remain are normalised.
 */
function triangleTaps(from: number, to: number): Taps {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const first = new Int32Array(to);
  const weights = Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const low = Math.max(0, Math.floor(centre - support + 0.5));
    const high = Math.min(from, Math.floor(centre + support + 0.5));
    first[i] = low;
    const taps = Float64Array.from({ length: high - low }, (_, k) =>
      Math.max(0, 1 - Math.abs(low + k + 0.5 - centre) / support),
    );
    const sum = taps.reduce((total, weight) => total + weight, 0);
    return taps.map((weight) => weight / sum);
  });
  return { first, weights };
}

/** Red, green and blue as numbers: grey is repeated, alpha is laid over black. */
function toRgb({ height, width, channels, data }: Pixels): Uint8Array | Float32Array {
  if (channels === 3) return data;
  const rgb = channels === 1 ? new Uint8Array(height * width * 3) : new Float32Array(height * width * 3);
  for (let pixel = 0; pixel < height * width; pixel++) {
    const alpha = channels === 4 ? data[pixel * 4 + 3] / 255 : 1;
    for (let c = 0; c < 3; c++) rgb[pixel * 3 + c] = data[pixel * channels + (channels === 1 ? 0 : c)] * alpha;
  }
  return rgb;
}

/**
 * Stretches an image to exactly height x width, bilinear, without cropping, and writes it as RGBA with alpha 255.
 *
 * Own code rather than sharp's `resize`: its linear kernel shifts an enlarged image by half an output pixel
 * (libvips 8.18), and a call costs more than the whole work on a 28 x 28 image.
 *
 * @param out receives height x width x 4 values from `offset` on
 */
export function resizeToRgba(pixels: Pixels, height: number, width: number, out: Uint8Array, offset: number): void {
  const rgb = toRgb(pixels);
  const across = triangleTaps(pixels.width, width);
  const down = triangleTaps(pixels.height, height);

  const rows = new Float32Array(pixels.height * width * 3);
  for (let y = 0; y < pixels.height; y++) {
    for (let x = 0; x < width; x++) {
      const taps = across.weights[x];
      let from = (y * pixels.width + across.first[x]) * 3;
      let [r, g, b] = [0, 0, 0];
      for (let k = 0; k < taps.length; k++, from += 3) {
        r += taps[k] * rgb[from];
        g += taps[k] * rgb[from + 1];
        b += taps[k] * rgb[from + 2];
      }
      const to = (y * width + x) * 3;
      rows[to] = r;
      rows[to + 1] = g;
      rows[to + 2] = b;
    }
  }

  const sums = new Float64Array(width * 3);
  for (let y = 0; y < height; y++) {
    const taps = down.weights[y];
    sums.fill(0.5);
    for (let k = 0; k < taps.length; k++) {
      const from = (down.first[y] + k) * width * 3;
      for (let i = 0; i < sums.length; i++) sums[i] += taps[k] * rows[from + i];
    }
    for (let x = 0, to = offset + y * width * 4; x < width; x++, to += 4) {
      out[to] = sums[x * 3];
      out[to + 1] = sums[x * 3 + 1];
      out[to + 2] = sums[x * 3 + 2];
      out[to + 3] = 255;
    }
  }
}
