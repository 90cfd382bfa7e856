import { z } from 'zod';
import type { KernelRow } from '../../bench/kernels.ts';
import type { Timing } from '../../bench/statistics.ts';
import { FrostlineError } from '../../errors.ts';
import { adapterOption, openAdapter } from '../adapter.ts';
import {
  benchHead,
  benchOptions,
  chooseByName,
  networkMaker,
  networkNames,
  percentText,
  prepareResults,
  printChanges,
  samplingOf,
  timeText,
  writePage,
} from '../bench-options.ts';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    "Times every kernel on every layer shape of AlexNet's and VGG16's training steps, forward and backward. Every variant but the plain one, which the tests check, is verified before it is timed. GFLOP/s, GB/s and the share of the adapter's own ceilings, which a multiply-add kernel and a copy kernel show in the same run. Exits with 1 where a kernel is wrong, or slower than --compare.",
  options: z.object({
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
    beside: adapterOption.describe('a second adapter: each row is timed there too, in turn'),
  }),
  json: true,
  examples: [
    { what: "AlexNet's convolutions", line: '--networks alexnet --batch 10 --filter conv' },
    { what: 'your text against ours', line: '--kernel mine.wgsl --networks alexnet --batch 10' },
    { what: 'two cards in one run', line: '--adapter vulkan:0 --beside vulkan:1 --quick' },
    { what: 'before a change', line: '--quick --json > before.json' },
    { what: 'and after it', line: '--quick --compare before.json' },
  ],
  async run(
    { filter, batch, quick, networks, everyVariant, besidePlain, compare, html, adapter, algorithm, ...rest },
    context,
  ) {
    const { kernel: file, workgroups, beside, ...sampled } = rest;
    if (workgroups !== undefined && file === undefined) {
      throw new FrostlineError('--workgroups is of a --kernel. Give its file, or leave it out.');
    }
    if (file !== undefined && (everyVariant || besidePlain)) {
      throw new FrostlineError(
        '--kernel is timed beside one variant of ours. Leave out --every-variant and --beside-plain.',
      );
    }
    if (beside !== undefined && (everyVariant || file !== undefined)) {
      throw new FrostlineError(
        '--beside times what each adapter chooses for itself. Leave out --every-variant and --kernel.',
      );
    }
    const [
      { layerCases, caseName },
      { benchCase, ownText, rowName, slowerThanPlain },
      { choiceText, sameChoice },
      { measureRoofline },
      { allKernels },
      { readText },
    ] = await Promise.all([
      import('../../bench/layer-cases.ts'),
      import('../../bench/kernels.ts'),
      import('../../kernels/kernel.ts'),
      import('../../bench/roofline.ts'),
      import('../../operators/kernels.ts'),
      import('../../read-files.ts'),
    ]);
    const gpu = await openAdapter(adapter, context, algorithm);
    const sampling = samplingOf({ quick, ...sampled });
    const makers = await Promise.all(
      (networks ?? (quick ? (['alexnet-small'] as const) : (['alexnet', 'vgg16'] as const))).map(networkMaker),
    );
    const batches = batch ?? (quick ? [10] : [1, 10, 32]);
    const all = makers.flatMap((make) => batches.flatMap((size) => layerCases(gpu, make(), size)));
    const mine = file === undefined ? undefined : ownText(file, await readText(file), allKernels, workgroups);
    const cases = chooseByName(all, caseName, filter).filter(
      ({ kernel, params }) =>
        mine === undefined ||
        (kernel.name === mine.kernel.name && kernel.choices(gpu, params).some((one) => sameChoice(one, mine.choice))),
    );
    if (cases.length === 0) {
      throw new FrostlineError(`--kernel ${file}: no row runs ${mine!.kernel.name} as ${choiceText(mine!.choice)}.`);
    }
    const second = beside === undefined ? undefined : await openAdapter(beside, context, algorithm);
    const twins = new Map(
      second === undefined
        ? []
        : makers
            .flatMap((make) => batches.flatMap((size) => layerCases(second, make(), size)))
            .map((one) => [caseName(one), one]),
    );
    const secondRoofline = second && (await measureRoofline(second, sampling));
    const choicesOf = ({ kernel, params }: (typeof cases)[number]) => {
      if (mine !== undefined) return [mine.choice];
      const [{ name: plain }, ...others] = kernel.variants;
      if (!everyVariant || others.length === 0) return [undefined];
      return kernel.choices(gpu, params).filter(({ variant }) => variant !== plain);
    };
    const names = cases.flatMap((one) => choicesOf(one).map((choice) => rowName(one, choice)));
    const old = await prepareResults({ compare, html }, names, gpu);
    const roofline = await measureRoofline(gpu, sampling);
    context.note(
      `ceilings: ${roofline.gflops.toFixed(1)} GFLOP/s (multiply-add), ${roofline.gigabytes.toFixed(1)} GB/s (copy)`,
    );
    const rows: KernelRow[] = [];
    const again = new Map<string, () => Promise<Timing>>();
    for (const [index, one] of cases.entries()) {
      context.signal.throwIfAborted();
      context.note(`${index + 1} of ${cases.length}: ${caseName(one)}`);
      for (const choice of choicesOf(one)) {
        const own = mine?.own;
        const first = await benchCase(gpu, one, roofline, sampling, { choice, besidePlain, own }).catch(
          asOwnFault(file),
        );
        const twin = twins.get(caseName(one));
        const other = twin && (await benchCase(second!, twin, secondRoofline!, sampling));
        const row = { ...first, ...(other && { beside: resultOf(other) }) };
        rows.push(row);
        again.set(row.name, async () => (await benchCase(gpu, one, roofline, sampling, { choice })).timing);
        if (row.own?.verdict.passed === false) {
          context.checkFailed(
            `${row.name}: ${file} is wrong, ${row.own.verdict.worst.toPrecision(3)} times the tolerance`,
          );
        }
        if (other?.verdict.passed === false) {
          const error = `${other.verdict.worst.toPrecision(3)} times the tolerance`;
          context.checkFailed(`${row.name}, ${choiceText(other.choice)} on ${second!.name}: wrong, ${error}`);
        }
        if (slowerThanPlain(row)) {
          const { timing, plain: beside } = row;
          context.checkFailed(`${row.name}: ${timeText(timing)} ms, the plain variant ${timeText(beside!)}`);
        }
        if (row.verdict.passed) continue;
        const error = `${row.verdict.worst.toPrecision(3)} times the tolerance`;
        context.checkFailed(`${row.name}, ${choiceText(row.choice)}: wrong, ${error}`);
      }
    }
    const besideHead = second && { beside: { name: second.name, kind: second.kind, driver: second.driver } };
    const report = { ...benchHead(gpu), ...besideHead, roofline, rows };
    if (context.json) context.printJson(report);
    else context.print(await tableOf(rows, { besidePlain, file, second: second?.name }));
    if (html !== undefined) {
      const { kernelsHtml } = await import('../../report/bench-html.ts');
      await writePage(html, await kernelsHtml(report), context);
    }
    if (old !== undefined) await printChanges(old, rows, context, ({ name }) => again.get(name)!());
  },
});

const resultOf = ({ choice, verdict, timing }: KernelRow) => ({ choice, verdict, timing });

/** A text of somebody's own that does not compile is not our defect. */
const asOwnFault = (file: string | undefined) => (error: unknown) => {
  if (file === undefined || error instanceof FrostlineError || !(error instanceof Error)) throw error;
  throw new FrostlineError(`--kernel ${file}: ${error.message}`);
};

async function tableOf(
  rows: readonly KernelRow[],
  { besidePlain, file, second }: { besidePlain: boolean; file?: string; second?: string },
): Promise<string> {
  const { choiceText } = await import('../../kernels/kernel.ts');
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: [
      'network',
      'batch',
      'layers',
      'direction',
      'kernel',
      'verified',
      'ms',
      'GFLOP/s',
      'GB/s',
      'of ceiling',
      ...(besidePlain ? ['plain, ms'] : []),
      ...(file === undefined ? [] : [`${file}, ms`, 'ours / it']),
      ...(second === undefined ? [] : [`${second.split(',')[0]}, ms`, 'first / it']),
    ],
    colAligns: ['left', 'right', 'left', 'left', 'left', 'left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    const {
      network,
      batch,
      layers,
      direction,
      kernel,
      choice,
      verdict,
      timing,
      gflops,
      gigabytes,
      share,
      plain,
      own,
      beside,
    } = row;
    table.push([
      network,
      batch,
      layers.join(' '),
      direction,
      `${kernel} ${choiceText(choice)}`,
      verdict.passed ? { plain: 'is plain', device: 'yes', host: 'sampled' }[verdict.against] : 'WRONG',
      timeText(timing),
      gflops.toFixed(1),
      gigabytes.toFixed(1),
      percentText(share),
      ...(besidePlain ? [plain === undefined ? '' : timeText(plain)] : []),
      ...(own === undefined
        ? []
        : [own.verdict.passed ? timeText(own.timing) : 'WRONG', timesText(timing, own.timing)]),
      ...(beside === undefined
        ? []
        : [beside.verdict.passed ? timeText(beside.timing) : 'WRONG', timesText(timing, beside.timing)]),
    ]);
  }
  return table.toString();
}

const timesText = (ours: Timing, other: Timing) => `${(ours.median / other.median).toFixed(2)} x`;
