/** How many splits the quick start takes: fewer on the embedded driver, which is several times slower than lavapipe. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param kind the adapter's, as `Gpu.kind`
 * @param usual splits elsewhere
 * @param folder of a grid; one that has begun keeps the splits that it has
 * @returns nothing where the usual number stands
 */
export function quickSplits(kind, usual, folder) {
  if (kind !== 'embedded') return undefined;
  const config = join(folder, 'config.json');
  if (!existsSync(config)) return usual - 1;
  return JSON.parse(readFileSync(config, 'utf8')).settings.splits;
}
