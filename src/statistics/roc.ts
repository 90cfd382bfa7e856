/** The area under the ROC curve, and the operating point at a chosen sensitivity. */
import { Z95 } from './binomial.ts';

/** Indices by ascending value, and where equal values end: what a rank statistic needs of its values. */
export interface Ranking {
  readonly order: Uint32Array;
  /** For each place in `order`, the place after the last of its equals. */
  readonly tieEnd: Uint32Array;
}

export function ranking(values: ArrayLike<number>): Ranking {
  const order = Uint32Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a] - values[b]);
  const tieEnd = new Uint32Array(order.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]] === values[order[start]]) end++;
    tieEnd.fill(end, start, end);
    start = end;
  }
  return { order, tieEnd };
}

/**
 * P(a positive has a larger value than a negative) + half P(equal): the Mann-Whitney form of the area, with weights.
 * @param positive 1 where the image is of the class; @param weights 1 each where left out
 */
export function areaUnderRoc(
  { order, tieEnd }: Ranking,
  positive: ArrayLike<number | boolean>,
  weights?: ArrayLike<number>,
): number {
  let [below, area, positives, negatives] = [0, 0, 0, 0];
  for (let start = 0; start < order.length; start = tieEnd[start]) {
    let [tiedPositive, tiedNegative] = [0, 0];
    for (let at = start; at < tieEnd[start]; at++) {
      const weight = weights === undefined ? 1 : weights[order[at]];
      if (positive[order[at]]) tiedPositive += weight;
      else tiedNegative += weight;
    }
    area += tiedPositive * (below + tiedNegative / 2);
    below += tiedNegative;
    positives += tiedPositive;
    negatives += tiedNegative;
  }
  return area / (positives * negatives);
}

/**
 * 95 % interval of the area by DeLong's variance (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988) on the logit
 * scale, which keeps it within [0, 1]. An area of 0 or 1 has no variance; its interval is Wilson's, for as many trials
 * as the smaller class has images.
 */
export function areaInterval(values: ArrayLike<number>, positive: readonly boolean[]): [number, number] {
  const area = areaUnderRoc(ranking(values), positive);
  const of = (wanted: boolean) => positive.flatMap((is, i) => (is === wanted ? [values[i]] : []));
  const [positives, negatives] = [of(true), of(false)];
  const compare = (a: number, b: number) => (a > b ? 1 : a === b ? 0.5 : 0);
  const placements = (own: number[], others: number[], sign: 1 | -1) =>
    own.map((a) => others.reduce((sum, b) => sum + (sign > 0 ? compare(a, b) : compare(b, a)), 0) / others.length);
  const variance = (placed: number[]) =>
    placed.length < 2 ? 0.25 : placed.reduce((sum, v) => sum + (v - area) ** 2, 0) / (placed.length - 1);
  const se = Math.sqrt(
    variance(placements(positives, negatives, 1)) / positives.length +
      variance(placements(negatives, positives, -1)) / negatives.length,
  );
  if (area === 0 || area === 1 || se === 0) {
    const trials = Math.min(positives.length, negatives.length);
    const half = Z95 ** 2 / (trials + Z95 ** 2);
    return [Math.max(0, area - half), Math.min(1, area + half)];
  }
  const logit = Math.log(area / (1 - area));
  const half = (Z95 * se) / (area * (1 - area));
  const back = (x: number) => 1 / (1 + Math.exp(-x));
  return [back(logit - half), back(logit + half)];
}

export interface OperatingPoint {
  /** An image counts as positive from this value of the class's probability on. */
  readonly threshold: number;
  readonly sensitivity: number;
  readonly specificity: number;
}

/** The highest threshold at which at least this share of the positives is found: the best specificity for it. */
export function operatingPoint(
  values: ArrayLike<number>,
  positive: readonly boolean[],
  sensitivity: number,
): OperatingPoint {
  const found = positive.flatMap((is, i) => (is ? [values[i]] : [])).sort((a, b) => b - a);
  const needed = Math.max(1, Math.ceil(sensitivity * found.length - 1e-9));
  const threshold = found[needed - 1];
  const share = (wanted: boolean, holds: (value: number) => boolean) => {
    const own = positive.flatMap((is, i) => (is === wanted ? [values[i]] : []));
    return own.filter(holds).length / own.length;
  };
  return {
    threshold,
    sensitivity: share(true, (value) => value >= threshold),
    specificity: share(false, (value) => value < threshold),
  };
}

/**
 * The curve itself: shares of negatives and of positives at or above each value, from (0, 0) to (1, 1); equal values are
 * one step, and points on a straight line between their neighbours are left out.
 * @param positive whether the image is of the class
 */
export function rocCurve(values: ArrayLike<number>, positive: readonly boolean[]): [number, number][] {
  const { order, tieEnd } = ranking(Array.from(values, (value) => -value));
  const positives = positive.filter(Boolean).length;
  const negatives = positive.length - positives;
  const points: [number, number][] = [[0, 0]];
  let [found, alarms] = [0, 0];
  for (let start = 0; start < order.length; start = tieEnd[start]) {
    for (let at = start; at < tieEnd[start]; at++) {
      if (positive[order[at]]) found++;
      else alarms++;
    }
    points.push([alarms / negatives, found / positives]);
  }
  return points.filter(([x, y], i) => {
    if (i === 0 || i === points.length - 1) return true;
    const [[x0, y0], [x1, y1]] = [points[i - 1], points[i + 1]];
    return Math.abs((x - x0) * (y1 - y) - (x1 - x) * (y - y0)) > 1e-12;
  });
}
