/** Whether a probability of 0.8 is right in 8 of 10 images: the reliability curve and its distance from the diagonal. */
import { wilsonInterval } from './binomial.ts';

/** A bin of the reliability curve: mean confidence beside the share that is right. */
export interface ReliabilityBin {
  /** Images whose largest probability lies in (from, to]. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Mean of the largest probability; undefined without images. */
  readonly confidence?: number;
  /** Share of them that is classified rightly, and its 95 % interval (Wilson). */
  readonly accuracy?: number;
  readonly interval?: readonly [number, number];
}

/** Bins of equal width over the largest probability (Guo et al., ICML 2017). */
export function reliability(confidence: ArrayLike<number>, right: ArrayLike<boolean>, bins = 10): ReliabilityBin[] {
  const of = binOf(confidence, bins);
  return Array.from({ length: bins }, (_, bin) => {
    const own = of.flatMap((b, i) => (b === bin ? [i] : []));
    const range = { from: bin / bins, to: (bin + 1) / bins, count: own.length };
    if (own.length === 0) return range;
    const hits = own.filter((i) => right[i]).length;
    return {
      ...range,
      confidence: own.reduce((sum, i) => sum + confidence[i], 0) / own.length,
      accuracy: hits / own.length,
      interval: wilsonInterval(hits, own.length),
    };
  });
}

const binOf = (confidence: ArrayLike<number>, bins: number): number[] =>
  Array.from(confidence, (value) => Math.min(bins - 1, Math.max(0, Math.ceil(value * bins) - 1)));

/**
 * Expected calibration error: the bins' distances of confidence and accuracy, by their share of the images. It is never
 * below 0, so with few images it is above 0 for a well calibrated classifier, too.
 */
export function expectedCalibrationError(
  confidence: ArrayLike<number>,
  right: ArrayLike<boolean>,
  weights?: ArrayLike<number>,
  bins = 10,
): number {
  const gaps = new Float64Array(bins);
  let total = 0;
  binOf(confidence, bins).forEach((bin, i) => {
    const weight = weights?.[i] ?? 1;
    gaps[bin] += weight * (confidence[i] - Number(right[i]));
    total += weight;
  });
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / total;
}
