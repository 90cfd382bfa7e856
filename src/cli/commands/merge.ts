import { join } from 'node:path';
import { z } from 'zod';
import type { Preset } from '../../train/presets.ts';
import { adapterOption } from '../adapter.ts';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    "Gathers what the shards of a sweep left in their common folder: table of predictions, verdict and report, as one process would have written them. Runs no cell; paths in the grid's settings count from the present folder.",
  arguments: z.object({ grid: z.string().describe('the folder that the shards had as --out') }),
  options: z.object({ adapter: adapterOption }),
  json: true,
  examples: [{ what: 'after all shards', line: 'runs/paper-vgg16' }],
  async run({ grid, adapter }, context) {
    const [{ command: sweep }, { presets }, { parseRunFile }, { readText }] = await Promise.all([
      import('./sweep.ts'),
      import('../../train/presets.ts'),
      import('../../train/run-folder.ts'),
      import('../../read-files.ts'),
    ]);
    const file = join(grid, 'config.json');
    const text = await readText(file, 'give the folder of a sweep, its --out');
    const settings = { ...parseRunFile<{ settings?: Record<string, unknown> }>(file, text).settings };
    const preset: Preset | undefined = presets[settings['preset'] as keyof typeof presets];
    // What a preset gave is left to it again: its remarks on model and data belong to the report.
    for (const key of ['model', 'data'] as const) if (settings[key] === preset?.[key]) delete settings[key];
    await sweep.run({ ...settings, out: grid, adapter, merge: true, dryRun: false } as never, context);
  },
});
