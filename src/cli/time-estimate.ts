/**
 * Time left of a list of cells of unequal cost. A cell with everything frozen takes a fraction of one that trains all
 * layers, so cells are weighed by a cost (floating-point operations, or anything proportional to time), and seconds for
 * each unit of cost are measured on what has run. Cells found finished from an earlier run count as no work at all.
 */
export class TimeEstimate {
  private readonly costs: readonly number[];
  private readonly now: () => number;
  private readonly startedAt: number;
  /** Indices of the cells neither done nor skipped. */
  private readonly open: Set<number>;
  private current?: { readonly index: number; readonly startedAt: number; fraction: number };
  private spentSeconds = 0;
  private spentCost = 0;

  /** @param costs of each cell, positive; @param now milliseconds, monotonic */
  constructor(costs: readonly number[], now: () => number) {
    this.costs = costs;
    this.now = now;
    this.startedAt = now();
    this.open = new Set(costs.keys());
  }

  begin(index: number): void {
    this.current = { index, startedAt: this.now(), fraction: 0 };
  }

  /** @param fraction of the current cell that is done, 0 to 1 */
  advance(fraction: number): void {
    if (this.current) this.current.fraction = Math.min(1, Math.max(0, fraction));
  }

  /** The current cell has ended: whole, or where it failed, as far as it had come. */
  end(complete: boolean): void {
    if (!this.current) return;
    const { index, startedAt, fraction } = this.current;
    this.spentSeconds += (this.now() - startedAt) / 1000;
    this.spentCost += this.costs[index] * (complete ? 1 : fraction);
    this.open.delete(index);
    this.current = undefined;
  }

  /** The current cell goes on later: what it has taken counts for the pace, and it stays open. */
  pause(): void {
    if (!this.current) return;
    const { index, startedAt, fraction } = this.current;
    this.spentSeconds += (this.now() - startedAt) / 1000;
    this.spentCost += this.costs[index] * fraction;
    this.current = undefined;
  }

  /** This cell needs no work: it was finished before. */
  skip(index: number): void {
    this.open.delete(index);
  }

  get finished(): number {
    return this.costs.length - this.open.size;
  }

  /** Share of all cost that is behind us, 0 to 1. */
  get fraction(): number {
    const total = sum(this.costs);
    return total === 0 ? 1 : 1 - this.remainingCost() / total;
  }

  /** Seconds since the start. */
  elapsed(): number {
    return (this.now() - this.startedAt) / 1000;
  }

  /** Seconds left, or undefined while nothing has been measured. */
  left(): number | undefined {
    const { current } = this;
    const seconds = this.spentSeconds + (current ? (this.now() - current.startedAt) / 1000 : 0);
    const cost = this.spentCost + (current ? this.costs[current.index] * current.fraction : 0);
    if (cost === 0 || seconds === 0) return undefined;
    return (this.remainingCost() * seconds) / cost;
  }

  private remainingCost(): number {
    const ahead = sum([...this.open].map((index) => this.costs[index]));
    return ahead - (this.current ? this.costs[this.current.index] * this.current.fraction : 0);
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
