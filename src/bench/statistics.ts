/** What is said of a list of times: the median and how far they scatter, neither moved by a few slow outliers. */
export interface Timing {
  /** milliseconds of one run */
  readonly median: number;
  /** milliseconds: 1.4826 times the median distance to the median, the standard deviation of normal noise */
  readonly spread: number;
  readonly samples: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param milliseconds of one run each, at least one */
export function timingOf(milliseconds: readonly number[]): Timing {
  const centre = median(milliseconds);
  const spread = 1.4826 * median(milliseconds.map((value) => Math.abs(value - centre)));
  return { median: centre, spread, samples: milliseconds.length };
}

/**
 * Standard deviations that noise alone passes in one comparison of twenty, where so many unchanged rows are compared at a
 * time.
 */
export const deviationsOf = (rows: number): number => Math.max(3, Math.sqrt(2 * Math.log(20 * rows)));
