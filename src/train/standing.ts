/**
 * How far each cell of a grid is: it has a result, of this process or of another one, or it was dropped, or it is yet to
 * run. What other processes have done shows when their files are looked for.
 */
import { join } from '../host.ts';
import type { EpochRecord } from './early-stopping.ts';
import { readFinished } from './finished.ts';
import type { GridHooks } from './grid-hooks.ts';
import type { PlannedCell } from './plan.ts';
import type { CellResult } from './results.ts';
import { readRung } from './rung-file.ts';

export class Standing {
  readonly cells: readonly PlannedCell[];
  private readonly folder: string;
  private readonly configuration: string;
  private readonly onSkip: GridHooks['onSkip'];
  private readonly found = new Map<PlannedCell, CellResult>();
  private readonly left = new Map<PlannedCell, number>();

  /** @param configuration what results must be of to count */
  constructor(
    folder: string,
    configuration: string,
    cells: readonly PlannedCell[],
    { onSkip }: Pick<GridHooks, 'onSkip'>,
  ) {
    this.folder = folder;
    this.configuration = configuration;
    this.cells = cells;
    this.onSkip = onSkip;
  }

  /** Looks for the result of a cell: from before, or another process's. @returns whether it is there */
  async look(index: number): Promise<boolean> {
    const cell = this.cells[index];
    const finished = await readFinished(this.folder, cell, this.configuration);
    if (finished === undefined) return false;
    this.found.set(cell, finished);
    this.onSkip?.(index);
    return true;
  }

  /** Looks for the results that are not known yet. */
  async lookForAll(): Promise<void> {
    for (const [index, cell] of this.cells.entries()) if (!this.found.has(cell)) await this.look(index);
  }

  /** Whether a cell has come to its end, or to a rung if one is given, or is not to. */
  async isOver(index: number, until: number | undefined): Promise<boolean> {
    const cell = this.cells[index];
    if (this.found.has(cell) || this.left.has(cell) || (await this.look(index))) return true;
    return until !== undefined && (await this.shownAt(cell, until)) !== undefined;
  }

  /** What a cell had shown when it waited at a rung; nothing where it has not come so far. */
  shownAt(cell: PlannedCell, rung: number): Promise<readonly EpochRecord[] | undefined> {
    return readRung(join(this.folder, cell.folder), rung, this.configuration);
  }

  /** Says that this process has finished a cell. */
  finish(cell: PlannedCell, result: CellResult): void {
    this.found.set(cell, result);
  }

  /** Says that a cell is not trained to its end. */
  drop(cell: PlannedCell, epochs: number): void {
    this.left.set(cell, epochs);
  }

  resultOf(cell: PlannedCell): CellResult | undefined {
    return this.found.get(cell);
  }

  /** All that are known by now, in the order of the plan. */
  get results(): CellResult[] {
    return this.cells.flatMap((cell) => this.found.get(cell) ?? []);
  }

  /** Those that are not trained to their end, and after how many epochs they were left. */
  get dropped(): ReadonlyMap<PlannedCell, number> {
    return this.left;
  }

  /** How many have no result and are to get one. */
  get missing(): number {
    return this.cells.filter((cell) => !this.found.has(cell) && !this.left.has(cell)).length;
  }
}
