import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { defineCommand } from '../command.ts';
import { printedOptions, typedRows } from '../printed-options.ts';

export const command = defineCommand({
  description:
    'Builds report.html, its figures and tables and results.csv anew in the folder of a grid; of a grid that is not finished, from what there is. Scores are computed anew from the confusion matrices. Several grids are compared on one page, comparison.html.',
  arguments: z.object({
    grids: z.array(z.string()).min(1).describe("a grid's folder, the --out of a sweep; or several"),
  }),
  options: z.object({
    out: z
      .string()
      .optional()
      .meta({ valueName: 'DIR' })
      .describe("folder to write to, if another than the grid's; of several grids runs/comparison"),
    ...printedOptions,
  }),
  json: true,
  examples: [
    { what: 'after an update of frostline', line: 'runs/quickstart' },
    { what: "the paper's printed rows beside ours", line: 'runs/paper-alexnet --printed rows.csv' },
    { what: 'near to the pretraining and far from it', line: 'runs/quickstart runs/textures --out runs/both' },
  ],
  async run({ grids, out, printed, printedCounts }, context) {
    const { readReport } = await import('../../report/input.ts');
    if (grids.length > 1 && printed !== undefined) {
      throw new FrostlineError(`--printed ${printed}: printed rows stand beside one grid. Name one.`);
    }
    if (grids.length > 1) {
      const { writeComparison } = await import('../../report/compare.ts');
      const twice = grids.find((folder, i) => grids.indexOf(folder) !== i);
      if (twice !== undefined) throw new FrostlineError(`${twice} is named twice. Name each grid once.`);
      const inputs = new Map(
        await Promise.all(grids.map(async (folder) => [folder, await readReport(folder)] as const)),
      );
      const html = await writeComparison(out ?? 'runs/comparison', inputs);
      if (context.json) {
        return context.printJson({
          files: { html },
          grids: [...inputs].map(([folder, { grid }]) => ({ folder, title: grid.title, verdict: grid.verdict })),
        });
      }
      for (const { grid } of inputs.values()) context.print(`${grid.title}: ${grid.verdict?.sentence ?? 'no verdict'}`);
      return context.print(`wrote ${html}`);
    }
    const [{ writeReport }, { summarise }, { keepPrinted }, { misfits }] = await Promise.all([
      import('../../report/write.ts'),
      import('../../report/summary.ts'),
      import('../../report/printed-file.ts'),
      import('../../report/printed.ts'),
    ]);
    const [folder] = grids;
    const typed = await typedRows(printed, printedCounts);
    if (typed !== undefined) {
      await readReport(folder);
      await keepPrinted(folder, typed);
    }
    const input = await readReport(folder);
    const { grid } = input;
    if (input.printed !== undefined) {
      for (const text of misfits(input.printed)) context.note(`${printed ?? "the paper's rows"}: ${text}`);
    }
    const paths = await writeReport(out ?? folder, input);
    const pending = grid.pending?.length ?? 0;
    if (context.json) {
      const { best, done, failed } = summarise(grid);
      return context.printJson({
        files: paths,
        done: done.length,
        failed: failed.length,
        pending,
        printed: input.printed,
        best: best && { freeze: best.freeze, ...best.series, scores: best.mean },
      });
    }
    const { terminalTable } = await import('../../report/terminal.ts');
    context.print(terminalTable(grid, { columns: context.stdout.columns }), { coloured: true });
    if (pending > 0) context.print(`not finished: ${pending} cells have no result yet`);
    context.print(`wrote ${Object.values(paths).join(', ')}`);
  },
});
