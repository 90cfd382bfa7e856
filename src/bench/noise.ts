/** Random values for what is only timed or compared. */
import { Random } from '../random.ts';

/**
 * A prime number of random values in [-scale, scale) over and over: no stride of a layer meets the same ones at every
 * step, and hundreds of millions take no time to draw.
 */
export function noise(count: number, seed = 1, scale = 1): Float32Array<ArrayBuffer> {
  const period = 65_537;
  const random = new Random(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < Math.min(count, period); i++) values[i] = random.between(-scale, scale);
  for (let filled = period; filled < count; filled *= 2) values.copyWithin(filled, 0, Math.min(filled, count - filled));
  return values;
}
