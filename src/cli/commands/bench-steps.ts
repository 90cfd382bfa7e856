import { z } from 'zod';
import type { StepRow } from '../../bench/steps.ts';
import { openAdapter } from '../adapter.ts';
import {
  benchHead,
  benchOptions,
  chooseByName,
  milliseconds,
  networkMaker,
  networkNames,
  printChanges,
  samplingOf,
  timeText,
} from '../bench-options.ts';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    "Times whole forward passes and training steps at every freeze point: images a second, bytes on the device, the first run with its compilation, and time over share of the arithmetic, both relative to nothing frozen (1 is proportional). Exits with 1 where a step is slower than in --compare's file.",
  options: z.object({
    ...benchOptions,
    networks: z
      .array(z.enum(networkNames))
      .optional()
      .describe('which; alexnet-small, alexnet and vgg16, with --quick alexnet-small'),
  }),
  json: true,
  examples: [
    { what: 'every freeze point of AlexNet', line: '--networks alexnet' },
    { what: 'a forward pass of VGG16', line: '--networks vgg16 --batch 2 --filter forward' },
  ],
  async run({ filter, batch, quick, networks, compare, adapter, ...rest }, context) {
    const [{ stepJobs, stepName, benchStep }, { readMeasured }] = await Promise.all([
      import('../../bench/steps.ts'),
      import('../../bench/compare.ts'),
    ]);
    const gpu = await openAdapter(adapter, context);
    const old = compare === undefined ? undefined : await readMeasured(compare, gpu.name);
    const sampling = samplingOf({ quick, ...rest });
    const names = networks ?? (quick ? (['alexnet-small'] as const) : networkNames);
    const makers = await Promise.all(names.map(networkMaker));
    const all = makers.flatMap((make) => (batch ?? [10]).flatMap((size) => stepJobs(make, size)));
    const jobs = chooseByName(all, stepName, filter);
    const rows: StepRow[] = [];
    for (const job of jobs) {
      context.signal.throwIfAborted();
      context.note(`${rows.length + 1} of ${jobs.length}: ${stepName(job)}`);
      const reference = rows.find(
        ({ network, batch: size, step }) => network === job.networkName && size === job.batch && step === 'none',
      );
      rows.push(await benchStep(gpu, job, sampling, reference));
    }
    if (context.json) context.printJson({ ...benchHead(gpu), rows });
    else context.print(await tableOf(rows));
    if (old !== undefined) await printChanges(old, rows, context);
  },
});

async function tableOf(rows: readonly StepRow[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: ['step', 'ms', 'images/s', 'GFLOP', 'GFLOP/s', 'MiB', 'first run, ms', 'time / share'],
    colAligns: ['left', ...new Array<'right'>(7).fill('right')],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, timing, imagesPerSecond, flops, bytes, firstRun, overShare } of rows) {
    table.push([
      name,
      timeText(timing),
      imagesPerSecond.toPrecision(3),
      (flops / 1e9).toPrecision(3),
      (flops / timing.median / 1e6).toFixed(1),
      (bytes / 2 ** 20).toFixed(0),
      milliseconds(firstRun),
      overShare === undefined ? '' : overShare.toFixed(2),
    ]);
  }
  return table.toString();
}
