/**
 * Which trained networks of a grid are kept, as model.onnx in a cell's folder: every one, or the best. Of equals that is
 * the first of the plan, whoever ran it when: so what one process takes away is nowhere the best.
 */
import { join, rm } from '../host.ts';
import type { GridPlan } from './plan.ts';
import type { CellResult } from './results.ts';
import { bestCell, type Select } from './select.ts';

export class KeptModels {
  private readonly folder: string;
  private readonly keep: GridPlan['keep'];
  private readonly select: Select;

  constructor(folder: string, keep: GridPlan['keep'], select: Select) {
    this.folder = folder;
    this.keep = keep;
    this.select = select;
  }

  /**
   * Keeps the network of a cell that has just been trained, if it is to be, and no longer those it is better than.
   * @param results all that are known, in the order of the plan, this one too; @param write writes its network to a file
   */
  async add(result: CellResult, results: readonly CellResult[], write: (file: string) => Promise<void>): Promise<void> {
    if (result.status !== 'done' || this.keep === undefined) return;
    const best = bestCell(results, this.select);
    if (this.keep === 'best' && best !== result) return;
    await write(this.fileOf(result));
    if (this.keep === 'best') await this.removeOthers(result, results);
  }

  /** When all results are there: each process has kept the best that it knew of. */
  async settle(results: readonly CellResult[]): Promise<void> {
    if (this.keep !== 'best') return;
    await this.removeOthers(bestCell(results, this.select), results);
  }

  private async removeOthers(kept: CellResult | undefined, results: readonly CellResult[]): Promise<void> {
    for (const other of results) if (other !== kept) await rm(this.fileOf(other), { force: true });
  }

  private fileOf({ folder }: CellResult): string {
    return join(this.folder, folder!, 'model.onnx');
  }
}
