import { z } from 'zod';
import type { FirstStep } from '../../bench/first-step.ts';
import type { StepRow } from '../../bench/steps.ts';
import { withoutNote } from '../../errors.ts';
import { openAdapter, precisionOption } from '../adapter.ts';
import {
  benchHead,
  benchOptions,
  chooseByName,
  milliseconds,
  networkMaker,
  networkNames,
  prepareResults,
  printChanges,
  samplingOf,
  targetTable,
  timeText,
  writePage,
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
    firstStep: z
      .boolean()
      .default(true)
      .describe('time new processes too, from their start to the end of the first training step, caches cold and warm'),
    trace: z
      .string()
      .optional()
      .describe(
        "write every dispatch with the device's own stamps to this file, for Chrome's tracing view or Perfetto (JSON)",
      ),
    timeout: z.number().positive().default(600).describe('seconds until such a process is given up'),
    precision: precisionOption,
  }),
  json: true,
  examples: [
    { what: 'every freeze point of AlexNet', line: '--networks alexnet' },
    { what: 'a forward pass of VGG16', line: '--networks vgg16 --batch 2 --filter forward' },
    { what: 'where a step of AlexNet spends its time', line: '--networks alexnet --filter none --trace step.json' },
  ],
  async run(
    {
      filter,
      batch,
      quick,
      networks,
      compare,
      html,
      adapter,
      algorithm,
      firstStep,
      trace,
      timeout,
      precision,
      ...rest
    },
    context,
  ) {
    const [{ stepJobs, stepName, benchStep }, { measureFirstStep }, { stepTargets }, { PeerFailure }] =
      await Promise.all([
        import('../../bench/steps.ts'),
        import('../../bench/first-step.ts'),
        import('../../bench/step-targets.ts'),
        import('../../bench/peers/process.ts'),
      ]);
    const gpu = await openAdapter(adapter, context, algorithm, precision);
    const sampling = samplingOf({ quick, ...rest });
    const names = networks ?? (quick ? (['alexnet-small'] as const) : networkNames);
    const makers = await Promise.all(names.map(networkMaker));
    const all = makers.flatMap((make) => (batch ?? [10]).flatMap((size) => stepJobs(make, size)));
    const jobs = chooseByName(all, stepName, filter);
    const old = await prepareResults({ compare, html }, jobs.map(stepName), gpu);
    if (jobs.some(({ step }) => step !== 'forward') && !jobs.some(({ step }) => step === 'none')) {
      context.note("no time over share of the arithmetic: --filter leaves out 'frozen: none', which it is relative to");
    }
    const rows: StepRow[] = [];
    for (const job of jobs) {
      context.signal.throwIfAborted();
      context.note(`${rows.length + 1} of ${jobs.length}: ${stepName(job)}`);
      const reference = rows.find(
        ({ network, batch: size, step }) => network === job.networkName && size === job.batch && step === 'none',
      );
      rows.push(await benchStep(gpu, job, sampling, { reference, trace: trace !== undefined }));
    }
    const firstSteps: FirstStep[] = [];
    const ofSingles = gpu.precision === 'f32';
    if (firstStep && !ofSingles) context.note('first steps of new processes are timed in single precision alone');
    for (const { network, batch: size } of firstStep && ofSingles ? rows.filter(({ step }) => step === 'none') : []) {
      context.signal.throwIfAborted();
      context.note(`${network} ${size}: first step of a new process, caches cold and warm`);
      const options = { adapter: adapter ?? gpu.kind, kind: gpu.kind, algorithms: gpu.algorithms, timeout };
      try {
        firstSteps.push(await measureFirstStep(network, size, options));
      } catch (error) {
        if (!(error instanceof PeerFailure)) throw error;
        context.checkFailed(`${network} ${size}: first step: ${withoutNote(error.message)}`);
      }
    }
    if (trace !== undefined) {
      const { traceEvents } = await import('../../bench/trace.ts');
      const steps = rows.map(({ name, dispatches = [] }) => ({ name, dispatches }));
      await writePage(trace, JSON.stringify(traceEvents(steps)), context);
    }
    const report = { ...benchHead(gpu), targets: stepTargets(rows, firstSteps), firstSteps, rows };
    if (context.json) context.printJson(report);
    else {
      context.print(await tableOf(rows));
      for (const { network, batch: size, cold, warm } of firstSteps) {
        const seconds = (value: number) => `${(value / 1000).toFixed(2)} s`;
        const times = `${seconds(cold)} with caches cold, ${seconds(warm)} warm`;
        context.print(`${network} ${size}: process start to the end of the first training step: ${times}`);
      }
      context.print(await targetTable(report.targets));
    }
    if (html !== undefined) {
      const { stepsHtml } = await import('../../report/bench-html.ts');
      await writePage(html, await stepsHtml(report), context);
    }
    const again = async ({ name }: StepRow) =>
      (await benchStep(gpu, jobs.find((job) => stepName(job) === name)!, sampling, {})).timing;
    if (old !== undefined) await printChanges(old, rows, context, again);
  },
});

async function tableOf(rows: readonly StepRow[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const { overLeast } = await import('../../bench/steps.ts');
  const table = new Table({
    head: [
      'step',
      'ms',
      'images/s',
      'GFLOP',
      'GFLOP/s',
      'MiB',
      'over the least',
      'first run, ms',
      'time / share',
      "by the network's",
    ],
    colAligns: ['left', ...new Array<'right'>(9).fill('right')],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    const { name, timing, imagesPerSecond, flops, bytes, firstRun, overShare, overNetworkShare } = row;
    table.push([
      name,
      timeText(timing),
      imagesPerSecond.toPrecision(3),
      (flops / 1e9).toPrecision(3),
      (flops / timing.median / 1e6).toFixed(1),
      (bytes / 2 ** 20).toFixed(0),
      overLeast(row).toFixed(2),
      milliseconds(firstRun),
      overShare === undefined ? '' : overShare.toFixed(2),
      overNetworkShare === undefined ? '' : overNetworkShare.toFixed(2),
    ]);
  }
  return table.toString();
}
