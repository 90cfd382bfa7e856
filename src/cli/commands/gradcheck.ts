import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import type { GradcheckReport } from '../../graph/gradcheck.ts';
import { defineCommand } from '../command.ts';

/** What was checked under one name: an operation with its cases, or a model. */
interface Row {
  readonly part: 'ops' | 'models';
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
  readonly problems: readonly string[];
  /** the command that repeats this case alone */
  readonly repeat: string;
}

interface Job {
  readonly part: Row['part'];
  readonly name: string;
  readonly cases: number;
  check(seed: number): Promise<{ report: GradcheckReport; description: string }>;
}

export const command = defineCommand({
  description:
    'Checks every derivative on the adapter: what backward computes against differences of forward. ops: every operation on random shapes, by single elements and by directions; models: AlexNet, the small AlexNet and VGG16 at small width, by directions over each parameter. Every case runs twice and must give the same bits. Exits with 1 where a check fails.',
  arguments: z.object({
    part: z.enum(['ops', 'models']).optional().describe('what to check; both where it is left out'),
  }),
  options: z.object({
    filter: z.string().optional().describe('only operations and models of this name, or with this in their name'),
    seed: z.int().min(0).default(1).describe('of the first case; the next ones count up'),
    cases: z.int().min(1).optional().describe('random cases an operation (20) and draws a model (1)'),
    adapter: z.string().optional().describe("auto, hardware, software, embedded, or part of an adapter's name"),
  }),
  json: true,
  examples: [
    { what: 'everything', line: '' },
    { what: 'one operation thoroughly', line: 'ops --filter conv2d --cases 500' },
    { what: 'for another program', line: 'models --json' },
  ],
  async run({ part, filter, seed, cases, adapter }, context) {
    const [{ Gpu }, { gradcheck }, operations, models] = await Promise.all([
      import('../../gpu/device.ts'),
      import('../../graph/gradcheck.ts'),
      import('../../graph/cases.ts'),
      import('../../models/gradcheck.ts'),
    ]);
    const gpu = await Gpu.open({ adapter });
    context.defer(() => gpu.destroy());
    const jobs: Job[] = [
      ...operations.operationCases.map((family) => ({
        part: 'ops' as const,
        name: family.operation,
        cases: cases ?? 20,
        async check(caseSeed: number) {
          const drawn = operations.drawCase(family, caseSeed);
          const report = await gradcheck(gpu, drawn.build, drawn.inputs, { seed: caseSeed, raiseException: false });
          return { report, description: operations.describeCase(drawn) };
        },
      })),
      ...[...models.checkedModels].map(([name, make]) => ({
        part: 'models' as const,
        name,
        cases: cases ?? 1,
        async check(caseSeed: number) {
          const options = { seed: caseSeed, raiseException: false };
          return { report: await models.gradcheckNetwork(gpu, make(caseSeed), options), description: name };
        },
      })),
    ];
    const chosen = choose(jobs, part, filter);
    context.note(`checking on ${gpu.describe()}`);
    const rows: Row[] = [];
    for (const job of chosen) {
      const row = await runJob(job, seed, context.signal);
      rows.push(row);
      for (const failure of row.failures) {
        context.checkFailed(`${job.name}, seed ${failure.seed}: ${failure.case}\n${failure.problems.join('\n')}`);
        context.note(`repeat it with: ${failure.repeat}`);
      }
      if (context.signal.aborted) return;
    }
    if (context.json) return context.printJson({ adapter: gpu.name, kind: gpu.kind, seed, rows });
    context.print(await tableOf(rows));
  },
});

function choose(jobs: readonly Job[], part: string | undefined, filter: string | undefined): readonly Job[] {
  const inPart = jobs.filter((job) => part === undefined || job.part === part);
  if (filter === undefined) return inPart;
  const exact = inPart.filter(({ name }) => name === filter);
  const found = exact.length > 0 ? exact : inPart.filter(({ name }) => name.includes(filter));
  if (found.length > 0) return found;
  throw new FrostlineError(
    `--filter: nothing is called '${filter}'; there are ${inPart.map(({ name }) => name).join(', ')}`,
  );
}

async function runJob({ part, name, cases, check }: Job, seed: number, signal: AbortSignal): Promise<Row> {
  const reports: GradcheckReport[] = [];
  const failures: Failure[] = [];
  for (let i = 0; i < cases && !signal.aborted; i++) {
    const { report, description } = await check(seed + i);
    reports.push(report);
    if (report.passed) continue;
    const repeat = `frostline gradcheck ${part} --filter ${name} --seed ${seed + i} --cases 1`;
    failures.push({ seed: seed + i, case: description, problems: report.problems, repeat });
  }
  const inputs = reports.flatMap((report) => report.inputs);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  return {
    part,
    name,
    cases: reports.length,
    samples: sum(inputs.map(({ samples }) => samples)),
    kinks: sum(inputs.map(({ kinks }) => kinks)),
    maxAbsoluteError: Math.max(0, ...inputs.map(({ maxAbsoluteError }) => maxAbsoluteError)),
    worstRatio: Math.max(0, ...inputs.map(({ worst }) => worst?.ratio ?? 0)),
    tolerance: { atol: reports[0]?.atol ?? 0, rtol: reports[0]?.rtol ?? 0 },
    failures,
  };
}

async function tableOf(rows: readonly Row[]): Promise<string> {
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
      row.failures.length === 0 ? 'passed' : `${row.failures.length} failed`,
    ]);
  }
  return table.toString();
}
