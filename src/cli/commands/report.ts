import { z } from 'zod';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    'Rebuilds report.html and results.csv in the folder of a grid from its results.json. Scores are computed anew from the confusion matrices.',
  arguments: z.object({ folder: z.string().describe("the grid's folder, which holds results.json") }),
  options: z.object({
    out: z.string().optional().meta({ valueName: 'DIR' }).describe('folder to write to, if another than the grid’s'),
  }),
  json: true,
  examples: [{ what: 'after an update of frostline', line: 'runs/quickstart' }],
  async run({ folder, out = folder }, context) {
    const [{ readReport }, { writeReport }] = await Promise.all([
      import('../../report/input.ts'),
      import('../../report/write.ts'),
    ]);
    const input = await readReport(folder);
    const { grid } = input;
    const paths = await writeReport(out, input);
    if (context.json) {
      const { summarise } = await import('../../report/summary.ts');
      const { best, done, failed } = summarise(grid);
      return context.printJson({
        files: paths,
        done: done.length,
        failed: failed.length,
        best: best && { freeze: best.freeze, ...best.series, scores: best.mean },
      });
    }
    const { terminalTable } = await import('../../report/terminal.ts');
    context.print(terminalTable(grid, { columns: context.stdout.columns }));
    context.print(`wrote ${Object.values(paths).join(', ')}`);
  },
});
