/** Broadcasting, transposition and padding in float64, by the coordinates of each element; derivatives scatter. */
import type { BinaryOperator } from '../../kernels/binary/binary.ts';

type Shape = readonly number[];

export const sizeOf = (shape: Shape) => shape.reduce((a, b) => a * b, 1);

/** Coordinates of element `index` of a dense tensor, and back; a coordinate beyond an extent of 1 is 0. */
export function coordinates(shape: Shape, index: number): number[] {
  const result: number[] = [];
  for (let axis = shape.length - 1, rest = index; axis >= 0; axis--) {
    result.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return result;
}
export const place = (shape: Shape, at: readonly number[]) =>
  at.reduce((index, i, axis) => index * shape[axis] + (shape[axis] === 1 ? 0 : i), 0);

/** For each element of a tensor of shape `y`, the element of the operand that it reads. */
export const reads = (y: Shape, x: Shape) => Array.from({ length: sizeOf(y) }, (_, i) => place(x, coordinates(y, i)));

const operators: Record<BinaryOperator, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
};

export function binary(
  operator: BinaryOperator,
  y: Shape,
  [a, aShape]: readonly [ArrayLike<number>, Shape],
  [b, bShape]: readonly [ArrayLike<number>, Shape],
): number[] {
  const [ofA, ofB] = [reads(y, aShape), reads(y, bShape)];
  return ofA.map((at, i) => operators[operator](a[at], b[ofB[i]]));
}

/** The sums of g over the elements that read each element of the operand. */
export function unbroadcast(y: Shape, x: Shape, g: ArrayLike<number>): number[] {
  const dx = new Array<number>(sizeOf(x)).fill(0);
  reads(y, x).forEach((at, i) => {
    dx[at] += g[i];
  });
  return dx;
}

/** Several tensors behind each other along an axis. */
export function concat(axis: number, parts: readonly (readonly [ArrayLike<number>, Shape])[]): number[] {
  const [[, first]] = parts;
  const to = first.with(
    axis,
    parts.reduce((sum, [, shape]) => sum + shape[axis], 0),
  );
  return Array.from({ length: sizeOf(to) }, (_, i) => {
    const at = coordinates(to, i);
    let part = 0;
    while (at[axis] >= parts[part][1][axis]) at[axis] -= parts[part++][1][axis];
    const [values, shape] = parts[part];
    return values[at.reduce((index, k, d) => index * shape[d] + k, 0)];
  });
}

export function transpose(shape: Shape, perm: readonly number[], x: ArrayLike<number>): number[] {
  const to = perm.map((axis) => shape[axis]);
  const y = new Array<number>(x.length);
  for (let i = 0; i < x.length; i++) {
    const at = coordinates(shape, i);
    y[
      place(
        to,
        perm.map((axis) => at[axis]),
      )
    ] = x[i];
  }
  return y;
}

export type Mode = 'constant' | 'edge' | 'reflect';

/** Of a line of `size` values padded by `before` and `after`: which of them stands at each place, or -1. */
export function paddedLine(size: number, before: number, after: number, mode: Mode): number[] {
  const line = Array.from({ length: size }, (_, i) => i);
  const fill = (count: number, value: (distance: number) => number) =>
    Array.from({ length: Math.max(count, 0) }, (_, i) => (mode === 'constant' ? -1 : value(i + 1)));
  const head = fill(before, (d) => (mode === 'edge' ? 0 : d)).reverse();
  const tail = fill(after, (d) => (mode === 'edge' ? size - 1 : size - 1 - d));
  return [...head, ...line, ...tail].slice(Math.max(-before, 0), after < 0 ? after : undefined);
}

/** Padded along every axis but the first by `before` and `after`; a constant pad is `value`. */
export function pad(
  x: ArrayLike<number>,
  from: Shape,
  { before, after, mode, value }: { before: Shape; after: Shape; mode: Mode; value: number },
): number[] {
  const lines = before.map((count, i) => paddedLine(from[i + 1], count, after[i], mode));
  const to = [from[0], ...lines.map(({ length }) => length)];
  return Array.from({ length: sizeOf(to) }, (_, i) => {
    const at = coordinates(to, i).map((k, axis) => (axis === 0 ? k : lines[axis - 1][k]));
    return at.includes(-1) ? value : x[at.reduce((index, k, axis) => index * from[axis] + k, 0)];
  });
}

/** a [..., M, K] times b [..., K, P]. */
export function product(a: ArrayLike<number>, aShape: Shape, b: ArrayLike<number>, bShape: Shape): number[] {
  const [rows, inner] = aShape.slice(-2);
  const columns = bShape.at(-1)!;
  return Array.from({ length: (sizeOf(aShape) / inner) * columns }, (_, i) => {
    const [matrix, row, column] = [Math.floor(i / columns / rows), Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a[row * inner + k] * b[(matrix * inner + k) * columns + column];
    return sum;
  });
}
