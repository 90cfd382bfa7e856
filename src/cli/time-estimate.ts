/**
 * Time left of a list of cells of unequal cost. A cell with everything frozen takes a fraction of one that trains all
 * layers, so cells are weighed by what they cost. Seconds a unit are measured on what has run; where cells also say how
 * many programs they run, two paces are: cells with little to compute are mostly told by what a run takes beside its
 * products. Cells found finished from an earlier run count as no work at all.
 */

/** What a cell costs. */
export interface Cost {
  /** multiply-adds, or anything proportional to time */
  readonly work: number;
  /** of programs, each of which takes some time whatever it computes */
  readonly runs: number;
}

/**
 * What a run costs beside its work, in multiply-adds, as long as nothing has been measured: sending it off, and kernels that
 * multiply nothing. So it is on lavapipe with the small AlexNet: 7 s for 10.3 G, 0.6 s for 0.23 G, each in a hundred runs.
 */
const WORK_OF_A_RUN = 7e6;
/** how much that counts beside what is measured, as a share of it */
const TRUST = 0.05;

const weightOf = ({ work, runs }: Cost): number => work + WORK_OF_A_RUN * runs;
const times = ({ work, runs }: Cost, factor: number): Cost => ({ work: work * factor, runs: runs * factor });
const plus = (a: Cost, b: Cost): Cost => ({ work: a.work + b.work, runs: a.runs + b.runs });
const NOTHING: Cost = { work: 0, runs: 0 };

/**
 * Seconds of a unit of work and of a run: least squares over what has run, each by one over its weight, as the variance of
 * a sum of equal parts is; where all cost work alone that is the sum of seconds over the sum of work.
 */
class Paces {
  private ww = 0;
  private wr = 0;
  private rr = 0;
  private wt = 0;
  private rt = 0;

  add(cost: Cost, seconds: number): this {
    const weight = weightOf(cost);
    if (weight === 0) return this;
    this.ww += cost.work ** 2 / weight;
    this.wr += (cost.work * cost.runs) / weight;
    this.rr += cost.runs ** 2 / weight;
    this.wt += (cost.work * seconds) / weight;
    this.rt += (cost.runs * seconds) / weight;
    return this;
  }

  copy(): Paces {
    return Object.assign(new Paces(), this);
  }

  /** Nothing where nothing has been measured. */
  seconds({ work, runs }: Cost): number | undefined {
    if (this.wt === 0 && this.rt === 0) return undefined;
    if (this.rr === 0) return (work * this.wt) / this.ww;
    // A run is thought to take what WORK_OF_A_RUN says, by a small part of what has been measured.
    const trust = TRUST * this.rr;
    const ww = this.ww + trust * WORK_OF_A_RUN ** 2;
    const wr = this.wr - trust * WORK_OF_A_RUN;
    const rr = this.rr + trust;
    const determinant = ww * rr - wr ** 2;
    const each = (this.wt * rr - this.rt * wr) / determinant;
    const run = (this.rt * ww - this.wt * wr) / determinant;
    // Noise may give one a sign that no time has: then the other explains all.
    if (each < 0) return (runs * this.rt) / this.rr;
    if (run < 0) return (work * this.wt) / this.ww;
    return work * each + runs * run;
  }
}

export class TimeEstimate {
  private readonly costs: Cost[];
  private readonly now: () => number;
  private readonly startedAt: number;
  /** Indices of the cells neither done nor skipped. */
  private readonly open: Set<number>;
  private current?: { readonly index: number; readonly startedAt: number; fraction: number };
  private readonly spent = new Paces();
  /** The weight of all that needs no more work, whether or not it was done here. */
  private behind = 0;
  private stale: (() => ReadonlyMap<number, Cost>) | undefined;

  /** @param costs of each cell; numbers are of work alone; @param now milliseconds, monotonic */
  constructor(costs: readonly (number | Cost)[], now: () => number) {
    this.costs = costs.map((cost) => (typeof cost === 'number' ? { work: cost, runs: 0 } : cost));
    this.now = now;
    this.startedAt = now();
    this.open = new Set(costs.keys());
  }

  /** @param cost where it is another than was thought before */
  begin(index: number, cost?: Cost): void {
    this.refresh();
    if (cost !== undefined) this.costs[index] = cost;
    this.current = { index, startedAt: this.now(), fraction: 0 };
  }

  /** @param fraction of the current cell's cost that is behind it, 0 to 1 */
  advance(fraction: number): void {
    if (this.current) this.current.fraction = Math.min(1, Math.max(0, fraction));
  }

  /** The current cell has ended: whole, or where it failed, as far as it had come. */
  end(complete: boolean): void {
    if (!this.current) return;
    const { index } = this.current;
    this.spend(complete ? 1 : this.current.fraction);
    this.leave(index);
  }

  /** The current cell goes on later: what it has taken counts for the pace, and it stays open. */
  pause(): void {
    if (!this.current) return;
    this.behind += weightOf(this.costs[this.current.index]);
    this.spend(1);
  }

  /** This cell needs no work: it was finished before. */
  skip(index: number): void {
    this.leave(index);
  }

  /** What open cells cost may have changed. @param costs by cell; asked for when they are needed */
  reckon(costs: () => ReadonlyMap<number, Cost>): void {
    this.stale = costs;
  }

  get finished(): number {
    return this.costs.length - this.open.size;
  }

  /** Share of all cost that is behind us, 0 to 1. */
  get fraction(): number {
    const left = weightOf(this.remaining());
    const total = this.behind + weightOf(this.done()) + left;
    return total === 0 ? 1 : 1 - left / total;
  }

  /** Seconds since the start. */
  elapsed(): number {
    return (this.now() - this.startedAt) / 1000;
  }

  /** Seconds left, or undefined while nothing has been measured. */
  left(): number | undefined {
    const paces = this.spent.copy();
    if (this.current) paces.add(this.done(), (this.now() - this.current.startedAt) / 1000);
    return paces.seconds(this.remaining());
  }

  /** Takes the current cell for measured, so far; it is current no more. */
  private spend(fraction: number): void {
    const { index, startedAt } = this.current!;
    this.spent.add(times(this.costs[index], fraction), (this.now() - startedAt) / 1000);
    this.current = undefined;
  }

  private leave(index: number): void {
    if (this.open.delete(index)) this.behind += weightOf(this.costs[index]);
  }

  /** Of the current cell. */
  private done(): Cost {
    return this.current ? times(this.costs[this.current.index], this.current.fraction) : NOTHING;
  }

  private remaining(): Cost {
    this.refresh();
    const ahead = [...this.open].map((index) => this.costs[index]).reduce(plus, NOTHING);
    return plus(ahead, times(this.done(), -1));
  }

  private refresh(): void {
    const costs = this.stale?.();
    this.stale = undefined;
    if (costs === undefined) return;
    for (const index of this.open) if (index !== this.current?.index) this.costs[index] = costs.get(index) ?? NOTHING;
  }
}
