import { z } from 'zod';
import type { KernelRow } from '../../bench/kernels.ts';
import { openAdapter } from '../adapter.ts';
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
  }),
  json: true,
  examples: [
    { what: "AlexNet's convolutions", line: '--networks alexnet --batch 10 --filter conv' },
    { what: 'before a change', line: '--quick --json > before.json' },
    { what: 'and after it', line: '--quick --compare before.json' },
  ],
  async run(
    { filter, batch, quick, networks, everyVariant, besidePlain, compare, html, adapter, algorithm, ...rest },
    context,
  ) {
    const [{ layerCases, caseName }, { benchCase, rowName, slowerThanPlain }, { choiceText }, { measureRoofline }] =
      await Promise.all([
        import('../../bench/layer-cases.ts'),
        import('../../bench/kernels.ts'),
        import('../../kernels/kernel.ts'),
        import('../../bench/roofline.ts'),
      ]);
    const gpu = await openAdapter(adapter, context, algorithm);
    const sampling = samplingOf({ quick, ...rest });
    const makers = await Promise.all(
      (networks ?? (quick ? (['alexnet-small'] as const) : (['alexnet', 'vgg16'] as const))).map(networkMaker),
    );
    const batches = batch ?? (quick ? [10] : [1, 10, 32]);
    const all = makers.flatMap((make) => batches.flatMap((size) => layerCases(gpu, make(), size)));
    const cases = chooseByName(all, caseName, filter);
    const choicesOf = ({ kernel, params }: (typeof cases)[number]) => {
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
    for (const [index, one] of cases.entries()) {
      context.signal.throwIfAborted();
      context.note(`${index + 1} of ${cases.length}: ${caseName(one)}`);
      for (const choice of choicesOf(one)) {
        const row = await benchCase(gpu, one, roofline, sampling, { choice, besidePlain });
        rows.push(row);
        if (slowerThanPlain(row)) {
          const { timing, plain: beside } = row;
          context.checkFailed(`${row.name}: ${timeText(timing)} ms, the plain variant ${timeText(beside!)}`);
        }
        if (row.verdict.passed) continue;
        const error = `${row.verdict.worst.toPrecision(3)} times the tolerance`;
        context.checkFailed(`${row.name}, ${choiceText(row.choice)}: wrong, ${error}`);
      }
    }
    const report = { ...benchHead(gpu), roofline, rows };
    if (context.json) context.printJson(report);
    else context.print(await tableOf(rows, besidePlain));
    if (html !== undefined) {
      const { kernelsHtml } = await import('../../report/bench-html.ts');
      await writePage(html, await kernelsHtml(report), context);
    }
    if (old !== undefined) await printChanges(old, rows, context);
  },
});

async function tableOf(rows: readonly KernelRow[], besidePlain: boolean): Promise<string> {
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
    ],
    colAligns: ['left', 'right', 'left', 'left', 'left', 'left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    const { network, batch, layers, direction, kernel, choice, verdict, timing, gflops, gigabytes, share, plain } = row;
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
    ]);
  }
  return table.toString();
}
