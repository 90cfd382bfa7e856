import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import type { Settings } from '../../train/run-folder.ts';
import { adapterOption } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import type { SweepSettings } from '../sweep/settings.ts';

export const command = defineCommand({
  description:
    "Gathers what the shards of a sweep left in their common folder: table of predictions, verdict and report, as one process would have written them. Runs no cell; paths in the grid's settings count from the present folder.",
  arguments: z.object({ grid: z.string().describe('the folder that the shards had as --out') }),
  options: z.object({ adapter: adapterOption }),
  json: true,
  examples: [{ what: 'after all shards', line: 'runs/paper-vgg16' }],
  async run({ grid, adapter }, context) {
    const [{ readGridConfig }, { openSweep }, { runSweep }] = await Promise.all([
      import('../from-cell.ts'),
      import('../sweep/open.ts'),
      import('../sweep/run.ts'),
    ]);
    const settings = gridSettings(grid, (await readGridConfig(grid, grid)).settings);
    const opened = await openSweep(settings, adapter, context);
    await runSweep(opened, settings, { out: grid, only: () => false, gathers: true }, context);
  },
});

/** @throws FrostlineError for those of one run, whose folder has a config.json too */
function gridSettings(folder: string, settings: Settings): SweepSettings {
  if (Array.isArray(settings['learningRates'])) return settings as unknown as SweepSettings;
  throw new FrostlineError(`${folder}: this is no grid. Give the folder of a sweep, its --out.`);
}
