/**
 * Kendall's tau-b (1945): how alike two scores order the same items, from -1 to 1; pairs that either score holds equal
 * count for neither.
 * @returns NaN where a score holds all equal
 */
export function kendallTau(first: readonly number[], second: readonly number[]): number {
  let [concordant, untiedFirst, untiedSecond] = [0, 0, 0];
  for (let i = 0; i < first.length; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [Math.sign(first[i] - first[j]), Math.sign(second[i] - second[j])];
      concordant += a * b;
      untiedFirst += Math.abs(a);
      untiedSecond += Math.abs(b);
    }
  }
  return concordant / Math.sqrt(untiedFirst * untiedSecond);
}
