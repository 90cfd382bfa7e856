/**
 * Split-K for the gradient of filters: few outputs, each a sum over all places of all images, leave most of a discrete GPU
 * idle. The images go in parts, which are worked on side by side, each to a gradient of its own; a second pass adds these
 * in the order of the parts, so that every run gives the same bits:
 *
 *   part[s, f, c, ky, kx] = sum over n in part s, oy, ox of  dy[n, f, oy, ox] * x[n, c, ..]
 *   dw (+)= sum over s of part[s]
 *
 * To the contraction parts are groups; to the second pass (../bias) they are images and filters' values are channels.
 */
import type { biasGradient } from '../bias/bias.ts';
import { type ContractionParams, SLAB } from '../contraction/contraction.ts';
import type { Capabilities, Params } from '../kernel.ts';
import { conv2dFilterGradient } from './conv2d.ts';
import { type Conv2dShape, conv2dOutput } from './shape.ts';

export interface SplitPlan {
  readonly run: ContractionParams;
  readonly sum: Params<(typeof biasGradient)['params']>;
  /** of all parts */
  readonly bytes: number;
}

/** Workgroups that keep a discrete GPU busy, and outputs of one, along either side. */
const ENOUGH = 256;
const TILE = 64;

/** Products that a sum must keep, or the second pass costs more than it brings. */
const LEAST_SUM = 128;

const MOST_BYTES = 32 * 2 ** 20;

/** How many parts the images are best worked on in; 1 where all together. */
export function filterGradientParts({ kind, limits }: Capabilities, shape: Conv2dShape): number {
  const { batch, channels, filters, kernel, groups } = shape;
  const [lines, columns] = conv2dOutput(shape);
  const values = (channels / groups) * kernel[0] * kernel[1];
  const tiles = groups * Math.ceil(filters / groups / TILE) * Math.ceil(values / TILE);
  if (kind !== 'hardware' || tiles >= ENOUGH) return 1;
  const most = Math.min(MOST_BYTES, limits.maxBinding - limits.offsetAlignment);
  // Parts and groups share one stride only where a part is one image, or where there is one group.
  const candidates = Array.from({ length: batch }, (_, i) => i + 1).filter(
    (parts) =>
      batch % parts === 0 &&
      (groups === 1 || parts === batch || parts === 1) &&
      (batch / parts) * lines * columns >= LEAST_SUM &&
      4 * parts * filters * values <= most,
  );
  // Workgroups take turns where there are more than enough, and a slab of images takes its time however few they are.
  const time = (parts: number) => Math.max(1, (parts * tiles) / ENOUGH) * Math.ceil(batch / parts / SLAB);
  return candidates.reduce((best, parts) => (time(parts) < time(best) ? parts : best), 1);
}

/** @param item elements from one image of dy to the next, more than its filters' where only some are worked on */
export function planSplitFilterGradient(
  shape: Conv2dShape,
  parts: number,
  { accumulate, item }: { readonly accumulate: boolean; readonly item: number },
): SplitPlan {
  const whole = conv2dFilterGradient(shape, false);
  const { batch, channels, height, width, filters, kernel, groups } = shape;
  const images = batch / parts;
  const values = filters * (channels / groups) * kernel[0] * kernel[1];
  const strides =
    groups === 1
      ? { a_group: images * item, b_group: images * channels * height * width, c_group: values }
      : { a_group: whole.a_group, b_group: whole.b_group, c_group: whole.c_group };
  return {
    run: { ...whole, ...strides, groups: parts * groups, r: images, a_r: item },
    sum: { batch: parts, channels: values, plane: 1, accumulate: accumulate ? 1 : 0 },
    bytes: 4 * parts * values,
  };
}
