import { z } from 'zod';
import type { TuneCase } from '../../bench/tune.ts';
import { FrostlineError } from '../../errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import type { Timed, TunedProblem, TunedShape, TunedUse } from '../../gpu/tuning.ts';
import type { CompileOptions } from '../../graph/compile.ts';
import type { Choice } from '../../kernels/kernel.ts';
import type { Network } from '../../models/network.ts';
import { openAdapter } from '../adapter.ts';
import { benchHead, benchOptions, milliseconds, networkMaker, networkNames, writePage } from '../bench-options.ts';
import { type Context, defineCommand } from '../command.ts';
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
  readonly settled: boolean;
  readonly measurements: TunedShape['measurements'];
}

interface AlgorithmRow {
  /** what is chosen for: 'conv2d forward' */
  readonly purpose: string;
  readonly layers: readonly string[];
  readonly problem: string;
  readonly known: boolean;
  readonly chosen: string;
  readonly estimated: string;
  readonly settled: boolean;
  readonly measurements: TunedProblem['measurements'];
}

export const command = defineCommand({
  description:
    'Measures which algorithm of each operator, and which variant of each kernel, is the fastest on this adapter, for every shape of the given networks’ steps: first whole algorithms with their packing and windows, then the kernels of the steps that come of them. Each candidate is checked against the plain one; the right ones are timed in turns until they can be told apart or the budget is spent. The choices are kept in the cache folder, and every command and the library take them from there; FROSTLINE_TUNE=off makes them not count. What is known already is not measured again. Steps in half precision take no measured choices, and go by estimates. Exits with 1 where a candidate computes wrongly; it is never chosen.',
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
    algorithms: z.boolean().default(true).describe('whole algorithms too, not kernels alone'),
    budget: z
      .number()
      .positive()
      .default(2)
      .meta({ valueName: 'SECONDS' })
      .describe('that timing may take for each choice; it ends earlier where the candidates can be told apart'),
    force: z.boolean().default(false).describe('measure again what was measured before'),
    export: z
      .string()
      .optional()
      .meta({ valueName: 'FILE' })
      .describe(
        "write the adapter's whole table to this file at the end, for other machines of its kind; alone, nothing is measured",
      ),
    import: z
      .string()
      .optional()
      .meta({ valueName: 'FILE' })
      .describe(
        'take the results of such a file into the table first; they are not measured again; alone, nothing is measured',
      ),
    adapter: benchOptions.adapter,
  }),
  json: true,
  examples: [
    { what: 'what training AlexNet needs', line: '--networks alexnet' },
    { what: 'a model of your own, to be used only', line: '--model net.onnx --batch 1,16 --no-training' },
  ],
  async run(options, context) {
    const { networks, model, batch, training, freeze, adapter } = options;
    const gpu = await openAdapter(adapter, context);
    const { tuning } = gpu;
    if (tuning === undefined) {
      throw new FrostlineError('FROSTLINE_TUNE is off: results would not be kept. Unset it to tune.');
    }
    const { tunedNames, useText } = await import('../../bench/tuned-names.ts');
    const kept = () => `${tuning.file}: ${useText(tuning.use(tunedNames))}`;
    let imported: TunedUse | undefined;
    const head = () => ({ ...benchHead(gpu), file: tuning.file, ...(imported && { imported }) });
    if (options.import !== undefined) {
      const { readText } = await import('../../read-files.ts');
      imported = await tuning.merge(options.import, await readText(options.import), tunedNames);
      context.note(`${options.import}: ${useText(imported)}`);
    }
    if (options.export !== undefined) await checkExport(options.export);
    const named = networks !== undefined || model.length > 0 || options.filter.length > 0 || options.force;
    if ((options.import !== undefined || options.export !== undefined) && !named) {
      if (options.export !== undefined) await writePage(options.export, tuning.text(), context);
      context.note('nothing was measured: to tune, too, name what with --networks, --model, --filter or --force');
      if (context.json) context.printJson({ ...head(), algorithms: [], rows: [] });
      else context.print(kept());
      return;
    }
    const makers = await networksOf(networks ?? (model.length > 0 ? [] : ['alexnet-small', 'alexnet']), model);
    const steps = ['forward', ...(training ? freeze : [])];
    const jobs = makers.flatMap((make) => batch.map((size): Job => ({ make, batch: size, steps })));
    const algorithms = options.algorithms ? await tuneAlgorithms(gpu, jobs, options, context) : [];
    // The steps as they are with the algorithms that were chosen.
    const rows = await tuneKernels(gpu, jobs, options, context);
    if (options.export !== undefined) await writePage(options.export, tuning.text(), context);
    if (algorithms.length + rows.length === 0) {
      throw new FrostlineError(`--filter: nothing's name has '${options.filter.join("' or '")}' in it.`);
    }
    if (context.json) return context.printJson({ ...head(), algorithms, rows });
    if (algorithms.length > 0) context.print(await tableOfAlgorithms(algorithms));
    if (rows.length > 0) context.print(await tableOf(rows));
    if ([...algorithms, ...rows].some(({ settled }) => !settled)) {
      context.print(
        '~ could not be told from others within the budget; the estimate stays unless it is slower for sure',
      );
    }
    context.print(kept());
  },
});

interface Job {
  readonly make: () => Network;
  readonly batch: number;
  readonly steps: readonly string[];
}

interface Wanted {
  readonly filter: readonly string[];
  readonly force: boolean;
  readonly budget: number;
}

/** Each problem's algorithms, in the order of the steps. */
async function tuneAlgorithms(
  gpu: Gpu,
  jobs: readonly Job[],
  wanted: Wanted,
  context: Context,
): Promise<AlgorithmRow[]> {
  const [{ problemCases, problemMeasuredBefore, problemName, tuneProblem }, { decisionsIn }, { planGraph }] =
    await Promise.all([
      import('../../bench/tune-algorithms.ts'),
      import('../../operators/algorithms/algorithm.ts'),
      import('../../graph/compile.ts'),
    ]);
  const decided = (
    await forEachStep(gpu, jobs, (options) =>
      decisionsIn(gpu, () => {
        planGraph(gpu, options);
      }),
    )
  ).flat();
  const cases = chosen(problemCases(gpu, decided), problemName, wanted.filter);
  return eachInTurn(
    cases,
    problemName,
    ({ names }) => names.length,
    context,
    async (one, progress): Promise<AlgorithmRow> => {
      const known = wanted.force ? undefined : problemMeasuredBefore(gpu, one);
      const result = known ?? (await progress(() => tuneProblem(gpu, one, { seconds: wanted.budget })));
      const { choice, settled, measurements } = result;
      tellWrong(problemName(one), measurements, ({ algorithm }) => algorithm, context);
      const { decision, layers, case: problem, estimated } = one;
      const names = { purpose: decision.purpose, layers, problem };
      return { ...names, known: known !== undefined, chosen: choice, estimated, settled, measurements };
    },
  );
}

/** Each shape's variants. */
async function tuneKernels(gpu: Gpu, jobs: readonly Job[], wanted: Wanted, context: Context): Promise<Row[]> {
  const [{ measuredBefore, tuneCase, tuneCases, tuneName }, { choiceText }, { planGraph }] = await Promise.all([
    import('../../bench/tune.ts'),
    import('../../kernels/kernel.ts'),
    import('../../graph/compile.ts'),
  ]);
  const all = await forEachStep(gpu, jobs, (options) => tuneCases(gpu, planGraph(gpu, options).dispatches));
  const cases = chosen(distinct(all.flat()), tuneName, wanted.filter);
  const cost = ({ kernel, params }: TuneCase) => (kernel.cost(params).flops + 1e6) * kernel.choices(gpu, params).length;
  return eachInTurn(cases, tuneName, cost, context, async (one, progress): Promise<Row> => {
    const known = wanted.force ? undefined : measuredBefore(gpu, one);
    const result = known ?? (await progress(() => tuneCase(gpu, one, { seconds: wanted.budget })));
    const { choice, settled, measurements } = result;
    tellWrong(tuneName(one), measurements, choiceText, context);
    const { kernel, params, shape, writes } = one;
    const estimated = kernel.estimated(gpu, params);
    const names = { kernel: kernel.name, writes, shape };
    return { ...names, known: known !== undefined, chosen: choice, estimated, settled, measurements };
  });
}

const chosen = <T>(all: readonly T[], nameOf: (one: T) => string, filter: readonly string[]): T[] =>
  all.filter((one) => filter.length === 0 || filter.some((word) => nameOf(one).includes(word)));

/** One after another, with a line of progress for each; what was known before is passed over. */
async function eachInTurn<One, Result>(
  cases: readonly One[],
  nameOf: (one: One) => string,
  costOf: (one: One) => number,
  context: Context,
  run: (one: One, measured: <T>(work: () => Promise<T>) => Promise<T>) => Promise<Result>,
): Promise<Result[]> {
  const progress = gridProgress(
    cases.map((one) => ({ label: nameOf(one), cost: costOf(one) })),
    { stream: context.stderr, noun: 'choices' },
  );
  context.defer(() => progress.stop());
  const results: Result[] = [];
  for (const [index, one] of cases.entries()) {
    context.signal.throwIfAborted();
    let measured = false;
    results.push(
      await run(one, async (work) => {
        measured = true;
        progress.begin(index);
        const result = await work();
        progress.end('done', '');
        return result;
      }),
    );
    if (!measured) progress.skip(index);
  }
  progress.stop();
  return results;
}

function tellWrong<One extends Timed>(
  name: string,
  measurements: readonly One[],
  textOf: (one: One) => string,
  context: Context,
): void {
  for (const one of measurements) {
    if (one.wrong === undefined) continue;
    context.checkFailed(`${name}, ${textOf(one)}: wrong, ${one.wrong.toPrecision(3)} times the tolerance`);
  }
}

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

/** Plans each step, as the commands compile it. */
async function forEachStep<T>(gpu: Gpu, jobs: readonly Job[], list: (options: CompileOptions) => T): Promise<T[]> {
  const [{ graphOf }, { createModel, releaseModel }] = await Promise.all([
    import('../../bench/steps.ts'),
    import('../../train/model.ts'),
  ]);
  const found: T[] = [];
  for (const { make, batch, steps } of jobs) {
    const model = createModel(make());
    try {
      for (const step of steps) found.push(list(graphOf(model, batch, step).options));
    } finally {
      releaseModel(gpu, model);
    }
  }
  return found;
}

/** Each shape of a kernel once: networks share some. */
function distinct(cases: readonly TuneCase[]): TuneCase[] {
  return [...new Map(cases.toReversed().map((one) => [`${one.kernel.name} ${one.shape}`, one])).values()].toReversed();
}

const HEAD = ['chosen', 'ms', 'estimated', 'ms', 'gain', 'plain, ms'];

async function newTable(...own: string[]) {
  const { default: Table } = await import('cli-table3');
  return new Table({
    head: [...own, ...HEAD],
    colAligns: [...own.map((): 'left' => 'left'), 'left', 'right', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
}

const timeText = (time: number | undefined) => (time === undefined ? '' : milliseconds(time));
const name = (text: string, settled: boolean) => (settled ? text : `${text} ~`);

/** What is said of a choice: its name and time, the estimate's where it is another, the gain, the plain one's time. */
function cells(
  [chosen, estimated]: readonly [string, string],
  timeOf: (name: string) => number | undefined,
  plain: number | undefined,
  settled: boolean,
): string[] {
  const [own, usual] = [timeOf(chosen), timeOf(estimated)];
  const same = chosen === estimated;
  const gain = same || own === undefined || usual === undefined ? '' : `${(usual / own).toFixed(2)} x`;
  const other = same ? ['the same', ''] : [estimated, timeText(usual)];
  return [name(chosen, settled), timeText(own), ...other, gain, timeText(plain)];
}

async function tableOfAlgorithms(rows: readonly AlgorithmRow[]): Promise<string> {
  const table = await newTable('algorithms of', 'layers');
  for (const { purpose, layers, chosen, estimated, settled, measurements } of rows) {
    const timeOf = (name: string) => measurements.find(({ algorithm }) => algorithm === name)?.milliseconds;
    const plain = measurements[0]?.milliseconds;
    table.push([purpose, layers.join(', '), ...cells([chosen, estimated], timeOf, plain, settled)]);
  }
  return table.toString();
}

async function tableOf(rows: readonly Row[]): Promise<string> {
  const { choiceText } = await import('../../kernels/kernel.ts');
  const table = await newTable('kernel', 'writes');
  for (const { kernel, writes, chosen, estimated, settled, measurements } of rows) {
    const timeOf = (name: string) => measurements.find((one) => choiceText(one) === name)?.milliseconds;
    const plain = measurements.find(({ variant }) => variant === 'plain')?.milliseconds;
    const names = [choiceText(chosen), choiceText(estimated)] as const;
    table.push([kernel, writes.join(', '), ...cells(names, timeOf, plain, settled)]);
  }
  return table.toString();
}
