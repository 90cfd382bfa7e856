/**
 * The derivative of t -> v . f(x + t u) at 0, with what is uncertain of it.
 *
 * Seven points at distances -3 d to 3 d: the interpolating polynomial through all gives a derivative of order 6, that
 * through the inner five one of order 4 (weights of Fornberg 1988, "Generation of finite difference formulas on
 * arbitrarily spaced grids", for points are rounded to f32 and lie where they lie). Their difference bounds the
 * truncation. The high differences of the same seven values give the noise (Moré and Wild 2011, "Estimating computational
 * noise"): of a smooth function they vanish, of noise of variance s^2 the k-th has a mean square of s^2 (2k)! / (k!)^2.
 *
 * So no guess of the function's rounding is needed: a sum that cancelled on the way is seen by its noise, not by y's ulp.
 */
import type { Parameter } from '../tensor.ts';
import { type Evaluation, leavesBorder, onOnePiece, type Side, type Subject } from './subject.ts';

type Values = Float32Array<ArrayBuffer>;

/** Differences at one step. What noise makes of them is another's to say: ./ladder.ts. */
export interface Slope {
  /** in units of the direction */
  readonly step: number;
  readonly numeric: number;
  /** what the differences' order leaves, and what their own high differences show, of `numeric` */
  readonly truncation: number;
  /** the slope of the flattest secant from the point that is not level; 0 where all are */
  readonly secant: number;
  /** false: NaN or infinity is met within reach, or rounded points fall together */
  readonly finite: boolean;
  /** no output moved between two neighbouring points: the step is below what y resolves, or y does not depend on it */
  readonly still: 'all' | 'some' | 'none';
  /** 1 for each output that moved */
  readonly moved: Readonly<Uint8Array>;
  /** the nearest of the points, in units of the direction, where an output moved */
  readonly nearest: number | undefined;
}

export const REACH = 3;
/** the orders of differences that show noise */
const ORDERS = [4, 5, 6];
/** of the noise that so few differences show, what passes it once in some thousands */
export const SAFETY = 4;
/** What some dozens of terms of an output may lose where each falls below the smallest normal number: no noise shows it. */
const UNDERFLOW = 2 ** (-126 + 6);

/** Along what. */
export interface Line {
  readonly tensor: Parameter;
  readonly values: Values;
  readonly direction: Readonly<Float64Array>;
  /** as claimed, of each element */
  readonly gradient: Values;
}

/** Each output's noise, by two measurements: `outputNoise`. */
export interface Noises {
  readonly coarse: Readonly<Float64Array>;
  readonly fine: Readonly<Float64Array>;
}

export const pointOn = ({ values, direction }: Line, distance: number): Values =>
  values.map((value, i) => value + distance * direction[i]);

/** At a step of `step` |u|; 'crossed' where a kink lies within reach, 'border' where one lies at the point itself. */
export async function slopeAt(
  subject: Subject,
  side: Side,
  line: Line,
  step: number,
): Promise<Slope | 'crossed' | 'border'> {
  const { tensor, values, direction } = line;
  const squared = direction.reduce((sum, value) => sum + value * value, 0);
  const base = subject.base(side);
  const places: number[] = [];
  const drifts: number[] = [];
  const points: Evaluation[] = [];
  for (let k = -REACH; k <= REACH; k++) {
    if (k === 0) {
      places.push(0);
      drifts.push(0);
      points.push(base);
      continue;
    }
    const point = pointOn(line, k * step);
    // Where a rounded point lies along the direction, in units of the direction.
    const place = point.reduce((sum, value, i) => sum + (value - values[i]) * direction[i], 0) / squared;
    places.push(place);
    drifts.push(drift(point, place, line));
    const found = await subject.evaluate(side, tensor, point);
    if (side === 'function' && !onOnePiece(base, found)) return 'crossed';
    if (side === 'piece' && leavesBorder(base, found)) return 'border';
    points.push(found);
  }
  const moved = Uint8Array.from(base.y, (value, o) => Number(points.some(({ y }) => y[o] !== value)));
  // Not v . y less v . y: where outputs lie over decades, float64 has no place for the least of them.
  const changes = points.map(({ y }) => y.reduce((sum, value, o) => sum + (value - base.y[o]) * subject.v[o], 0));
  const finite = changes.every(Number.isFinite) && places.every((place, i) => i === 0 || place > places[i - 1]);
  if (!finite) {
    const unknown = { numeric: Number.NaN, truncation: Infinity, secant: 0, nearest: undefined };
    return { step, ...unknown, finite, still: 'none', moved };
  }
  const rest = changes.map((value, i) => value - drifts[i]);
  const six = derivative(places, rest);
  const four = derivative(places.slice(1, -1), rest.slice(1, -1));
  // What the slope makes of unequal distances is no noise.
  const sigma = noiseOf(rest.map((value, i) => value - six * places[i]));
  const moves = points.slice(1).map(({ y }, i) => y.some((value, o) => value !== points[i].y[o]));
  return {
    step,
    numeric: six,
    truncation: Math.max(Math.abs(six - four), (SAFETY * sigma) / step),
    secant: flattest(places, rest),
    finite,
    still: moves.every((move) => !move) ? 'all' : moves.every(Boolean) ? 'none' : 'some',
    moved,
    nearest: nearestMove(points, step),
  };
}

function flattest(places: readonly number[], rest: readonly number[]): number {
  const secants = rest.map((value, i) => Math.abs(value / places[i])).filter((one) => one > 0);
  return secants.length === 0 ? 0 : Math.min(...secants);
}

/** Nearest first: the distance of a point at which an output moved. */
function nearestMove(points: readonly Evaluation[], step: number): number | undefined {
  const { y: base } = points[REACH];
  const order = [1, -1, 2, -2, 3, -3];
  const k = order.find((one) => points[REACH + one].y.some((value, o) => value !== base[o]));
  return k === undefined ? undefined : k * step;
}

/**
 * What the claimed gradient makes of the way from a point on the line to where rounding puts it: a large element's rounding
 * is many steps of a small one. A claim that is wrong is so by as little as that way is short.
 */
function drift(point: Values, place: number, { values, direction, gradient }: Line): number {
  let sum = 0;
  for (let i = 0; i < point.length; i++) {
    const off = point[i] - values[i] - place * direction[i];
    if (off !== 0 && Number.isFinite(gradient[i])) sum += gradient[i] * off;
  }
  return sum;
}

/** how far the elements move, at most, of themselves, for noise: in a function that swings within 2^-9, all is noise there */
const [COARSE, FINE] = [2 ** -9, 2 ** -17];

/**
 * The noise of each output, from seven runs in which every element of the input moves by a small share of itself: that of
 * the output's own table, its rounding, what most others have, or what underflow hides, whichever is the largest. Measured
 * twice: noise is the same however short the moves, and what a function does within the longer ones is none.
 */
export async function outputNoise(
  subject: Subject,
  tensor: Parameter,
  values: Values,
  signs: Readonly<Float64Array>,
  scale: number,
): Promise<Noises> {
  const side = subject.kinked.length > 0 ? 'piece' : 'function';
  const measured = async (share: number): Promise<Float64Array> => {
    // Whole units of the last place: what rounds the points unevenly would show as noise of the function.
    const moves = values.map((value, i) => {
      const size = Math.abs(value) || scale;
      const unit = 2 ** (Math.floor(Math.log2(size)) - 23);
      return Math.sign(signs[i]) * unit * Math.round((share * size) / (REACH * unit));
    });
    const runs: Values[] = [];
    for (let k = -REACH; k <= REACH; k++) {
      const moved = k === 0 ? values : values.map((value, i) => value + k * moves[i]);
      runs.push((await subject.evaluate(side, tensor, moved)).y);
      // Unmoved: once more the given inputs.
      if (k === 0) subject.again(runs.at(-1)!, subject.base(side).y);
    }
    const own = Float64Array.from(runs[0], (_, o) => noiseOf(runs.map((y) => y[o])));
    const common = own.toSorted()[Math.floor(0.75 * (own.length - 1))];
    // A unit in the last place is uniform rounding's standard deviation times the root of 12.
    return own.map((noise, o) => {
      const rounding = (2 ** -23 * Math.abs(runs[REACH][o])) / Math.sqrt(12);
      return Math.max(Number.isFinite(noise) ? noise : 0, Number.isFinite(common) ? common : 0, rounding, UNDERFLOW);
    });
  };
  const [long, short] = [await measured(COARSE), await measured(FINE)];
  const coarse = long.map((noise, o) => Math.max(noise, short[o]));
  // Few differences measure no better than that.
  return { coarse, fine: short.every((noise, o) => noise > coarse[o] / 4) ? coarse : short };
}

/** The derivative at 0 of the polynomial through these points. */
function derivative(places: readonly number[], values: readonly number[]): number {
  return places.reduce((sum, x, i) => {
    const others = places.filter((_, j) => j !== i);
    const below = others.reduce((product, other) => product * (x - other), 1);
    const above = others.reduce(
      (total, _, j) => total + others.reduce((product, other, k) => (k === j ? product : product * -other), 1),
      0,
    );
    return sum + (values[i] * above) / below;
  }, 0);
}

/** The standard deviation of the noise in equally spaced values of a smooth function. */
export function noiseOf(values: readonly number[]): number {
  let row = [...values];
  let largest = 0;
  let factor = 1;
  for (let k = 1; k <= ORDERS.at(-1)!; k++) {
    row = row.slice(1).map((value, i) => value - row[i]);
    // (k!)^2 / (2k)!
    factor *= (k * k) / (2 * k * (2 * k - 1));
    if (!ORDERS.includes(k)) continue;
    const meanSquare = row.reduce((sum, value) => sum + value * value, 0) / row.length;
    largest = Math.max(largest, Math.sqrt(factor * meanSquare));
  }
  return largest;
}
