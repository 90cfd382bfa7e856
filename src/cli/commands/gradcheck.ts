import { z } from 'zod';
import type { Denormals } from '../../check/denormals.ts';
import type { KernelRow } from '../../check/kernel-rows.ts';
import { FrostlineError } from '../../errors.ts';
import type { Gpu, Limits } from '../../gpu/device.ts';
import type { GradcheckReport } from '../../graph/gradcheck.ts';
import { adapterOption, openAdapter } from '../adapter.ts';
import { type Context, defineCommand } from '../command.ts';

/** What was checked under one name: an operation with its cases, or a model. */
interface GradientRow {
  readonly name: string;
  readonly cases: number;
  /** inputs and samples that were compared, and samples left out for a kink */
  readonly samples: number;
  readonly kinks: number;
  readonly maxAbsoluteError: number;
  /** the largest error in units of what is allowed */
  readonly worstRatio: number;
  readonly tolerance: { readonly atol: number; readonly rtol: number };
  readonly failures: readonly Failure[];
}

interface Failure {
  readonly seed: number;
  /** shapes and options */
  readonly case: string;
  readonly problem: string;
}

type Part = 'kernels' | 'ops' | 'models';
type Row = ({ readonly part: 'kernels' } & KernelRow) | ({ readonly part: 'ops' | 'models' } & GradientRow);

/** Work that gives rows. */
interface Job {
  readonly part: Part;
  /** what the filter is compared with; a family of kernels has several */
  readonly names: readonly string[];
  /** random cases unless --cases says otherwise */
  readonly cases: number;
  run(names: readonly string[], range: { seed: number; count: number }): Promise<Row[]>;
}

export const command = defineCommand({
  description:
    'Checks what the adapter computes. kernels: every kernel in every variant and configuration that the adapter runs, chosen or not, against float64 references, whose own derivatives are checked by differences; ops: what backward computes against differences of forward, by single elements and by directions, for each operation, each algorithm of a convolution and graphs that branch; models: the small AlexNet, AlexNet and VGG16 at small width, by directions over each parameter. Cases are random: shapes, and for kernels values from 1e-30 to 1e30, denormals, both zeros and infinities. Those with odd seeds run under small limits, so that dispatches fold and, for ops, what passes a binding of some kilobytes is worked on in windows. Every case runs twice and must give the same bits. Exits with 1 where a check fails.',
  arguments: z.object({
    part: z.enum(['kernels', 'ops', 'models']).optional().describe('what to check; all where it is left out'),
  }),
  options: z.object({
    filter: z
      .string()
      .optional()
      .describe(
        'only kernels, operations and models of this name, or with this in it; leaky-relu and leakyRelu are one',
      ),
    seed: z.int().min(0).default(1).describe('of the first case; the next ones count up'),
    cases: z
      .int()
      .min(1)
      .optional()
      .describe('random cases a kernel (50), an operation (20) and an algorithm (4), and draws a model (1)'),
    adapter: adapterOption,
  }),
  json: true,
  examples: [
    { what: 'everything', line: '' },
    { what: 'one kernel thoroughly, in all its variants', line: 'kernels --filter conv2d/forward --cases 1000' },
    { what: 'one operation thoroughly', line: 'ops --filter conv2d --cases 500' },
    { what: 'for another program', line: 'models --json' },
  ],
  async run({ part, filter, seed, cases, adapter }, context) {
    const gpu = await openAdapter(adapter, context);
    const jobs = [
      ...(await kernelJobs(gpu, adapter, context)),
      ...(await operationJobs(gpu, adapter, context)),
      ...(await modelJobs(gpu, context)),
    ].filter((job) => part === undefined || job.part === part);
    const rows: Row[] = [];
    for (const { job, names } of choose(jobs, filter)) {
      if (context.signal.aborted) return;
      const found = await job.run(names, { seed, count: cases ?? job.cases });
      rows.push(...found);
      for (const row of found) for (const failure of row.failures) report(row, failure, adapter, context);
    }
    const { probeDenormals } = await import('../../check/denormals.ts');
    const denormals = await probeDenormals(gpu);
    if (context.json) return context.printJson({ adapter: gpu.name, kind: gpu.kind, denormals, seed, rows });
    const kernels = rows.filter((row) => row.part === 'kernels');
    const gradients = rows.filter((row) => row.part !== 'kernels');
    if (kernels.length > 0) context.print(await kernelTable(kernels, denormals));
    if (gradients.length > 0) context.print(await gradientTable(gradients));
  },
});

function report({ part, name }: Row, failure: Failure, adapter: string | undefined, context: Context): void {
  context.checkFailed(`${name}, seed ${failure.seed}: ${failure.case}\n${failure.problem}`);
  const line = `frostline gradcheck ${part} --filter ${name} --seed ${failure.seed} --cases 1`;
  context.note(`repeat it with: ${line}${adapter === undefined ? '' : ` --adapter '${adapter}'`}`);
}

/** The device for a seed: every other one's has small limits. It is opened when first asked for. */
function alternating(gpu: Gpu, adapter: string | undefined, limits: Partial<Limits>, context: Context) {
  let opened: Promise<Gpu> | undefined;
  return async () => {
    const { Gpu } = await import('../../gpu/device.ts');
    if (opened === undefined) {
      opened = Gpu.open({ adapter, limits });
      const first = await opened;
      context.defer(() => first.destroy());
    }
    const small = await opened;
    return (seed: number) => (seed % 2 === 0 ? gpu : small);
  };
}

async function kernelJobs(gpu: Gpu, adapter: string | undefined, context: Context): Promise<Job[]> {
  const [{ kernelFamilies }, { kernelRows }, { FOLDING }] = await Promise.all([
    import('../../operators/all.ts'),
    import('../../check/kernel-rows.ts'),
    import('../../check/choose.ts'),
  ]);
  const devices = alternating(gpu, adapter, FOLDING, context);
  return kernelFamilies.map((family) => ({
    part: 'kernels',
    names: family.names,
    cases: 50,
    async run(names, range) {
      const rows = await kernelRows(await devices(), family, { names, ...range, signal: context.signal });
      return rows.map((row) => ({ part: 'kernels', ...row }));
    },
  }));
}

async function operationJobs(gpu: Gpu, adapter: string | undefined, context: Context): Promise<Job[]> {
  const [{ gradcheck }, { drawCase, describeCase }, { operationCases }, ofAlgorithms, { largeCases }] =
    await Promise.all([
      import('../../graph/gradcheck.ts'),
      import('../../graph/operation-case.ts'),
      import('../../operators/all.ts'),
      import('../../operators/gradcheck-cases.ts'),
      import('../../operators/gradcheck-large.ts'),
    ]);
  // 960 values a binding: windows of images, of filters, of both.
  const devices = alternating(gpu, adapter, { maxBinding: 4096, maxWorkgroups: 7 }, context);
  const { Gpu } = await import('../../gpu/device.ts');
  const told = (operator: string, algorithm: string, kind: 'hardware' | undefined) => async () => {
    const opened = await Gpu.open({ adapter, kind, algorithms: { [operator]: algorithm } });
    context.defer(() => opened.destroy());
    return () => opened;
  };
  // Every other large case with the kernels that GPUs get.
  let asGpu: Promise<Gpu> | undefined;
  const eitherKind = async () => {
    if (asGpu === undefined) {
      asGpu = Gpu.open({ adapter, kind: 'hardware' });
      const opened = await asGpu;
      context.defer(() => opened.destroy());
    }
    const hardware = await asGpu;
    return (seed: number) => (seed % 2 === 0 ? gpu : hardware);
  };
  const families = [
    ...[...operationCases, ofAlgorithms.branchingCases].map((family) => ({ family, open: devices, cases: 20 })),
    ...largeCases.map((family) => ({ family, open: eitherKind, cases: 10 })),
    ...ofAlgorithms.algorithmCases.map(({ operator, algorithm, kind, cases }) => ({
      family: cases,
      open: told(operator, algorithm, kind),
      cases: 4,
    })),
  ];
  return families.map(({ family, open, cases }) => ({
    part: 'ops',
    names: [family.operation],
    cases,
    async run([name], range) {
      const deviceOf = await open();
      const row = await gradientRow(name, range, context.signal, async (seed) => {
        const drawn = drawCase(family, seed);
        const options = { seed, raiseException: false };
        return {
          report: await gradcheck(deviceOf(seed), drawn.build, drawn.inputs, options),
          description: describeCase(drawn),
        };
      });
      return [{ part: 'ops', ...row }];
    },
  }));
}

async function modelJobs(gpu: Gpu, context: Context): Promise<Job[]> {
  const { checkedModels, gradcheckNetwork } = await import('../../models/gradcheck.ts');
  return [...checkedModels].map(([model, make]) => ({
    part: 'models',
    names: [model],
    cases: 1,
    async run([name], range) {
      const row = await gradientRow(name, range, context.signal, async (seed) => ({
        report: await gradcheckNetwork(gpu, make(seed), { seed, raiseException: false }),
        description: name,
      }));
      return [{ part: 'models', ...row }];
    },
  }));
}

const spelled = (name: string) => name.toLowerCase().replaceAll('-', '');

/**
 * The jobs whose names the filter finds, and which of their names it finds. Within a part exact names go before parts of
 * names: `relu` is the operation of that name, not another with this in it, and the kernels that begin with it. Kernels are
 * called by their folder, `leaky-relu`, operations by their kind, `leakyRelu`: either word finds both.
 */
function choose(jobs: readonly Job[], filter: string | undefined) {
  const chosen = (part: readonly Job[], test: (name: string) => boolean) =>
    part.map((job) => ({ job, names: job.names.filter(test) })).filter(({ names }) => names.length > 0);
  if (filter === undefined) return chosen(jobs, () => true);
  const found = [...new Set(jobs.map(({ part }) => part))].flatMap((part) => {
    const own = jobs.filter((job) => job.part === part);
    const exact = chosen(own, (name) => spelled(name) === spelled(filter));
    return exact.length > 0 ? exact : chosen(own, (name) => spelled(name).includes(spelled(filter)));
  });
  if (found.length > 0) return found;
  const all = jobs.flatMap(({ names }) => names);
  throw new FrostlineError(`--filter: nothing is called '${filter}'; there are ${all.join(', ')}`);
}

async function gradientRow(
  name: string,
  { seed, count }: { seed: number; count: number },
  signal: AbortSignal,
  check: (seed: number) => Promise<{ report: GradcheckReport; description: string }>,
): Promise<GradientRow> {
  const reports: GradcheckReport[] = [];
  const failures: Failure[] = [];
  for (let i = 0; i < count && !signal.aborted; i++) {
    const { report, description } = await check(seed + i);
    reports.push(report);
    if (!report.passed) failures.push({ seed: seed + i, case: description, problem: report.problems.join('\n') });
  }
  const inputs = reports.flatMap((report) => report.inputs);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const largest = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), 0);
  return {
    name,
    cases: reports.length,
    samples: sum(inputs.map(({ samples }) => samples)),
    kinks: sum(inputs.map(({ kinks }) => kinks)),
    maxAbsoluteError: largest(inputs.map(({ maxAbsoluteError }) => maxAbsoluteError)),
    worstRatio: largest(inputs.map(({ worst }) => worst?.ratio ?? 0)),
    tolerance: { atol: reports[0]?.atol ?? 0, rtol: reports[0]?.rtol ?? 0 },
    failures,
  };
}

const verdict = (failures: readonly Failure[]) =>
  failures.length === 0 ? 'passed' : `${new Set(failures.map(({ seed }) => seed)).size} failed`;

/** Errors in units of 2^-24 of the sum of the terms' sizes. */
async function kernelTable(rows: readonly KernelRow[], { read, written }: Denormals): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: ['kernel', 'variant', 'texts', 'cases', 'error', 'allowed', 'reference', ''],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, variant, configurations, cases, error, units, reference, failures } of rows) {
    table.push([
      name,
      variant,
      configurations,
      cases,
      error === 0 ? '0' : error.toPrecision(3),
      units === 0 ? 'exact' : units.toPrecision(3),
      reference === undefined
        ? ''
        : reference.error.toExponential(1) + (reference.kinks > 0 ? `, ${reference.kinks} kinks` : ''),
      verdict(failures),
    ]);
  }
  const notRun = rows.flatMap(({ name, notRun = [] }) => notRun.map((variant) => `${name} ${variant}`));
  const keeps = (kept: boolean) => (kept ? 'kept' : 'taken for 0');
  return [
    table.toString(),
    "error, allowed: of the result nearest to its bound, in units of 2^-24 of the sum of its terms' sizes",
    'reference: float64 derivative against float64 differences, relative; directions left out for a kink',
    ...(notRun.length === 0
      ? []
      : [`not run, as the adapter lacks what they need or no shape was drawn that they compute: ${notRun.join(', ')}`]),
    `denormals on this adapter: ${keeps(read)} as operands, ${keeps(written)} as results; both are allowed`,
  ].join('\n');
}

async function gradientTable(rows: readonly (GradientRow & { part: string })[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: ['', '', 'cases', 'samples', 'kinks', 'largest error', 'of what is allowed', 'atol + rtol', ''],
    colAligns: ['left', 'left', ...new Array<'right'>(6).fill('right'), 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    table.push([
      row.part,
      row.name,
      row.cases,
      row.samples,
      row.kinks,
      row.maxAbsoluteError.toExponential(1),
      `${(100 * row.worstRatio).toPrecision(2)} %`,
      `${row.tolerance.atol} + ${row.tolerance.rtol}`,
      verdict(row.failures),
    ]);
  }
  return table.toString();
}
