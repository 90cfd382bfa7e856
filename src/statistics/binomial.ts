/** What counts of successes say: intervals of a share, and the exact test of two classifiers on the same images. */

/** The 97.5 % quantile of the standard normal: two-sided 95 %. */
export const Z95 = 1.959963984540054;

/**
 * Wilson score interval of a proportion (E. B. Wilson, JASA 22, 1927): unlike the normal approximation it stays within
 * [0, 1] and holds for the few test images of a small data set.
 * @param z quantile of the standard normal; the default gives 95 %
 */
export function wilsonInterval(successes: number, trials: number, z = Z95): [number, number] {
  const p = successes / trials;
  const z2 = z * z;
  const centre = (p + z2 / (2 * trials)) / (1 + z2 / trials);
  const half = (z / (1 + z2 / trials)) * Math.sqrt((p * (1 - p)) / trials + z2 / (4 * trials * trials));
  return [successes === 0 ? 0 : centre - half, successes === trials ? 1 : centre + half];
}

/**
 * Two-sided exact p of McNemar's test (McNemar 1947; the binomial form): of the images on which exactly one of two
 * classifiers is right, either is as likely to be the one where they are equally good.
 * @param onlyFirst images that only the first has right; @param onlySecond those that only the second has right
 */
export function mcnemarExact(onlyFirst: number, onlySecond: number): number {
  const discordant = onlyFirst + onlySecond;
  // P(X <= fewer) of Binomial(discordant, 1/2), each term from the one before; in logarithms, for 2^-n underflows.
  let logTerm = -discordant * Math.LN2;
  let tail = Math.exp(logTerm);
  for (let k = 1; k <= Math.min(onlyFirst, onlySecond); k++) {
    logTerm += Math.log((discordant - k + 1) / k);
    tail += Math.exp(logTerm);
  }
  return Math.min(1, 2 * tail);
}

/** Holm's step-down correction (Holm 1979): p values valid together, in the order given. */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => pValues[a] - pValues[b]);
  const corrected = new Array<number>(pValues.length);
  let largest = 0;
  order.forEach((i, rank) => {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * pValues[i]));
    corrected[i] = largest;
  });
  return corrected;
}
