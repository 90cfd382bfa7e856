import { join } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { adapterOption, openAdapter } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { dataOptions, dataSource, modelOptions, modelSource } from '../experiment-options.ts';
import { openWithProgress } from '../open-experiment.ts';

export const command = defineCommand({
  description:
    "What a network's features are worth at each depth, without training it: a linear probe, each image predicted by the others, LogME, and CKA with the classes. Evidence to order a search by, never a verdict: none of these finds the best depth reliably. Looks at the training part of the first split alone. Of a grid's folder it probes the grid's network and data, leaves probe.json there, and the report shows it beside the grid's curve.",
  arguments: z.object({ grid: z.string().optional().describe("a grid's folder, the --out of a sweep") }),
  options: z.object({
    model: z.string().optional().meta({ valueName: 'FILE|NAME' }).describe('ONNX file, or a name from weights list'),
    ...modelOptions,
    ...dataOptions,
    images: z.int().min(10).default(300).describe('images at most; of more, so many are drawn by class'),
    batchSize: z.int().positive().default(10).describe('images at a time on the device'),
    seed: z.int().min(0).default(1).describe('of the split, and of the images drawn'),
    adapter: adapterOption,
  }),
  json: true,
  examples: [
    { what: 'before a grid', line: '--model alexnet-small --data samples/textures' },
    { what: 'beside a grid', line: 'runs/quickstart' },
  ],
  async run(values, context) {
    const [{ probeDepths }, { PROBE, probeText }, { checkSame, readGridConfig }] = await Promise.all([
      import('../../train/probe.ts'),
      import('../../train/probe-file.ts'),
      import('../from-cell.ts'),
    ]);
    const { grid } = values;
    const config = grid === undefined ? undefined : await readGridConfig(grid, grid);
    // Where model and data lie may have changed since; all else is the grid's.
    const settings = config?.settings as (typeof values & { splits?: number; folds?: number }) | undefined;
    const { model = settings?.model, data = settings?.data } = values;
    if (model === undefined) throw new FrostlineError("No model: give --model FILE|NAME, or a grid's folder.");
    const source = dataSource({ ...values, ...settings, data }, undefined, settings);
    const gpu = await openAdapter(values.adapter, context);
    const experiment = await openWithProgress(
      modelSource(model, { ...values, ...settings }),
      source,
      settings?.seed ?? values.seed,
      context,
    );
    if (config !== undefined) checkSame(grid!, config, experiment);
    const { images: most, batchSize, seed } = values;
    const probe = await probeDepths(gpu, experiment, { most, batchSize, seed, signal: context.signal });
    if (grid !== undefined) {
      const { writeFilesAtomically } = await import('../../files.ts');
      await writeFilesAtomically(grid, { [PROBE]: probeText(probe) });
    }
    if (context.json) context.printJson(probe);
    else {
      const { probeTable } = await import('../../report/probe-table.ts');
      context.print(probeTable(probe));
    }
    if (grid === undefined) return;
    const [{ writeReport }, { readReport }] = await Promise.all([
      import('../../report/write.ts'),
      import('../../report/input.ts'),
    ]);
    const { html } = await writeReport(grid, await readReport(grid));
    context.note(`wrote ${join(grid, PROBE)} and ${html}`);
  },
});
