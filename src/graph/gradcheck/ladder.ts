/**
 * Differences along one line at several steps, each taken once, and what noise makes of them.
 *
 * Owns what is known of the line: which outputs depend on it, on which side of kinks it is looked at, and the least change
 * that an output shows at all.
 */
import { type Line, pointOn, REACH, SAFETY, type Slope, slopeAt } from './slope.ts';
import type { Side, Subject } from './subject.ts';

/** halvings until two neighbouring numbers are met, wherever one begins */
const HALVINGS = 24;

export class Ladder {
  side: Side = 'function';
  /** the step is of the outputs' resolution: those that do not move yet may depend on the elements, too */
  vanishing = false;
  private readonly subject: Subject;
  private readonly line: Line;
  private readonly slopes = new Map<number, Slope>();
  private readonly dependents: Uint8Array;
  private quantum: number | undefined;

  constructor(subject: Subject, line: Line) {
    this.subject = subject;
    this.line = line;
    this.dependents = new Uint8Array(subject.output.size);
  }

  /** 'border': a kink lies at the point itself. */
  async at(step: number): Promise<Slope | 'border'> {
    const known = this.slopes.get(step);
    if (known !== undefined) return known;
    const found = await slopeAt(this.subject, this.side, this.line, step);
    if (found === 'border') return found;
    if (found === 'crossed') {
      // Where a kink lies within reach of one step, all are taken on the piece of the point.
      this.side = 'piece';
      this.slopes.clear();
      return this.at(step);
    }
    found.moved.forEach((moved, o) => {
      if (moved === 1) this.dependents[o] = 1;
    });
    this.slopes.set(step, found);
    return found;
  }

  /** Whether an output moved at any step. */
  get moves(): boolean {
    return this.dependents.includes(1);
  }

  /** What noise, of each output as given, makes of a slope. */
  noiseOf({ step }: Slope, noises: Readonly<Float64Array>): number {
    const all = this.vanishing || !this.moves;
    const squared = noises.reduce(
      (sum, noise, o) => (all || this.dependents[o] === 1 ? sum + (this.subject.v[o] * noise) ** 2 : sum),
      0,
    );
    return (SAFETY * Math.max(Math.sqrt(squared), (this.quantum ?? 0) / Math.sqrt(12))) / step;
  }

  /**
   * Where nothing moves at one step and something does at a longer one, either a kink lies between, or steps are below
   * what y resolves. The least change that shows, found by halving, is as small as one likes for the one, and for the other
   * the rounding of a sum on the way.
   * @param enough as small as it need be
   */
  async resolve(enough: number): Promise<void> {
    if (this.quantum !== undefined) return;
    const all = [...this.slopes.values()].toSorted((a, b) => a.step - b.step);
    const moving = all.find(({ still, nearest }) => still !== 'all' && nearest !== undefined);
    const unmoved = all.filter((one) => one.still === 'all' && one.step < (moving?.step ?? 0)).at(-1);
    if (moving === undefined || unmoved === undefined) return;
    let [far, near] = [moving.nearest!, Math.sign(moving.nearest!) * REACH * unmoved.step];
    let least = Number.POSITIVE_INFINITY;
    const { y: base } = this.subject.base(this.side);
    for (let i = 0, alike = 0; i < HALVINGS && least > enough && alike < 6; i++) {
      const middle = (near + far) / 2;
      const { y } = await this.subject.evaluate(this.side, this.line.tensor, pointOn(this.line, middle));
      const change = this.subject.length(y.map((value, o) => value - base[o]));
      if (change === 0) near = middle;
      else {
        far = middle;
        alike = change > 0.9 * least ? alike + 1 : 0;
        least = Math.min(least, change);
      }
    }
    this.quantum = Number.isFinite(least) ? least : 0;
  }
}
