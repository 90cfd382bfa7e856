/**
 * One sample: the derivative along a direction, at the step that shows it best.
 *
 * The step begins at a share of the input's size, grows where noise is in the way and shrinks where the function bends,
 * until both are small beside what is allowed. Where a kink lies within reach, the function gives way to the one on the
 * piece of the point, which has none. A mismatch counts only if other steps, with noise of their own, show it too, and
 * whichever of two measurements of the noise is believed.
 */
import { Ladder } from './ladder.ts';
import type { Line, Noises, Slope } from './slope.ts';
import type { Subject } from './subject.ts';

export interface Judged {
  readonly numeric: number;
  /** what truncation and noise may make of it */
  readonly uncertainty: number;
  /** what passes beside the uncertainty */
  readonly bound: number;
  readonly onPiece: boolean;
}

/** 'kink': the point has no derivative; 'hidden': noise hides it, or differences have no limit. */
export type Verdict = Judged | 'kink' | 'hidden';

interface Sample extends Line {
  readonly noises: Noises;
  /** the first step, in units of the direction */
  readonly step: number;
  readonly analytic: number;
  /** of the derivatives that `atol` is measured in */
  readonly size: number;
  readonly atol: number;
  readonly rtol: number;
}

const FACTOR = 8;
/** how many times the step is multiplied or divided by it, at most */
const [MOST_DOWN, MOST_UP] = [-6, 4];
/** by how many powers the step grows at once while nothing moves at all, and the longest one reached so, absolute */
const [LEAP, LONGEST] = [5, 1];
/** a sample is settled when its uncertainty is this share of what is allowed */
const SETTLED = 1 / 4;
/** An uncertainty of so much of an input's derivatives still tells one from what is wrong, whatever passes beside it. */
const RESOLVED = 1e-3;
/** steps at which a mismatch must show, too, in units of the one where it was found */
const AGAIN = [0.45, 1.7];

export async function judge(subject: Subject, sample: Sample): Promise<Verdict> {
  const ladder = new Ladder(subject, sample);
  const { coarse, fine } = sample.noises;
  const first = await new Judge(subject, sample, ladder, coarse).verdict();
  if (first === 'kink' || coarse === fine || (first !== 'hidden' && agrees(sample, first))) return first;
  // Where the finer one hides it, the steps that the coarser one allowed were too long.
  return new Judge(subject, sample, ladder, fine).verdict();
}

function agrees({ analytic }: Sample, { numeric, bound, uncertainty }: Judged): boolean {
  return Math.abs(analytic - numeric) <= bound + uncertainty;
}

interface AtPower {
  readonly power: number;
  readonly slope: Slope;
}

/** Judges by one measurement of the noise. */
class Judge {
  private readonly subject: Subject;
  private readonly sample: Sample;
  private readonly ladder: Ladder;
  private readonly noises: Readonly<Float64Array>;
  private readonly tried = new Map<number, Slope>();

  constructor(subject: Subject, sample: Sample, ladder: Ladder, noises: Readonly<Float64Array>) {
    this.subject = subject;
    this.sample = sample;
    this.ladder = ladder;
    this.noises = noises;
  }

  /** Of powers below `limit` alone, and beginning with `start`. */
  async verdict(start = 0, limit = Number.POSITIVE_INFINITY): Promise<Verdict> {
    if ((await this.climb(start)) === 'border') return 'kink';
    const slopes = [...this.tried].map(([power, slope]) => ({ power, slope })).filter(({ power }) => power < limit);
    if (!this.ladder.moves) return this.unmoved(slopes);
    const usable = slopes.filter(({ slope }) => slope.finite && slope.still !== 'some');
    const best = this.bestOf(usable);
    if (best === undefined) return 'hidden';
    const slope = this.contradicts(best.slope) ? await this.again(best) : best.slope;
    if (slope === 'border') return 'kink';
    if (slope === 'beyond') return best.power > MOST_DOWN ? this.verdict(best.power - 1, best.power) : 'hidden';
    if (slope === 'unlike') return 'hidden';
    if (!this.contradicts(slope)) return this.shows(slope) ? this.judged(slope) : 'hidden';
    // A rounded sum beside a small term, or a function that swings within the step: both have two slopes.
    const others = usable.filter((one) => this.shows(one.slope) && !this.alike(one.slope, slope));
    if (others.some((one) => !this.contradicts(one.slope))) return 'hidden';
    // Kinks that nobody states leave more than noise does, and two orders may agree on that by chance.
    const rough = slope.truncation > 3 * this.ladder.noiseOf(slope, this.noises) && !this.settles(slope);
    // What noise does not let one tell to the tolerance, it may still let one tell from what is far off.
    const beyond = Math.abs(this.sample.analytic - slope.numeric) - this.allowed(slope.numeric);
    const tells = beyond > (rough ? 5 : 2) * this.uncertainty(slope) || (this.shows(slope) && !rough);
    return tells ? this.judged(slope) : 'hidden';
  }

  /**
   * A slope that contradicts the claim, looked at with other steps: one that does not contradict it after all, or the same.
   * 'beyond': the step is one of many swings, which happen to fall into line, for a shorter one shows much less; 'unlike':
   * there is no limit.
   */
  private async again({ power, slope }: AtPower): Promise<Slope | 'border' | 'beyond' | 'unlike'> {
    const known = Math.max(4 * this.uncertainty(slope), this.allowed(slope.numeric));
    let found = slope;
    for (const other of AGAIN) {
      const again = await this.ladder.at(this.sample.step * FACTOR ** power * other);
      if (again === 'border') return again;
      if (other < 1 && !(again.finite && this.uncertainty(again) <= known)) return 'beyond';
      if (!again.finite || again.still === 'some') continue;
      if (this.shows(again) && !this.contradicts(again)) found = again;
      // What has a derivative shows one and the same at all steps that are short enough.
      else if (!this.alike(found, again)) return 'unlike';
    }
    return found;
  }

  /** Looks for a step at which the derivative shows. */
  private async climb(start: number): Promise<'done' | 'border'> {
    const { step } = this.sample;
    const { ladder, tried } = this;
    for (
      let [power, least, most] = [start, MOST_DOWN, MOST_UP];
      power >= least && power <= most && !tried.has(power);
    ) {
      const slope = await ladder.at(step * FACTOR ** power);
      if (slope === 'border') return slope;
      tried.set(power, slope);
      await ladder.resolve((SETTLED * this.allowed(0) * slope.step) / 8);
      const still = [...tried.values()].find((one) => one.still === 'all');
      if ([slope, ...(still ? [still] : [])].some((one) => ladder.moves && this.settles(one))) break;
      if (slope.still === 'all' && !ladder.moves && step * FACTOR ** (power + LEAP) <= LONGEST) {
        // Elements so small beside the rest (weights of 1e-30, with a bias) that no step of their own size moves an output.
        ladder.vanishing = true;
        [least, most] = [power + 1, Math.log(LONGEST / step) / Math.log(FACTOR)];
        power += LEAP;
        continue;
      }
      const by = this.isTooShort(slope, power) ? 1 : -1;
      do power += by;
      while (slope.still !== 'none' && tried.has(power));
    }
    return 'done';
  }

  private isTooShort(slope: Slope, power: number): boolean {
    if (!slope.finite) return false;
    if (slope.still === 'all') return true;
    // The outermost points alone may have met a kink; where nothing moves within a shorter step, that has been looked at.
    if (slope.still === 'some') return this.tried.has(power - 1);
    // High differences of their own cannot tell noise from a function that bends: that of the outputs can.
    return this.ladder.noiseOf(slope, this.noises) >= this.uncertainty(slope) / 2;
  }

  /** Where even the claim would have moved nothing, nothing is known; else the output does not depend on the elements. */
  private unmoved([{ slope }]: readonly AtPower[]): Verdict {
    const { analytic, step } = this.sample;
    const longest = step * FACTOR ** Math.max(...this.tried.keys());
    const known = Math.abs(analytic) <= this.allowed(0) || Math.abs(analytic) * longest > this.hiddenAtMost();
    return known ? { ...this.judged(slope), uncertainty: 0 } : 'hidden';
  }

  /** What v . y may change by while no output does, for sums on the way are rounded, too. */
  private hiddenAtMost(): number {
    return this.noises.reduce((sum, noise, o) => sum + 4 * Math.abs(this.subject.v[o]) * noise, 0);
  }

  /**
   * The least uncertain. Beyond a pole, or where a function has gone flat, long steps agree among themselves on what is no
   * derivative here: one that contradicts a shorter one is none.
   */
  private bestOf(usable: readonly AtPower[]): AtPower | undefined {
    return usable
      .filter(({ power, slope }) => usable.every((other) => other.power >= power || this.alike(other.slope, slope)))
      .reduce<AtPower | undefined>(
        (a, b) => (a === undefined || this.uncertainty(b.slope) < this.uncertainty(a.slope) ? b : a),
        undefined,
      );
  }

  /** Where all derivatives are claimed to be 0, at an extremum, say, how fast the function changes at the first steps. */
  private get size(): number {
    if (this.sample.size > 0) return this.sample.size;
    return [...this.tried.values()].find(({ secant }) => secant > 0)?.secant ?? 0;
  }

  private allowed(numeric: number): number {
    return this.sample.atol * this.size + this.sample.rtol * Math.abs(numeric);
  }

  private uncertainty(slope: Slope): number {
    return Math.max(slope.truncation, this.ladder.noiseOf(slope, this.noises));
  }

  private settles(slope: Slope): boolean {
    return slope.finite && slope.still !== 'some' && this.uncertainty(slope) <= SETTLED * this.allowed(slope.numeric);
  }

  private shows(slope: Slope): boolean {
    const resolved = Math.max(this.sample.rtol, RESOLVED) * this.size;
    return slope.finite && this.uncertainty(slope) <= Math.max(this.allowed(slope.numeric), resolved);
  }

  private contradicts(slope: Slope): boolean {
    const error = Math.abs(this.sample.analytic - slope.numeric);
    return error > this.allowed(slope.numeric) + this.uncertainty(slope);
  }

  private alike(a: Slope, b: Slope): boolean {
    return Math.abs(a.numeric - b.numeric) <= this.uncertainty(a) + this.uncertainty(b);
  }

  private judged(slope: Slope): Judged {
    const { numeric } = slope;
    const onPiece = this.ladder.side === 'piece';
    return { numeric, uncertainty: this.uncertainty(slope), bound: this.allowed(numeric), onPiece };
  }
}
