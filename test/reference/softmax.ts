/** Softmax, cross-entropy and arg max in float64. */
export function rowsOf(values: ArrayLike<number>, columns: number): number[][] {
  return Array.from({ length: values.length / columns }, (_, n) =>
    Array.from({ length: columns }, (_, i) => values[n * columns + i]),
  );
}

function logSumExp(row: readonly number[]): number {
  const largest = row.reduce((a, b) => Math.max(a, b));
  return largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

export function softmax(x: ArrayLike<number>, columns: number): number[] {
  return rowsOf(x, columns).flatMap((row) => row.map((value) => Math.exp(value - logSumExp(row))));
}

export function logSoftmax(x: ArrayLike<number>, columns: number): number[] {
  return rowsOf(x, columns).flatMap((row) => row.map((value) => value - logSumExp(row)));
}

/** By the Jacobian dy[j]/dx[i] = [i = j] - exp(y[i]). */
export function logSoftmaxBackward(y: ArrayLike<number>, dy: ArrayLike<number>, columns: number): number[] {
  const upstream = rowsOf(dy, columns);
  return rowsOf(y, columns).flatMap((row, n) =>
    row.map((yi, i) => row.reduce((sum, _, j) => sum + upstream[n][j] * ((i === j ? 1 : 0) - Math.exp(yi)), 0)),
  );
}

/** By the Jacobian dy[j]/dx[i] = y[j] ([i = j] - y[i]). */
export function softmaxBackward(y: ArrayLike<number>, dy: ArrayLike<number>, columns: number): number[] {
  const upstream = rowsOf(dy, columns);
  return rowsOf(y, columns).flatMap((row, n) =>
    row.map((yi, i) => row.reduce((sum, yj, j) => sum + upstream[n][j] * yj * ((i === j ? 1 : 0) - yi), 0)),
  );
}

export function crossEntropies(logits: ArrayLike<number>, labels: ArrayLike<number>, columns: number): number[] {
  return rowsOf(logits, columns).map((row, n) => logSumExp(row) - row[labels[n]]);
}

export function weightedMean(losses: readonly number[], labels: ArrayLike<number>, classWeights: ArrayLike<number>) {
  const weights = losses.map((_, n) => classWeights[labels[n]]);
  const weightSum = weights.reduce((a, b) => a + b);
  return { loss: losses.reduce((sum, loss, n) => sum + weights[n] * loss, 0) / weightSum, weightSum };
}

/** Derivative of the weighted mean loss for the logits. */
export function crossEntropyBackward(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  classWeights: ArrayLike<number>,
  columns: number,
): number[] {
  const weightSum = Array.from(labels, (label) => classWeights[label]).reduce((a, b) => a + b);
  return softmax(logits, columns).map((probability, at) => {
    const label = labels[Math.floor(at / columns)];
    return (classWeights[label] / weightSum) * (probability - (at % columns === label ? 1 : 0));
  });
}

/** The first of the largest; a NaN counts as largest. */
export function argMax(row: readonly number[]): number {
  const nan = row.findIndex(Number.isNaN);
  return nan >= 0 ? nan : row.indexOf(Math.max(...row));
}
