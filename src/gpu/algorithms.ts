/** Which algorithm an operator is to use, in place of the quickest by estimate: for measurements, and to find faults. */
import { FrostlineError } from '../errors.ts';

/** By operator, as 'conv2d', or one of its results, as 'conv2d forward'. */
export type ForcedAlgorithms = ReadonlyMap<string, string>;

/**
 * 'conv2d=winograd', or several with commas between; an empty text forces nothing. FROSTLINE_ALGORITHM is read so.
 *
 * @throws FrostlineError where the text is none; names are checked where the operator chooses
 */
export function parseAlgorithms(text: string, from = 'FROSTLINE_ALGORITHM'): Map<string, string> {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  return new Map(
    parts.map((part) => {
      const [operator, name, ...rest] = part.split('=').map((word) => word.trim());
      if (!operator || !name || rest.length > 0) {
        throw new FrostlineError(`${from}: '${part}' is no OPERATOR=ALGORITHM. Give one as in conv2d=winograd.`);
      }
      return [operator, name] as const;
    }),
  );
}

/** What `parseAlgorithms` reads back, the same for the same choices; empty where nothing is forced. */
export const algorithmsText = (algorithms: ForcedAlgorithms): string =>
  [...algorithms]
    .map(([operator, name]) => `${operator}=${name}`)
    .sort()
    .join(',');
