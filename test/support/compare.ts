/** Mixed tolerance, as in NumPy's allclose: |actual - expected| <= absolute + relative * |expected|. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

export const defaultTolerance: Tolerance = { absolute: 1e-5, relative: 1e-4 };

/** Throws with the largest error's index, both values and how many are off. NaN equals NaN, an infinity itself. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute, relative }: Tolerance = defaultTolerance,
  label = 'values',
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${label}: ${actual.length} values, expected ${expected.length}`);
  }
  let worst = 0;
  let at = -1;
  let count = 0;
  for (let i = 0; i < actual.length; i++) {
    const difference = Object.is(actual[i], expected[i]) ? 0 : Math.abs(actual[i] - expected[i]);
    const allowed = absolute + relative * Math.abs(expected[i]);
    const ratio = difference === 0 ? 0 : difference / allowed;
    if (!(ratio <= 1)) count++;
    if (!(ratio <= worst)) {
      worst = ratio;
      at = i;
    }
  }
  if (count > 0) {
    throw new Error(
      `${label}: ${count} of ${actual.length} values are off; the worst at ${at}: got ${actual[at]}, ` +
        `expected ${expected[at]}, ${worst.toPrecision(3)} times the tolerance`,
    );
  }
}
