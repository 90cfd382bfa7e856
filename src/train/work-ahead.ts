/**
 * What a process has still to compute of a grid, cell by cell, as the grid goes on: cells that are finished are left out,
 * and what they would have left for others is then made by these. Of a grid that is halved nobody knows beforehand which
 * arms go on: after a rung that is yet to come every cell counts by the share of arms that do.
 */
import { armKey, rungEpochs } from './halving.ts';
import type { GridPlan, PlannedCell } from './plan.ts';
import { behindIn, type GridWork, type Piece } from './work.ts';

export class WorkAhead {
  private readonly cells: readonly PlannedCell[];
  private readonly rungs: readonly number[];
  /** behind the cells that have begun */
  private work: GridWork;
  /** cells that are yet to run here, and how many epochs each has behind it */
  private readonly open = new Map<number, number>();
  /** cells of the grid that are not dropped, of all processes */
  private readonly alive: Set<PlannedCell>;
  /** the rung behind which cells run now, in epochs */
  private passed = 0;
  private current:
    | { readonly index: number; readonly before: GridWork; readonly pieces: readonly Piece[]; readonly from: number }
    | undefined;

  /** @param only which cells this process runs; all unless given */
  constructor(
    work: GridWork,
    cells: readonly PlannedCell[],
    { budget, fit }: Pick<GridPlan, 'budget' | 'fit'>,
    only?: (index: number) => boolean,
  ) {
    this.work = work;
    this.cells = cells;
    this.rungs = budget === undefined ? [] : rungEpochs(budget, fit.epochs);
    this.alive = new Set(cells);
    for (const index of cells.keys()) if (only?.(index) !== false) this.open.set(index, 0);
  }

  /** It was finished before, or by another process. */
  skip(index: number): void {
    this.open.delete(index);
  }

  /** It has waited at a rung since before this process began. @param epochs the rung's */
  stand(index: number, epochs: number): void {
    if (this.open.has(index)) this.open.set(index, epochs);
  }

  /** It is not trained to its end. */
  drop(index: number): void {
    this.pass(this.open.get(index) ?? 0);
    this.open.delete(index);
    this.alive.delete(this.cells[index]);
  }

  /** @returns what it now runs: up to a rung, or to its end */
  begin(index: number): readonly Piece[] {
    return this.start(index, this.open.get(index)!, this.work);
  }

  /** The cell begun last goes on from a checkpoint. @returns as `begin` */
  resume(steps: number): readonly Piece[] {
    const { index, before } = this.current!;
    return this.start(index, Math.round(steps / this.stepsAnEpoch(index)), before);
  }

  /** @param steps of the cell begun last, from its first on. @returns what of its pieces is behind it */
  behind(steps: number): Piece[] {
    const { index, pieces, from } = this.current!;
    return behindIn(pieces, steps - from * this.stepsAnEpoch(index));
  }

  /** The cell begun last waits at a rung. */
  pause(): void {
    const { index } = this.current!;
    this.open.set(index, this.nextStop(index, this.open.get(index)!));
    this.current = undefined;
  }

  /** The cell begun last has ended. */
  end(): void {
    this.open.delete(this.current!.index);
    this.current = undefined;
  }

  /** Of each cell that is open and not begun; pieces after a rung that is yet to come run by the share that goes on. */
  pieces(): Map<number, Piece[]> {
    const ahead = new Map<number, Piece[]>();
    const work = this.work.copy();
    const at = new Map(this.open);
    const { index: running, from = 0 } = this.current ?? {};
    if (running !== undefined && at.has(running)) at.set(running, this.nextStop(running, from));
    let share = 1;
    let arms = new Set([...this.alive].map(armKey)).size;
    for (const stop of [...this.rungs.filter((rung) => rung > this.passed), Number.POSITIVE_INFINITY]) {
      for (const [index, from] of at) {
        const until = Math.min(stop, this.cells[index].epochs);
        if (from >= until) continue;
        const own = work.run(this.cells[index], from, until).map((piece) => ({ ...piece, runs: share * piece.runs }));
        ahead.set(index, [...(ahead.get(index) ?? []), ...own]);
        at.set(index, until);
      }
      share *= Math.ceil(arms / 2) / arms;
      arms = Math.ceil(arms / 2);
    }
    return ahead;
  }

  private start(index: number, from: number, before: GridWork): readonly Piece[] {
    const until = this.nextStop(index, from);
    this.pass(this.rungs.findLast((rung) => rung < until) ?? 0);
    this.work = before.copy();
    const pieces = this.work.run(this.cells[index], from, until);
    this.current = { index, before, pieces, from };
    return pieces;
  }

  /** A rung is over, and all that are open stand at it: of those that came so far before, nothing else tells. */
  private pass(rung: number): void {
    this.passed = Math.max(this.passed, rung);
    for (const [index, epochs] of this.open) this.open.set(index, Math.max(epochs, rung));
  }

  /** Where a cell with so many epochs behind it stops next. */
  private nextStop(index: number, from: number): number {
    const { epochs } = this.cells[index];
    return Math.min(this.rungs.find((rung) => rung > from) ?? epochs, epochs);
  }

  private stepsAnEpoch(index: number): number {
    return this.work.stepsAnEpoch(this.cells[index].division);
  }
}
