/** LRN across channels in float64; the derivative by the full Jacobian of each pixel, with no window turned around. */
export interface Lrn {
  readonly batch: number;
  readonly channels: number;
  readonly plane: number;
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

/** Whether channel j lies in the window of channel c, as ONNX writes it. */
const inWindow = ({ size }: Lrn, c: number, j: number) =>
  j >= c - Math.floor((size - 1) / 2) && j <= c + Math.ceil((size - 1) / 2);

function scale(p: Lrn, column: readonly number[], c: number): number {
  const squares = column.reduce((sum, value, j) => sum + (inWindow(p, c, j) ? value * value : 0), 0);
  return p.bias + (p.alpha / p.size) * squares;
}

/** Applies `map` to the channels of each pixel. */
function perPixel(p: Lrn, map: (take: (values: ArrayLike<number>) => number[]) => number[]): number[] {
  const out = new Array<number>(p.batch * p.channels * p.plane);
  for (let n = 0; n < p.batch; n++) {
    for (let i = 0; i < p.plane; i++) {
      const places = Array.from({ length: p.channels }, (_, c) => (n * p.channels + c) * p.plane + i);
      map((values) => places.map((place) => values[place])).forEach((value, c) => {
        out[places[c]] = value;
      });
    }
  }
  return out;
}

export function lrn(p: Lrn, x: ArrayLike<number>): number[] {
  return perPixel(p, (take) => {
    const column = take(x);
    return column.map((value, c) => value / scale(p, column, c) ** p.beta);
  });
}

/** s of each value. */
export function scales(p: Lrn, x: ArrayLike<number>): number[] {
  return perPixel(p, (take) => {
    const column = take(x);
    return column.map((_, c) => scale(p, column, c));
  });
}

/**
 * What rounding may do to y in single precision, in units: s is a sum of `size` squares; the power's own error grows with
 * |log2 s| (WGSL: exp2 is off by 3 + 2 |x| units in the last place, log2 by 3, near 1 by 2^-21).
 */
export function lrnUnits(p: Lrn, x: ArrayLike<number>): number {
  const largest = scales(p, x).reduce((most, s) => Math.max(most, Math.abs(Math.log2(s))), 0);
  return p.beta * (p.size + 16 + 8 * largest) + 32;
}

/** dL/dx, and the sum of the absolute values of its terms. */
export function lrnBackwardTerms(p: Lrn, x: ArrayLike<number>, dy: ArrayLike<number>) {
  const terms = (size: (value: number) => number) =>
    perPixel(p, (take) => {
      const column = take(x);
      const upstream = take(dy);
      const s = column.map((_, c) => scale(p, column, c));
      return column.map((value, c) =>
        column.reduce((sum, other, j) => {
          const own = j === c ? s[j] ** -p.beta : 0;
          const through = inWindow(p, j, c)
            ? -p.beta * other * s[j] ** (-p.beta - 1) * ((2 * p.alpha) / p.size) * value
            : 0;
          return sum + size(upstream[j] * own) + size(upstream[j] * through);
        }, 0),
      );
    });
  return { values: terms((value) => value), magnitudes: terms(Math.abs) };
}

export const lrnBackward = (p: Lrn, x: ArrayLike<number>, dy: ArrayLike<number>) => lrnBackwardTerms(p, x, dy).values;
