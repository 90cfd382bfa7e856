import { z } from 'zod';
import type { TuneCase } from '../../bench/tune.ts';
import { FrostlineError } from '../../errors.ts';
import type { TunedShape } from '../../gpu/tuning.ts';
import type { Choice } from '../../kernels/kernel.ts';
import type { Network } from '../../models/network.ts';
import { openAdapter } from '../adapter.ts';
import {
  benchHead,
  benchOptions,
  chooseByName,
  milliseconds,
  networkMaker,
  networkNames,
  writePage,
} from '../bench-options.ts';
import { defineCommand } from '../command.ts';
import { gridProgress } from '../progress.ts';

interface Row {
  readonly kernel: string;
  /** what the runs of this shape write */
  readonly writes: readonly string[];
  readonly shape: string;
  /** of an earlier run */
  readonly known: boolean;
  readonly chosen: Choice;
  readonly estimated: Choice;
  readonly measurements: TunedShape['measurements'];
}

export const command = defineCommand({
  description:
    'Measures which variant of each kernel is the fastest on this adapter, for every shape of the given networks’ steps. Each candidate is checked against the plain variant, then timed. The choices are kept in the cache folder, and every command and the library take them from there; FROSTLINE_TUNE=off makes them not count. Shapes that are known already are not measured again. Exits with 1 where a candidate computes wrongly; it is never chosen.',
  options: z.object({
    networks: z
      .array(z.enum(networkNames))
      .optional()
      .describe('which; alexnet-small and alexnet if no --model is given'),
    model: z
      .array(z.string())
      .default([])
      .meta({ valueName: 'FILE|NAME' })
      .describe('ONNX files, or names from weights list'),
    batch: z.array(z.int().min(1)).default([10]).describe('images a batch'),
    training: z.boolean().default(true).describe('training steps too, not the forward pass alone'),
    freeze: z
      .array(z.string())
      .default(['none'])
      .describe('freeze points of the training steps; none has the shapes of all others'),
    filter: benchOptions.filter.describe("only rows with one of these in their name, as 'conv2' or 'gradient'"),
    force: z.boolean().default(false).describe('measure shapes again that were measured before'),
    export: z
      .string()
      .optional()
      .meta({ valueName: 'FILE' })
      .describe("write the adapter's whole table to this file at the end, for other machines of its kind"),
    import: z
      .string()
      .optional()
      .meta({ valueName: 'FILE' })
      .describe('take the shapes of such a file into the table first; they are not measured again'),
    adapter: benchOptions.adapter,
  }),
  json: true,
  examples: [
    { what: 'what training AlexNet needs', line: '--networks alexnet' },
    { what: 'a model of your own, to be used only', line: '--model net.onnx --batch 1,16 --no-training' },
  ],
  async run(options, context) {
    const { networks, model, batch, training, freeze, filter, force, adapter } = options;
    const [{ measuredBefore, tuneCase, tuneName }, { choiceText }] = await Promise.all([
      import('../../bench/tune.ts'),
      import('../../kernels/kernel.ts'),
    ]);
    const gpu = await openAdapter(adapter, context);
    if (gpu.tuning === undefined) {
      throw new FrostlineError('FROSTLINE_TUNE is off: results would not be kept. Unset it to tune.');
    }
    if (options.import !== undefined) {
      const { readText } = await import('../../read-files.ts');
      const brought = await gpu.tuning.merge(options.import, await readText(options.import));
      context.note(`${options.import}: ${brought} shapes`);
    }
    if (options.export !== undefined) await checkExport(options.export);
    const makers = await networksOf(networks ?? (model.length > 0 ? [] : ['alexnet-small', 'alexnet']), model);
    const steps = ['forward', ...(training ? freeze : [])];
    const all: TuneCase[] = [];
    for (const make of makers) {
      for (const size of batch) all.push(...(await casesOf(gpu, make(), size, steps)));
    }
    const cases = chooseByName(distinct(all), tuneName, filter);
    const cost = ({ kernel, params }: TuneCase) =>
      (kernel.cost(params).flops + 1e6) * kernel.choices(gpu, params).length;
    const progress = gridProgress(
      cases.map((one) => ({ label: tuneName(one), cost: cost(one) })),
      { stream: context.stderr, noun: 'shapes' },
    );
    context.defer(() => progress.stop());
    const rows: Row[] = [];
    for (const [index, one] of cases.entries()) {
      context.signal.throwIfAborted();
      const known = force ? undefined : measuredBefore(gpu, one);
      if (known === undefined) progress.begin(index);
      else progress.skip(index);
      const { choice, measurements } = known ?? (await tuneCase(gpu, one));
      if (known === undefined) progress.end('done', choiceText(choice));
      const { kernel, params, shape, writes } = one;
      const estimated = kernel.estimated(gpu, params);
      rows.push({
        kernel: kernel.name,
        writes,
        shape,
        known: known !== undefined,
        chosen: choice,
        estimated,
        measurements,
      });
      for (const wrong of measurements.filter((measurement) => measurement.wrong !== undefined)) {
        context.checkFailed(
          `${tuneName(one)}, ${choiceText(wrong)}: wrong, ${wrong.wrong!.toPrecision(3)} times the tolerance`,
        );
      }
    }
    progress.stop();
    if (options.export !== undefined) await writePage(options.export, gpu.tuning.text(), context);
    if (context.json) return context.printJson({ ...benchHead(gpu), file: gpu.tuning.file, rows });
    context.print(await tableOf(rows));
    context.print(`${gpu.tuning.file}: ${gpu.tuning.size} shapes`);
  },
});

/** Before anything is measured: where the table cannot be written, the minutes would be lost. */
async function checkExport(path: string): Promise<void> {
  const [{ checkWritable, isFolder }, { dirname }] = await Promise.all([import('../../files.ts'), import('node:path')]);
  if (await isFolder(path)) throw new FrostlineError(`--export ${path}: this is a folder. Give a file's name.`);
  await checkWritable(dirname(path));
}

async function networksOf(names: readonly (typeof networkNames)[number][], models: readonly string[]) {
  const makers: (() => Network)[] = await Promise.all(names.map(networkMaker));
  if (models.length === 0) return makers;
  const [{ resolveModel }, { loadNetwork }] = await Promise.all([
    import('../../models/zoo.ts'),
    import('../../models/load.ts'),
  ]);
  const loaded = await Promise.all(models.map((name) => loadNetwork(resolveModel(name))));
  return [...makers, ...loaded.map((network) => () => network)];
}

/** Compiles each step, as the commands do, for the list of what it runs. */
async function casesOf(
  gpu: Awaited<ReturnType<typeof openAdapter>>,
  network: Network,
  batch: number,
  steps: readonly string[],
): Promise<TuneCase[]> {
  const [{ graphOf }, { tuneCases }, { compile }, { createModel, releaseModel }] = await Promise.all([
    import('../../bench/steps.ts'),
    import('../../bench/tune.ts'),
    import('../../graph/compile.ts'),
    import('../../train/model.ts'),
  ]);
  const model = createModel(network);
  try {
    const cases: TuneCase[] = [];
    for (const step of steps) {
      const graph = await compile(gpu, graphOf(model, batch, step).options);
      cases.push(...tuneCases(gpu, graph.dispatches));
      graph.destroy();
    }
    return cases;
  } finally {
    releaseModel(gpu, model);
  }
}

/** Each shape of a kernel once: networks share some. */
function distinct(cases: readonly TuneCase[]): TuneCase[] {
  return [...new Map(cases.toReversed().map((one) => [`${one.kernel.name} ${one.shape}`, one])).values()].toReversed();
}

async function tableOf(rows: readonly Row[]): Promise<string> {
  const [{ default: Table }, { choiceText, sameChoice }] = await Promise.all([
    import('cli-table3'),
    import('../../kernels/kernel.ts'),
  ]);
  const table = new Table({
    head: ['kernel', 'writes', 'chosen', 'ms', 'estimated', 'ms', 'gain', 'plain, ms'],
    colAligns: ['left', 'left', 'left', 'right', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { kernel, writes, chosen, estimated, measurements } of rows) {
    const timeOf = (choice: Choice) => measurements.find((one) => sameChoice(one, choice))?.milliseconds;
    const [own, usual] = [timeOf(chosen), timeOf(estimated)];
    const plain = measurements.find(({ variant }) => variant === 'plain')?.milliseconds;
    const text = (time: number | undefined) => (time === undefined ? '' : milliseconds(time));
    const same = sameChoice(chosen, estimated);
    table.push([
      kernel,
      writes.join(', '),
      choiceText(chosen),
      text(own),
      same ? 'the same' : choiceText(estimated),
      same ? '' : text(usual),
      same || own === undefined || usual === undefined ? '' : `${(usual / own).toFixed(2)} x`,
      text(plain),
    ]);
  }
  return table.toString();
}
