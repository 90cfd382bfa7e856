/** What is made of a grid that is complete: the files beside its cells, and the lines on the terminal. */
import { join } from 'node:path';
import { writeFilesIn } from '../../files.ts';
import type { Gpu } from '../../gpu/device.ts';
import { halvingLines } from '../../report/halving-text.ts';
import { withFiles } from '../../report/input.ts';
import { terminalTable } from '../../report/terminal.ts';
import { verdictText } from '../../report/verdict-text.ts';
import { saveWinner } from '../../report/winner.ts';
import { writeReport } from '../../report/write.ts';
import type { Experiment } from '../../train/experiment.ts';
import { makePictures, PICTURES } from '../../train/pictures.ts';
import type { GridPlan } from '../../train/plan.ts';
import type { GridResult } from '../../train/results.ts';
import { bestCell } from '../../train/select.ts';
import type { Context } from '../command.ts';

export async function reportGrid(
  gpu: Gpu,
  experiment: Experiment,
  { fit }: Pick<GridPlan, 'fit'>,
  result: GridResult,
  out: string,
  context: Context,
): Promise<void> {
  // Of what is wrong, and of what augmentation does: the report shows them.
  const pictures = await makePictures(gpu, experiment, result, fit.augment, out);
  if (pictures !== undefined) await writeFilesIn(out, { [PICTURES]: `${JSON.stringify(pictures)}\n` });
  const report = await writeReport(out, await withFiles(out, result));
  const winner = await saveWinner(out, result);
  if (context.json) context.printJson(result);
  else {
    printGrid(result, out, context);
    context.print([...Object.values(report), ...Object.values(winner ?? {})].join('\n'));
  }
  if (result.cells.every(({ status }) => status !== 'done')) context.checkFailed('Every cell failed or diverged.');
}

function printGrid(result: GridResult, out: string, context: Context): void {
  context.print(terminalTable(result, { columns: context.stdout.columns }), { coloured: true });
  if (result.verdict !== undefined) context.print(verdictText(result.verdict));
  for (const line of halvingLines(result)) context.print(line);
  for (const { point, why } of result.leftOut ?? []) context.print(`${point} is left out of the verdict: ${why}`);
  const best = bestCell(result.cells, result.select ?? 'test');
  if (best !== undefined) {
    context.print(`The best cell, to the bit: frostline train --from ${join(out, best.folder!)} --export best.onnx`);
  }
}
