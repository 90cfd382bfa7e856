import { z } from 'zod';
import { FrostlineError, withoutNote } from '../../errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import type { Machine, MachineReport } from '../../gpu/machine.ts';
import { frostlineVersion } from '../../version.ts';
import { adapterOption, openAdapter } from '../adapter.ts';
import type { Context } from '../command.ts';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    'Says which adapter frostline finds and what it can do, checks a matrix product on it against double precision on the host, times it, and tells what to do if something is wrong. Exits with 1 when there is no adapter or it computes wrongly.',
  options: z.object({
    adapter: adapterOption,
    probe: z
      .boolean()
      .default(false)
      .describe(
        'probe now, whatever the adapter is, for half a second, what it can do at once; of a GPU the reading is kept, and replaces that of its first opening',
      ),
  }),
  json: true,
  examples: [
    { what: 'the adapter that other commands take', line: '' },
    { what: 'the driver that comes with the package', line: '--adapter embedded' },
    { what: 'measure again what a GPU can do at once', line: '--probe' },
  ],
  async run({ adapter: wish, probe }, context) {
    const [{ advise, readSituation }, { adapterDetails }, { webgpuVersion }] = await Promise.all([
      import('../../gpu/advice.ts'),
      import('../../gpu/details.ts'),
      import('../../gpu/node.ts'),
    ]);
    const versions = {
      frostline: frostlineVersion,
      webgpu: webgpuVersion(),
      node: process.version,
      system: `${process.platform} ${process.arch}`,
    };
    const { adaptersByIndex } = await import('../../gpu/adapter.ts');
    const adapters = Object.fromEntries([...(await adaptersByIndex())].map(([index, { name }]) => [index, name]));
    if (!context.json) {
      context.print(pairs(versions));
      if (Object.keys(adapters).length > 0) context.print(pairs(adapters));
    }
    // What is probed below is not probed at the opening too.
    const gpu = await openAdapter(wish, probe ? { ...context, deviceProbe: false } : context).catch(
      (error: unknown) => {
        if (error instanceof FrostlineError) return error;
        throw error;
      },
    );
    if (gpu instanceof FrostlineError) {
      const advice = advise(readSituation(wish));
      if (context.json)
        context.printJson({
          versions,
          adapters,
          adapter: null,
          problem: withoutNote(gpu.message),
          advice,
          passed: false,
        });
      else printAdvice(advice, context);
      return context.checkFailed(`no adapter: ${withoutNote(gpu.message)}`);
    }

    const adapter = adapterDetails(gpu);
    const { name, kind, vendor, architecture, device, driver, subgroupSizes, features, limits } = adapter;
    const subgroups = subgroupSizes === undefined ? 'not known' : [...new Set(subgroupSizes)].join(' to ');
    if (!context.json) {
      context.print(pairs({ adapter: name, kind: kinds[kind], vendor, architecture, device, driver, subgroups }));
      context.print(pairs({ features: features.join(', ') }));
      context.print(
        `limits\n${Object.entries(limits)
          .map(([limit, value]) => `  ${limit} ${value}`)
          .join('\n')}`,
      );
    }

    const machine = await describeMachine(gpu, probe);
    if (!context.json) context.print(machineLines(machine));

    const { checkMatrixProduct } = await import('../../kernels/contraction/check.ts');
    context.note('checking a matrix product ...');
    const matrixProduct = await checkMatrixProduct(gpu);
    const failed = matrixProduct.checks.filter(({ passed }) => !passed);
    const advice = advise(readSituation(wish, kind));
    if (context.json) {
      context.printJson({
        versions,
        adapters,
        adapter,
        ...machine,
        matrixProduct,
        advice,
        passed: failed.length === 0,
      });
    } else {
      await printProduct(matrixProduct, context);
      printAdvice(advice, context);
      if (failed.length === 0) context.print('all well');
    }
    if (failed.length > 0) {
      context.checkFailed(
        `${name} computes wrongly: ${failed.map(({ variant, error, tolerance }) => `variant ${variant} is off by ${error}, ${tolerance} is allowed`).join('; ')}. ` +
          'Update its driver, or use another adapter (--adapter software, --adapter embedded).',
      );
    }
  },
});

/** What the estimates take the adapter for; with a probe what it says, also of one that they do not ask of. */
async function describeMachine(gpu: Gpu, probe: boolean): Promise<Described> {
  const { machineReport, reading } = gpu;
  if (!probe) return { ...(machineReport ?? { machine: null }), probed: reading?.date ?? null };
  const { readMachine } = await import('../../gpu/probe/reading.ts');
  const taken = await gpu.probe();
  return { ...readMachine(gpu.name, taken), probed: taken.date };
}

interface Described extends Partial<Omit<MachineReport, 'machine'>> {
  readonly machine: Machine | null;
  /** when, or null */
  readonly probed: string | null;
  /** why what was probed does not count */
  readonly refused?: string;
}

const UNITS: Readonly<Record<keyof Machine, string>> = {
  multiprocessors: '',
  lanes: 'multiply-adds of a multiprocessor in a cycle',
  threads: 'threads of it that hide the latency of arithmetic',
  resident: 'threads of it that hide the latency of memory',
  cycles: 'in a millisecond',
  bytes: 'in a millisecond, read and written',
  dispatch: 'milliseconds',
};

function machineLines({ machine, origins, probed, refused }: Described): string {
  if (machine === null || origins === undefined) {
    return 'machine\n  a rasteriser in software: estimates go by what was measured of its like, --probe measures this one';
  }
  const keys = Object.keys(UNITS) as (keyof Machine)[];
  const lines = keys.map((key) => `  ${key} ${machine[key]} ${UNITS[key]}`.trimEnd().concat(`, ${origins[key]}`));
  const note = refused === undefined ? (probed ?? 'no') : `${probed}, does not count: ${refused}`;
  return ['machine', ...lines, `  probe: ${note}`].join('\n');
}

const kinds = {
  hardware: 'hardware GPU',
  software: 'software: an installed driver computes on the processor',
  embedded: 'software: the driver that comes with the package computes on the processor',
} as const;

function pairs(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key.padEnd(12)}  ${value}`)
    .join('\n');
}

function printAdvice(advice: readonly string[], context: Context): void {
  for (const line of advice) context.print(`- ${line}`);
}

async function printProduct(
  { size, checks }: Awaited<ReturnType<typeof import('../../kernels/contraction/check.ts').checkMatrixProduct>>,
  context: Context,
): Promise<void> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: ['variant', 'configuration', 'largest error', 'check', 'ms', 'GFLOP/s'],
    colAligns: ['left', 'left', 'right', 'left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { variant, configuration, error, passed, milliseconds, gflops } of checks) {
    const constants = Object.entries(configuration).map(([key, value]) => `${key} ${value}`);
    const verdict = passed ? 'right' : 'WRONG';
    table.push([
      variant,
      constants.join(', '),
      error.toExponential(1),
      verdict,
      milliseconds.toFixed(2),
      gflops.toFixed(1),
    ]);
  }
  context.print(`matrix product, ${size} x ${size} by ${size} x ${size}, against double precision on the host`);
  context.print(table.toString());
}
