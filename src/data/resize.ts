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

/** Weights for each pair of sizes met: the images of a data set are mostly of one size. */
const knownTaps = new Map<string, Taps>();

function tapsFor(from: number, to: number): Taps {
  const key = `${from} to ${to}`;
  const taps = knownTaps.get(key) ?? triangleTaps(from, to);
  if (knownTaps.size >= 64) knownTaps.clear();
  knownTaps.set(key, taps);
  return taps;
}

/** Alpha laid over black. */
function withoutAlpha(rgba: Uint8Array): Float32Array {
  const rgb = new Float32Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    for (let c = 0; c < 3; c++) rgb[to++] = (rgba[from + c] * rgba[from + 3]) / 255;
  }
  return rgb;
}

/**
 * Stretches an image to exactly height x width, bilinear, without cropping, and writes it as RGBA with alpha 255: grey
 * is repeated, alpha is laid over black.
 *
 * Own code rather than sharp's `resize`: its linear kernel shifts an enlarged image by half an output pixel
 * (libvips 8.18), and a call costs more than the whole work on a 28 x 28 image.
 *
 * @param out receives height x width x 4 values from `offset` on
 */
export function resizeToRgba(pixels: Pixels, height: number, width: number, out: Uint8Array, offset: number): void {
  const channels = pixels.channels === 1 ? 1 : 3;
  const input = pixels.channels === 4 ? withoutAlpha(pixels.data) : pixels.data;
  const across = tapsFor(pixels.width, width);
  const down = tapsFor(pixels.height, height);

  const rowSize = width * channels;
  const rows = new Float32Array(pixels.height * rowSize);
  for (let y = 0, to = 0; y < pixels.height; y++) {
    for (let x = 0; x < width; x++) {
      const taps = across.weights[x];
      const first = (y * pixels.width + across.first[x]) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0, from = first + c; k < taps.length; k++, from += channels) sum += taps[k] * input[from];
        rows[to++] = sum;
      }
    }
  }

  const sums = new Float64Array(rowSize);
  // Green and blue stand behind red, or, in a grey image, are the same value.
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
  for (let y = 0, to = offset; y < height; y++) {
    const taps = down.weights[y];
    sums.fill(0.5);
    for (let k = 0; k < taps.length; k++) {
      const from = (down.first[y] + k) * rowSize;
      for (let i = 0; i < rowSize; i++) sums[i] += taps[k] * rows[from + i];
    }
    for (let i = 0; i < rowSize; i += channels, to += 4) {
      out[to] = sums[i];
      out[to + 1] = sums[i + green];
      out[to + 2] = sums[i + blue];
      out[to + 3] = 255;
    }
  }
}
