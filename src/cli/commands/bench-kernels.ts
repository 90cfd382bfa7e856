import { z } from 'zod';
import type { KernelRow } from '../../bench/kernels.ts';
import type { LayerCase } from '../../bench/layer-cases.ts';
import type { Sampling } from '../../bench/sample.ts';
import type { OwnText } from '../../bench/verify.ts';
import { FrostlineError } from '../../errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import type { Choice } from '../../kernels/kernel.ts';
import type { KernelsReport } from '../../report/bench-html.ts';
import { adapterOption, openAdapter } from '../adapter.ts';
import {
  benchHead,
  benchOptions,
  chooseByName,
  isWanted,
  networkMaker,
  networkNames,
  prepareResults,
  printChanges,
  samplingOf,
  timeText,
  writePage,
} from '../bench-options.ts';
import { type Context, defineCommand } from '../command.ts';

const options = {
  ...benchOptions,
  networks: z
    .array(z.enum(networkNames))
    .optional()
    .describe('whose layers; alexnet and vgg16, with --quick alexnet-small'),
  everyVariant: z
    .boolean()
    .default(false)
    .describe('every variant and configuration that the adapter runs, not the chosen one alone; without the plain'),
  besidePlain: z
    .boolean()
    .default(false)
    .describe('the plain variant too; exits with 1 where the chosen one is slower beyond the noise'),
  kernel: z
    .string()
    .optional()
    .meta({ valueName: 'FILE.wgsl' })
    .describe(
      "a text of your own, begun from what 'kernels show' prints, checked and timed beside ours at its kernel's shapes",
    ),
  workgroups: z
    .int()
    .min(1)
    .optional()
    .describe('how many workgroups of --kernel to start; as many as ours if left out'),
  beside: adapterOption.describe(
    'a second adapter: each row is timed there too, in turn, but for kernels that it does not run, which are named',
  ),
};
type Values = z.output<z.ZodObject<typeof options>>;

export const command = defineCommand({
  description:
    "Times every kernel on every layer shape of AlexNet's and VGG16's training steps, forward and backward. Kernels are timed alone, without the ReLUs, derivatives and updates that a step's kernels apply beside; a column says what a step makes of each. Every variant but the plain one, which the tests check, is verified before it is timed. GFLOP/s, GB/s and the share of the adapter's own ceilings, which a multiply-add kernel and a copy kernel show right before and right after each row. Exits with 1 where a kernel is wrong, or slower than --compare.",
  options: z.object(options),
  json: true,
  examples: [
    { what: "AlexNet's convolutions", line: '--networks alexnet --batch 10 --filter conv' },
    { what: 'your text against ours', line: '--kernel mine.wgsl --networks alexnet --batch 10' },
    { what: 'two cards in one run', line: '--adapter vulkan:0 --beside vulkan:1 --quick' },
    { what: 'before a change', line: '--quick --json > before.json' },
    { what: 'and after it', line: '--quick --compare before.json' },
  ],
  async run(values, context) {
    refuseContradictions(values);
    const { adapter, algorithm, beside, kernel: file } = values;
    const gpu = await openAdapter(adapter, context, algorithm);
    const second = beside === undefined ? undefined : await openAdapter(beside, context, algorithm);
    const { runs, unmatched } = await runsToTime(gpu, second, values);
    const old = await prepareResults(
      values,
      runs.map(({ name }) => name),
      gpu,
    );
    const sampling = samplingOf(values);
    const besideBench = second && (await benchOn(second, sampling, context));
    const bench = await benchOn(gpu, sampling, context);
    const { gflops, gigabytes } = bench.ceilings.first;
    context.note(`ceilings: ${gflops.toFixed(1)} GFLOP/s (multiply-add), ${gigabytes.toFixed(1)} GB/s (copy)`);
    if (second !== undefined) {
      for (const name of unmatched.withoutTwin)
        context.note(`not timed on ${second.name}, which runs other kernels: ${name}`);
      for (const name of unmatched.onlyThere) context.note(`not timed, for ${second.name} alone runs it: ${name}`);
    }
    const rows: KernelRow[] = [];
    for (const { name, layerCase, choice, own, twin } of runs) {
      context.signal.throwIfAborted();
      context.note(`${rows.length + 1} of ${runs.length}: ${name}`);
      const asked = { choice, besidePlain: values.besidePlain, own };
      const first = await bench.time(layerCase, asked).catch(asOwnFault(file));
      const other = twin && resultOf(await besideBench!.time(twin));
      const row = { ...first, ...(other && { beside: other }) };
      rows.push(row);
      for (const fault of await faultsOf(row, file, second?.name)) context.checkFailed(fault);
    }
    const besideHead = second && {
      beside: { name: second.name, kind: second.kind, driver: second.driver, ...unmatched },
    };
    await tell({ ...benchHead(gpu), ...besideHead, roofline: bench.ceilings.usual, rows }, values, context);
    if (old === undefined) return;
    await printChanges(old, rows, context, async ({ name }) => {
      const { layerCase, choice } = runs.find((run) => run.name === name)!;
      return (await bench.time(layerCase, { choice })).timing;
    });
  },
});

function refuseContradictions({ workgroups, kernel, everyVariant, besidePlain, beside }: Values): void {
  if (workgroups !== undefined && kernel === undefined) {
    throw new FrostlineError('--workgroups is of a --kernel. Give its file, or leave it out.');
  }
  if (kernel !== undefined && (everyVariant || besidePlain)) {
    throw new FrostlineError(
      '--kernel is timed beside one variant of ours. Leave out --every-variant and --beside-plain.',
    );
  }
  if (beside !== undefined && (everyVariant || kernel !== undefined)) {
    throw new FrostlineError(
      '--beside times what each adapter chooses for itself. Leave out --every-variant and --kernel.',
    );
  }
}

/** What is timed for one row. */
interface Run {
  readonly name: string;
  readonly layerCase: LayerCase;
  /** nothing for what the kernel chooses by itself */
  readonly choice: Choice | undefined;
  readonly own: OwnText | undefined;
  /** the same on the second adapter */
  readonly twin: LayerCase | undefined;
}

/** Rows of one adapter that the other, with other algorithms, does not run. */
interface Unmatched {
  readonly withoutTwin: readonly string[];
  readonly onlyThere: readonly string[];
}

/** @throws FrostlineError where none is left, by --filter or because --kernel fits none */
async function runsToTime(
  gpu: Gpu,
  second: Gpu | undefined,
  { networks, batch, quick, filter, everyVariant, kernel: file, workgroups }: Values,
): Promise<{ runs: Run[]; unmatched: Unmatched }> {
  const [{ caseName, layerCases }, { choicesToTime, ownText, rowName, takenBy }, { allKernels }, { readText }] =
    await Promise.all([
      import('../../bench/layer-cases.ts'),
      import('../../bench/kernels.ts'),
      import('../../operators/kernels.ts'),
      import('../../read-files.ts'),
    ]);
  const names = networks ?? (quick ? (['alexnet-small'] as const) : (['alexnet', 'vgg16'] as const));
  const batches = batch ?? (quick ? [10] : [1, 10, 32]);
  const makers = await Promise.all(names.map(networkMaker));
  const casesOn = (adapter: Gpu) =>
    makers.flatMap((make) => batches.flatMap((size) => layerCases(adapter, make(), size)));
  const named = chooseByName(casesOn(gpu), caseName, filter);
  const twins = new Map(second === undefined ? [] : casesOn(second).map((one) => [caseName(one), one]));
  const mine = file === undefined ? undefined : ownText(file, await readText(file), allKernels, workgroups);
  const cases = mine === undefined ? named : takenBy(gpu, named, mine);
  const runs = cases.flatMap((layerCase) => {
    const choices = mine === undefined ? choicesToTime(gpu, layerCase, everyVariant) : [mine.choice];
    const common = { layerCase, own: mine?.own, twin: twins.get(caseName(layerCase)) };
    return choices.map((choice) => ({ name: rowName(layerCase, choice), choice, ...common }));
  });
  const ours = new Set(casesOn(gpu).map(caseName));
  const onlyThere = [...twins.keys()].filter((name) => !ours.has(name) && isWanted(name, filter));
  const withoutTwin = second === undefined ? [] : named.map(caseName).filter((name) => !twins.has(name));
  return { runs, unmatched: { withoutTwin, onlyThere } };
}

/** An adapter with its ceilings, and what times a run on it. */
async function benchOn(gpu: Gpu, sampling: Sampling, context: Context) {
  const [{ benchCase }, { Ceilings }] = await Promise.all([
    import('../../bench/kernels.ts'),
    import('../../bench/roofline.ts'),
  ]);
  const ceilings = await Ceilings.on(gpu, sampling);
  context.defer(() => ceilings.destroy());
  const time = (layerCase: LayerCase, asked?: Parameters<typeof benchCase>[4]) =>
    benchCase(gpu, layerCase, ceilings, sampling, asked);
  return { ceilings, time };
}

const resultOf = ({ choice, verdict, timing }: KernelRow) => ({ choice, verdict, timing });

/** A text of somebody's own that does not compile is told of with its file. */
const asOwnFault = (file: string | undefined) => (error: unknown) => {
  const isOfText = error instanceof Error && error.message.startsWith('Kernel ');
  if (file === undefined || !isOfText) throw error;
  throw new FrostlineError(`--kernel ${file}: ${error.message}`);
};

/** What fails the benchmark: a kernel that is wrong, and one that its plain variant beats. */
async function faultsOf(row: KernelRow, file: string | undefined, second: string | undefined): Promise<string[]> {
  const [{ choiceText }, { slowerThanPlain }] = await Promise.all([
    import('../../kernels/kernel.ts'),
    import('../../bench/kernels.ts'),
  ]);
  const { name, choice, verdict, timing, plain, own, beside } = row;
  const error = ({ worst }: KernelRow['verdict']) => `${worst.toPrecision(3)} times the tolerance`;
  const faults: string[] = [];
  if (own?.verdict.passed === false) faults.push(`${name}: ${file} is wrong, ${error(own.verdict)}`);
  if (beside?.verdict.passed === false) {
    faults.push(`${name}, ${choiceText(beside.choice)} on ${second}: wrong, ${error(beside.verdict)}`);
  }
  if (slowerThanPlain(row)) faults.push(`${name}: ${timeText(timing)} ms, the plain variant ${timeText(plain!)}`);
  if (!verdict.passed) faults.push(`${name}, ${choiceText(choice)}: wrong, ${error(verdict)}`);
  return faults;
}

/** On the terminal, and as a page where one was asked for. */
async function tell(
  report: KernelsReport & { readonly beside?: { readonly name: string } },
  { besidePlain, kernel, html }: Values,
  context: Context,
): Promise<void> {
  if (context.json) context.printJson(report);
  else {
    const { kernelsTable } = await import('../kernels-table.ts');
    context.print(kernelsTable(report.rows, { besidePlain, own: kernel, second: report.beside?.name }));
  }
  if (html === undefined) return;
  const { kernelsHtml } = await import('../../report/bench-html.ts');
  await writePage(html, await kernelsHtml(report), context);
}
