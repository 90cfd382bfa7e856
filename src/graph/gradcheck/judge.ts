/**
 * One sample: the derivative along a direction, at the step that shows it best.
 *
 * The step begins at a share of the input's size, grows where noise is in the way and shrinks where the function bends,
 * until both are small beside what is allowed. Where a kink lies within reach, the function gives way to the one on the
 * piece of the point, which has none. A mismatch counts only if other steps, with noise of their own, show it too.
 */
import { type Line, type Slope, slopeAt } from './slope.ts';
import type { Side, Subject } from './subject.ts';

export interface Judged {
  readonly slope: Slope;
  readonly onPiece: boolean;
}

/** 'kink': the point has no derivative; 'hidden': noise hides it, or differences have no limit. */
export type Verdict = Judged | 'kink' | 'hidden';

interface Sample extends Line {
  /** the first step, in units of the direction */
  readonly step: number;
  readonly analytic: number;
  /** an uncertainty with which a sample still counts as judged, of the size of the input's derivatives */
  readonly resolved: number;
  /** what passes beside the uncertainty, of a derivative of this size */
  allowed(numeric: number): number;
}

const FACTOR = 8;
/** how many times the step is multiplied or divided by it, at most */
const [MOST_DOWN, MOST_UP] = [-6, 4];
/** by how many powers the step grows at once while nothing moves at all, and the longest one reached so, absolute */
const [LEAP, LONGEST] = [5, 1];
/** a sample is settled when its uncertainty is this share of what is allowed */
const SETTLED = 1 / 4;

export async function judge(subject: Subject, sample: Sample): Promise<Verdict> {
  const { step, noises, analytic, resolved, allowed } = sample;
  let side = 'function' as Side;
  let vanishing = false;
  const at = async (length: number): Promise<Slope | 'border'> => {
    const found = await slopeAt(subject, side, sample, length, vanishing);
    if (found !== 'crossed') return found;
    side = 'piece';
    return at(length);
  };
  const tried = new Map<number, Slope>();
  const unmoved = () => [...tried.values()].every(({ still }) => still === 'all');
  for (let [power, least, most] = [0, MOST_DOWN, MOST_UP]; power >= least && power <= most && !tried.has(power); ) {
    const slope = await at(step * FACTOR ** power);
    if (slope === 'border') return 'kink';
    tried.set(power, slope);
    if (slope.still === 'none' && slope.uncertainty <= SETTLED * allowed(slope.numeric)) break;
    // High differences of their own cannot tell noise from a function that bends: that of the outputs can.
    const tooShort = slope.still !== 'none' || slope.noise >= slope.uncertainty / 2;
    // Elements so small beside the rest (weights of 1e-30, with a bias) that no step of their own size moves an output.
    const leaps = slope.still === 'all' && unmoved() && step * FACTOR ** (power + LEAP) <= LONGEST;
    power += leaps ? LEAP : slope.finite && tooShort ? 1 : -1;
    if (leaps) {
      vanishing = true;
      [least, most] = [power - LEAP + 1, Math.log(LONGEST / step) / Math.log(FACTOR)];
    }
  }
  const slopes = [...tried].map(([power, slope]) => ({ power, slope }));
  if (unmoved()) {
    const [{ slope }] = slopes;
    const longest = step * FACTOR ** Math.max(...tried.keys());
    // Where even the claim would have moved nothing, nothing is known; else the output does not depend on the elements.
    const known = Math.abs(analytic) <= allowed(0) || Math.abs(analytic) * longest > hiddenAtMost(subject, noises);
    return known ? { slope, onPiece: side === 'piece' } : 'hidden';
  }
  const best = bestOf(slopes);
  if (best === undefined) return 'hidden';
  let { slope } = best;
  const error = () => Math.abs(analytic - slope.numeric);
  const shows = (one: Slope) =>
    one.finite && one.still === 'none' && one.uncertainty <= Math.max(allowed(one.numeric), resolved);
  if (error() > allowed(slope.numeric) + slope.uncertainty) {
    for (const other of [0.45, 1.7]) {
      const again = await at(step * FACTOR ** best.power * other);
      if (again === 'border') return 'kink';
      const agrees = Math.abs(analytic - again.numeric) <= allowed(again.numeric) + again.uncertainty;
      if (shows(again) && agrees) slope = again;
    }
  }
  // What noise does not let one tell to the tolerance, it may still let one tell from what is far off.
  const farOff = error() > allowed(slope.numeric) + 2 * slope.uncertainty;
  return shows(slope) || farOff ? { slope, onPiece: side === 'piece' } : 'hidden';
}

/** What v . y may change by while no output does, for sums on the way are rounded, too. */
function hiddenAtMost({ v }: Subject, noises: Readonly<Float64Array>): number {
  return noises.reduce((sum, noise, o) => sum + 4 * Math.abs(v[o]) * noise, 0);
}

interface AtPower {
  readonly power: number;
  readonly slope: Slope;
}

/**
 * The least uncertain. Beyond a pole, or where a function has gone flat, long steps agree among themselves on what is no
 * derivative here: one that contradicts a shorter one is none.
 */
function bestOf(slopes: readonly AtPower[]): AtPower | undefined {
  const usable = slopes.filter(({ slope }) => slope.still === 'none' && slope.finite);
  return usable
    .filter(({ power, slope }) =>
      usable.every(
        (other) =>
          other.power >= power ||
          Math.abs(other.slope.numeric - slope.numeric) <= other.slope.uncertainty + slope.uncertainty,
      ),
    )
    .reduce<AtPower | undefined>(
      (a, b) => (a === undefined || b.slope.uncertainty < a.slope.uncertainty ? b : a),
      undefined,
    );
}
