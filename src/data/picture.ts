/** Pictures for a page: small, and text by themselves, so that one file holds all. */
import { loadSharp } from './sharp.ts';

/** CSS pixels of the longer side at most. */
const MOST = 144;
/** Up to this side a picture is kept without loss: there every pixel counts. */
const EXACT = 96;

/**
 * @param rgb three bytes a pixel, row after row
 * @returns a data URI: PNG for small pictures, else JPEG, shrunk where it is large
 */
export async function pictureUri(rgb: Uint8Array, height: number, width: number): Promise<string> {
  const sharp = await loadSharp();
  const image = sharp(rgb, { raw: { width, height, channels: 3 } }).resize(MOST, MOST, {
    fit: 'inside',
    withoutEnlargement: true,
  });
  const exact = Math.max(height, width) <= EXACT;
  const bytes = await (exact ? image.png() : image.jpeg({ quality: 82 })).toBuffer();
  return `data:image/${exact ? 'png' : 'jpeg'};base64,${bytes.toString('base64')}`;
}

/** The red, green and blue of one of several RGBA images. */
export function rgbOf(rgba: Uint8Array, index: number, pixels: number): Uint8Array {
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = rgba[4 * (index * pixels + i) + c];
  }
  return rgb;
}

/** Dark to bright, in the order of brightness also for who does not tell the hues apart. */
const RAMP = [
  [40, 20, 70],
  [150, 40, 90],
  [230, 95, 20],
  [255, 225, 120],
] as const;

/**
 * A map of a few places over an image: the image in grey, the map's values as colour, bilinearly between the places.
 * @param map [mapHeight * mapWidth], from 0 on; its largest value is the brightest
 */
export function heatOver(
  rgb: Uint8Array,
  { height, width }: { height: number; width: number },
  map: Float32Array,
  { height: mapHeight, width: mapWidth }: { height: number; width: number },
): Uint8Array {
  const most = map.reduce((a, b) => Math.max(a, b), 0);
  const out = new Uint8Array(rgb.length);
  const at = (y: number, x: number) =>
    map[Math.min(mapHeight - 1, Math.max(0, y)) * mapWidth + Math.min(mapWidth - 1, Math.max(0, x))];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [my, mx] = [((y + 0.5) * mapHeight) / height - 0.5, ((x + 0.5) * mapWidth) / width - 0.5];
      const [y0, x0] = [Math.floor(my), Math.floor(mx)];
      const [fy, fx] = [my - y0, mx - x0];
      const top = at(y0, x0) * (1 - fx) + at(y0, x0 + 1) * fx;
      const bottom = at(y0 + 1, x0) * (1 - fx) + at(y0 + 1, x0 + 1) * fx;
      const heat = most === 0 ? 0 : (top * (1 - fy) + bottom * fy) / most;
      const i = 3 * (y * width + x);
      const grey = 0.299 * rgb[i] + 0.587 * rgb[i + 1] + 0.114 * rgb[i + 2];
      const step = Math.min(RAMP.length - 2, Math.floor(heat * (RAMP.length - 1)));
      const share = heat * (RAMP.length - 1) - step;
      for (let c = 0; c < 3; c++) {
        const colour = RAMP[step][c] * (1 - share) + RAMP[step + 1][c] * share;
        out[i + c] = Math.round(0.42 * grey + 0.58 * colour);
      }
    }
  }
  return out;
}
