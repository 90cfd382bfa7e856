import { closest, distance } from 'fastest-levenshtein';

/**
 * What to say after an unknown name: the nearest known one, or all of them where none is near.
 * @returns such as "the nearest is 'epochs'"
 */
export function nearestHint(name: string, known: readonly string[]): string {
  if (known.length === 0) return 'none is known';
  const nearest = closest(name, known as string[]);
  if (distance(name, nearest) <= Math.max(2, name.length / 2)) return `the nearest is '${nearest}'`;
  return `known are ${known.map((k) => `'${k}'`).join(', ')}`;
}
