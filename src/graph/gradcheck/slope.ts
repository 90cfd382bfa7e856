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

export interface Slope {
  readonly numeric: number;
  /** what truncation and noise may make of it */
  readonly uncertainty: number;
  /** of which what the outputs' noise (`outputNoise`) accounts for */
  readonly noise: number;
  /** false: NaN or infinity is met within reach, or rounded points fall together */
  readonly finite: boolean;
  /** no output moved between two neighbouring points: the step is below what y resolves, or y does not depend on it */
  readonly still: 'all' | 'some' | 'none';
}

const REACH = 3;
/** the orders of differences that show noise */
const ORDERS = [4, 5, 6];
/** of the noise that so few differences show, what passes it once in some thousands */
const SAFETY = 4;
/** What some dozens of terms of an output may lose where each falls below the smallest normal number: no noise shows it. */
const UNDERFLOW = 2 ** (-126 + 6);

/** Along what, and with what noise. */
export interface Line {
  readonly tensor: Parameter;
  readonly values: Values;
  readonly direction: Readonly<Float64Array>;
  /** as claimed, of each element */
  readonly gradient: Values;
  /** of each output: `outputNoise` */
  readonly noises: Readonly<Float64Array>;
}

/**
 * At a step of `step` |u|; 'crossed' where a kink lies within reach, 'border' where one lies at the point itself.
 * @param vanishing the step is of the outputs' resolution: those that do not move yet may depend on the elements, too
 */
export async function slopeAt(
  subject: Subject,
  side: Side,
  { tensor, values, direction, gradient, noises }: Line,
  step: number,
  vanishing: boolean,
): Promise<Slope | 'crossed' | 'border'> {
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
    const moved = values.map((value, i) => value + k * step * direction[i]);
    // Where a rounded point lies along the direction, in units of the direction.
    const place = moved.reduce((sum, value, i) => sum + (value - values[i]) * direction[i], 0) / squared;
    places.push(place);
    drifts.push(drift(moved, place, values, direction, gradient));
    const found = await subject.evaluate(side, tensor, moved);
    if (side === 'function' && !onOnePiece(base, found)) return 'crossed';
    if (side === 'piece' && leavesBorder(base, found)) return 'border';
    points.push(found);
  }
  const products = points.map(({ y }) => subject.product(y));
  const finite = products.every(Number.isFinite) && places.every((place, i) => i === 0 || place > places[i - 1]);
  if (!finite) return { numeric: Number.NaN, uncertainty: Infinity, noise: Infinity, finite, still: 'none' };
  const rest = products.map((value, i) => value - products[REACH] - drifts[i]);
  const six = derivative(places, rest);
  const four = derivative(places.slice(1, -1), rest.slice(1, -1));
  // What the slope makes of unequal distances is no noise.
  const sigma = noiseOf(rest.map((value, i) => value - six * places[i]));
  // So few values may miss noise by luck, above all where it is a lattice of few places: what each output that moves has.
  const [first, last] = [points[0].y, points[2 * REACH].y];
  const expected = Math.sqrt(
    first.reduce((sum, value, o) => (value === last[o] && !vanishing ? sum : sum + (subject.v[o] * noises[o]) ** 2), 0),
  );
  const noise = (SAFETY * expected) / step;
  const moves = points.slice(1).map(({ y }, i) => y.some((value, o) => value !== points[i].y[o]));
  const still = moves.every((move) => !move) ? 'all' : moves.every(Boolean) ? 'none' : 'some';
  const uncertainty = Math.max(Math.abs(six - four), (SAFETY * sigma) / step, noise);
  return { numeric: six, uncertainty, noise, finite, still };
}

/**
 * What the claimed gradient makes of the way from a point on the line to where rounding puts it: a large element's rounding
 * is many steps of a small one. A claim that is wrong is so by as little as that way is short.
 */
function drift(
  moved: Values,
  place: number,
  values: Values,
  direction: Readonly<Float64Array>,
  gradient: Values,
): number {
  let sum = 0;
  for (let i = 0; i < moved.length; i++) {
    const off = moved[i] - values[i] - place * direction[i];
    if (off !== 0 && Number.isFinite(gradient[i])) sum += gradient[i] * off;
  }
  return sum;
}

/**
 * The noise of each output, from seven runs in which every element of the input moves by 2^-9 of itself and less: that of
 * the output's own table, its rounding, what most others have, or what underflow hides, whichever is the largest.
 */
export async function outputNoise(
  subject: Subject,
  tensor: Parameter,
  values: Values,
  signs: Readonly<Float64Array>,
  scale: number,
): Promise<Float64Array> {
  const side = subject.kinked.length > 0 ? 'piece' : 'function';
  const runs: Values[] = [];
  for (let k = -REACH; k <= REACH; k++) {
    const by = (k / REACH) * 2 ** -9;
    const moved =
      k === 0 ? values : values.map((value, i) => value + by * (Math.abs(value) || scale) * Math.sign(signs[i]));
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
