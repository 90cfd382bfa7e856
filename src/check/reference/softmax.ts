/** Softmax, cross-entropy and arg max in float64. */
import { reads } from './tensors.ts';

export function rowsOf(values: ArrayLike<number>, columns: number): number[][] {
  return Array.from({ length: values.length / columns }, (_, n) =>
    Array.from({ length: columns }, (_, i) => values[n * columns + i]),
  );
}

/** The largest m of a row, and log sum exp(x - m), precise where it is near 0; NaN where m is not finite. */
function logSum(row: readonly number[]): { largest: number; rest: number } {
  const largest = row.reduce((a, b) => Math.max(a, b));
  if (!Number.isFinite(largest)) return { largest, rest: Number.NaN };
  const at = row.indexOf(largest);
  return {
    largest,
    rest: Math.log1p(row.reduce((sum, value, i) => sum + (i === at ? 0 : Math.exp(value - largest)), 0)),
  };
}

function logSumExp(row: readonly number[]): number {
  const { largest, rest } = logSum(row);
  return largest + rest;
}

export function softmax(x: ArrayLike<number>, columns: number): number[] {
  return rowsOf(x, columns).flatMap((row) => {
    const total = logSumExp(row);
    return row.map((value) => Math.exp(value - total));
  });
}

export function logSoftmax(x: ArrayLike<number>, columns: number): number[] {
  return rowsOf(x, columns).flatMap((row) => row.map((value) => value - logSumExp(row)));
}

/** Over axes first .. end - 1 of a tensor, taken as one. */
export function logSoftmaxAlong(
  x: ArrayLike<number>,
  shape: readonly number[],
  [first, end]: readonly [number, number],
): number[] {
  const rowShape = shape.map((size, axis) => (axis >= first && axis < end ? 1 : size));
  const row = reads(shape, rowShape);
  const members = new Map<number, number[]>();
  for (let i = 0; i < x.length; i++) members.set(row[i], [...(members.get(row[i]) ?? []), x[i]]);
  const totals = new Map([...members].map(([at, values]) => [at, logSumExp(values)]));
  return Array.from(x, (value, i) => value - totals.get(row[i])!);
}

export const softmaxAlong = (
  x: ArrayLike<number>,
  shape: readonly number[],
  axes: readonly [number, number],
): number[] => logSoftmaxAlong(x, shape, axes).map(Math.exp);

/** By the Jacobian dy[j]/dx[i] = [i = j] - exp(y[i]). */
export function logSoftmaxBackward(y: ArrayLike<number>, dy: ArrayLike<number>, columns: number): number[] {
  const upstream = rowsOf(dy, columns);
  return rowsOf(y, columns).flatMap((row, n) =>
    row.map((yi, i) => row.reduce((sum, _, j) => sum + upstream[n][j] * ((i === j ? 1 : 0) - Math.exp(yi)), 0)),
  );
}

/**
 * The sum of the absolute values of the terms of the kernel's form, dy[i] - exp(y[i]) sum over j of dy[j]; an error of y
 * counts as often as exp multiplies it.
 */
export function logSoftmaxBackwardSizes(y: ArrayLike<number>, dy: ArrayLike<number>, columns: number): number[] {
  const upstream = rowsOf(dy, columns);
  return rowsOf(y, columns).flatMap((row, n) => {
    const total = upstream[n].reduce((sum, value) => sum + Math.abs(value), 0);
    return row.map((yi, i) => Math.abs(upstream[n][i]) + Math.exp(yi) * (1 + Math.abs(yi)) * total);
  });
}

/** By the Jacobian dy[j]/dx[i] = y[j] ([i = j] - y[i]). */
export function softmaxBackward(y: ArrayLike<number>, dy: ArrayLike<number>, columns: number): number[] {
  const upstream = rowsOf(dy, columns);
  return rowsOf(y, columns).flatMap((row, n) =>
    row.map((yi, i) => row.reduce((sum, yj, j) => sum + upstream[n][j] * yj * ((i === j ? 1 : 0) - yi), 0)),
  );
}

/** The sum of the absolute values of the terms of the kernel's form, y[i] (dy[i] - sum over j of dy[j] y[j]). */
export function softmaxBackwardSizes(y: ArrayLike<number>, dy: ArrayLike<number>, columns: number): number[] {
  const upstream = rowsOf(dy, columns);
  return rowsOf(y, columns).flatMap((row, n) => {
    const dot = row.reduce((sum, yj, j) => sum + Math.abs(upstream[n][j] * yj), 0);
    return row.map((yi, i) => Math.abs(yi) * (Math.abs(upstream[n][i]) + dot));
  });
}

export function crossEntropies(logits: ArrayLike<number>, labels: ArrayLike<number>, columns: number): number[] {
  return rowsOf(logits, columns).map((row, n) => {
    const { largest, rest } = logSum(row);
    return largest - row[labels[n]] + rest;
  });
}

/** The first of the largest; a NaN counts as largest. */
export function argMax(row: readonly number[]): number {
  const nan = row.findIndex(Number.isNaN);
  return nan >= 0 ? nan : row.indexOf(row.reduce((a, b) => Math.max(a, b)));
}
