import { z } from 'zod';
import type { Plan } from '../../bench/plan.ts';
import { machines } from '../../gpu/machine.ts';
import { algorithmOption, algorithmsOf, checkAlgorithms, openAdapter, precisionOption } from '../adapter.ts';
import { checkStep, networkMaker, networkNames, percentText } from '../bench-options.ts';
import { defineCommand } from '../command.ts';

const adapters = machines.map(({ name }) => name) as [string, ...string[]];

export const command = defineCommand({
  description:
    "Prints what a network's step becomes on an adapter, dispatch by dispatch: variant, workgroups, what it computes and moves, and a model's time. --as plans for an adapter that is not here. The model (src/kernels/time-model.ts) ranks and explains; it is a prediction, no measurement. held: workgroups that a multiprocessor holds at once by their threads and workgroup memory, not by registers, which no adapter tells; waves: the rounds that it so takes.",
  options: z.object({
    network: z.enum(networkNames).default('alexnet').describe('which'),
    batch: z.int().min(1).default(10).describe('images a batch'),
    step: z
      .string()
      .default('none')
      .meta({ valueName: 'POINT' })
      .describe("'forward', or a training step with this freeze point: 'none', 'conv1', ..."),
    precision: precisionOption,
    algorithm: algorithmOption,
    as: z.enum(adapters).optional().describe('plan for this adapter in place of the one here'),
    adapter: z
      .string()
      .optional()
      .meta({ valueName: 'NAME' })
      .describe('the adapter here, as everywhere; without --as'),
  }),
  json: true,
  examples: [
    { what: "AlexNet's training step on a GPU that is not here", line: '--network alexnet --batch 10 --as h100' },
    { what: 'the same of halves', line: '--precision f16 --as h100' },
    { what: 'by one algorithm alone', line: '--as h100 --algorithm conv2d=implicit-gemm' },
    { what: 'the same as data', line: '--network vgg16 --as apple-m2 --json' },
  ],
  async run({ network, batch, step, as, adapter, algorithm, precision }, context) {
    const [{ planStep }, { plannedGpu }, { FrostlineError }] = await Promise.all([
      import('../../bench/plan.ts'),
      import('../../gpu/planned.ts'),
      import('../../errors.ts'),
    ]);
    if (as !== undefined && adapter !== undefined) {
      throw new FrostlineError(
        '--as plans for an adapter that is not here, --adapter for one that is. Give one of them.',
      );
    }
    const made = (await networkMaker(network))();
    await checkStep(made, step);
    const planned = as && plannedGpu(as, { algorithms: algorithmsOf(algorithm), precision });
    if (planned) await checkAlgorithms(planned);
    const gpu = planned || (await openAdapter(adapter, context, algorithm, precision));
    const plan = planStep(gpu, made, batch, step);
    if (context.json) return context.printJson(plan);
    context.print(await tableOf(plan));
    const { dispatches, ms, flops, bytes, shareOfPeak, shareStarved, multiprocessors } = plan;
    context.print(
      `${dispatches.length} dispatches, ${ms.toPrecision(3)} ms by the model: ${(flops / 1e9).toPrecision(3)} GFLOP, ` +
        `${(bytes / 2 ** 20).toFixed(0)} MiB, ${percentText(shareOfPeak)} of the peak rate; ${percentText(shareStarved)} of the ` +
        `time in dispatches with fewer workgroups than the ${multiprocessors} multiprocessors.`,
    );
  },
});

async function tableOf({ dispatches }: Plan): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: [
      'kernel',
      'variant',
      'workgroups',
      'held',
      'waves',
      'idle',
      'GFLOP',
      'MiB',
      'us',
      'GFLOP/s',
      'GB/s',
      'bound by',
    ],
    colAligns: ['left', 'left', ...new Array<'right'>(9).fill('right'), 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { kernel, variant, workgroups, held, waves, idle, flops, bytes, ms, bound } of dispatches) {
    table.push([
      kernel,
      variant,
      workgroups,
      held,
      waves,
      idle,
      (flops / 1e9).toPrecision(3),
      (bytes / 2 ** 20).toFixed(2),
      (1000 * ms).toFixed(1),
      (flops / ms / 1e6).toFixed(0),
      (bytes / ms / 1e6).toFixed(0),
      bound,
    ]);
  }
  return table.toString();
}
