import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { defineCommand } from '../command.ts';
import { typedRows } from '../printed-options.ts';
import { folderOf, type SweepValues, sweepArguments, sweepOptions } from '../sweep/options.ts';

export const command = defineCommand({
  description:
    'Runs the freezing experiment: fine-tunes a pretrained network once for every freeze point and learning rate, and compares. A grid that was interrupted goes on where it stopped; a finished cell is never run again.',
  arguments: z.object(sweepArguments),
  options: z.object(sweepOptions),
  json: true,
  examples: [
    { what: 'the shipped experiment', line: 'quickstart' },
    { what: 'the same on images far from the pretraining', line: 'textures' },
    { what: 'the paper on PH2', line: 'paper-alexnet --data PH2Dataset' },
    {
      what: 'your own images',
      line: '--model vgg16-12 --data photos --freeze all-points --learning-rates 1e-4 --momentum 0.9 --out runs/photos',
    },
  ],
  async run(values, context) {
    const [{ settingsOf }, { openSweep }, { rehearseSweep, runSweep }] = await Promise.all([
      import('../sweep/settings.ts'),
      import('../sweep/open.ts'),
      import('../sweep/run.ts'),
    ]);
    const settings = await settingsOf(values);
    const only = cellsToRun(values);
    const printed = await typedRows(values.printed, values.printedCounts);
    const opened = await openSweep(settings, values.adapter, context);
    const out = folderOf(values);
    if (values.dryRun) return rehearseSweep(opened, settings, { out, only }, context);
    const { merge, tensorboard, mlflow } = values;
    await runSweep(opened, settings, { out, only, gathers: merge, printed, tensorboard, mlflow }, context);
  },
});

/** Of a shard its own cells, of a merge none; nothing where one process runs all. */
function cellsToRun({
  shard,
  merge,
  budget,
}: Pick<SweepValues, 'shard' | 'merge' | 'budget'>): ((index: number) => boolean) | undefined {
  if (shard === undefined) return merge ? () => false : undefined;
  if (merge)
    throw new FrostlineError(`--shard ${shard} and --merge: a shard runs cells, a merge none. Give one of them.`);
  const [own, of] = shard.split('/').map(Number);
  if (own < 1 || own > of) throw new FrostlineError(`--shard ${shard}: expected 1/${of} to ${of}/${of}.`);
  if (budget !== undefined) {
    throw new FrostlineError(
      '--budget and --shard: what is dropped hangs on all cells. Start the same sweep several times without --shard: ' +
        'each process claims cells.',
    );
  }
  return (index) => index % of === own - 1;
}
