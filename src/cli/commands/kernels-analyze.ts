import { z } from 'zod';
import type { AccessReport } from '../../bench/analysis/accesses.ts';
import type { MachineCode } from '../../bench/analysis/machine-code.ts';
import { FrostlineError } from '../../errors.ts';
import { machines } from '../../gpu/machine.ts';
import type { KernelDispatch } from '../../kernels/kernel.ts';
import type { ModelTime } from '../../kernels/time-model.ts';
import { openAdapter, precisionOption } from '../adapter.ts';
import { checkStep, networkMaker, networkNames } from '../bench-options.ts';
import { defineCommand } from '../command.ts';
import { nearestHint } from '../nearest.ts';
import { checkNames, floatsText, hasAll, pairsOf } from '../run-parameters.ts';

const adapters = machines.map(({ name }) => name) as [string, ...string[]];

interface Analysis {
  readonly dispatch: KernelDispatch;
  readonly time: ModelTime;
  readonly accesses: AccessReport;
  readonly machineCode?: MachineCode;
}

export const command = defineCommand({
  description:
    "Prints what a kernel's threads do to memory, counted from the indices that they use in three workgroups run here: sectors of 32 bytes for each access of a warp, and turns that bank conflicts cost in workgroup memory. Beside it the cost, the model's time, and on Linux with Mesa's radv the machine code's counts for an AMD GPU that need not be there. The variant is the one that --as plans at the network's shapes.",
  arguments: z.object({ name: z.string().describe("as 'frostline kernels plan' names them") }),
  options: z.object({
    network: z.enum(networkNames).default('alexnet').describe('whose shapes'),
    batch: z.int().min(1).default(10).describe('images a batch'),
    step: z.string().default('none').meta({ valueName: 'POINT' }).describe("as of 'kernels plan'"),
    as: z.enum(adapters).default('h100').describe('the adapter whose plan is taken'),
    precision: precisionOption,
    shape: z
      .string()
      .optional()
      .meta({ valueName: 'TEXT' })
      .describe(
        "only dispatches with these parameters, as 'kernels plan --json' prints shapes: 'rows 256', 'plane 3025 beta=0.75'",
      ),
    family: z
      .string()
      .default('navi31')
      .meta({ valueName: 'NAME' })
      .describe(
        'the AMD GPU of the machine code, as Mesa names it: navi31, navi21, vega10, ...; it tells an unknown one',
      ),
    adapter: z.string().optional().meta({ valueName: 'NAME' }).describe('the adapter here that runs the workgroups'),
  }),
  json: true,
  examples: [
    { what: 'the fully connected layers', line: 'linear/forward' },
    { what: 'one shape, as an integrated GPU would run it', line: "contraction --as xe --shape 'rows 192'" },
  ],
  async run({ name, network, batch, step, as, precision, shape, family, adapter }, context) {
    const [{ plannedGpu }, { planDispatches }, { machineOf }, { modelTime }] = await Promise.all([
      import('../../gpu/planned.ts'),
      import('../../bench/plan.ts'),
      import('../../gpu/machine.ts'),
      import('../../kernels/time-model.ts'),
    ]);
    const planned = plannedGpu(as, { precision });
    const made = (await networkMaker(network))();
    await checkStep(made, step);
    const all = planDispatches(planned, made, batch, step);
    const named = all.filter(({ kernel }) => kernel.name === name);
    if (named.length === 0) throw await unknownKernel(name, all, `${network}'s step on ${as}`);
    const chosen = shape === undefined ? named : withParameters(named, shape);
    const distinct = [...new Map(chosen.map((one) => [`${one.label} ${parametersText(one)}`, one])).values()];
    const [{ countAccesses }, { machineCode, missingForMachineCode }] = await Promise.all([
      import('../../bench/analysis/accesses.ts'),
      import('../../bench/analysis/machine-code.ts'),
    ]);
    const missing = missingForMachineCode();
    if (missing !== undefined) context.note(`no machine code: it needs ${missing}`);
    // Its texts have halves: an adapter here that has none is refused by name.
    const gpu = await openAdapter(adapter, context, undefined, precision);
    const found: Analysis[] = [];
    for (const dispatch of distinct) {
      context.signal.throwIfAborted();
      const one: Analysis = {
        dispatch,
        time: modelTime(dispatch, planned, machineOf(planned)),
        accesses: await countAccesses(gpu, dispatch),
        ...(missing === undefined && { machineCode: machineCode(dispatch.source, family) }),
      };
      found.push(one);
      if (!context.json) context.print(await describe(one));
    }
    if (context.json) context.printJson(found.map(toJson));
  },
});

/** A kernel that a step does not run, by the name that it runs under, or the nearest. */
async function unknownKernel(name: string, all: readonly KernelDispatch[], step: string): Promise<FrostlineError> {
  const { contractionUses } = await import('../../kernels/contraction/uses.ts');
  const known = [...new Set(all.map(({ kernel }) => kernel.name))];
  const hint = contractionUses.some((use) => use.name === name)
    ? "where it is not computed otherwise, it runs as 'contraction'"
    : nearestHint(name, known);
  const rest = hint.startsWith('known are') ? '' : `; it has ${known.join(', ')}`;
  return new FrostlineError(`${step} has no kernel '${name}'; ${hint}${rest}`);
}

/** All parameters of a run: its shape, and what scales its values. */
const parametersText = ({ kernel, params }: KernelDispatch) =>
  [kernel.shape(params), floatsText(kernel, params)].filter((text) => text !== '').join(' ');

/** @throws FrostlineError where no run has them */
function withParameters(runs: readonly KernelDispatch[], text: string): KernelDispatch[] {
  const [{ kernel }] = runs;
  const given = pairsOf('--shape', text);
  checkNames(kernel, given);
  const chosen = runs.filter((run) => hasAll(run, given));
  if (chosen.length > 0) return chosen;
  const known = [...new Set(runs.map(parametersText))];
  throw new FrostlineError(`--shape: no run of ${kernel.name} has '${text}'. They are:\n${known.join('\n')}`);
}

function toJson({ dispatch, time, accesses, machineCode }: Analysis) {
  const { kernel, params, choice, workgroups } = dispatch;
  const { code: _, ...counts } = machineCode ?? { code: '' };
  return {
    kernel: kernel.name,
    ...choice,
    shape: kernel.shape(params),
    params,
    workgroups,
    ...dispatch.cost,
    ms: time.milliseconds,
    bound: time.bound,
    accesses,
    ...(machineCode !== undefined && { machineCode: counts }),
  };
}

async function describe({ dispatch, time, accesses, machineCode }: Analysis): Promise<string> {
  const [{ choiceText }, { default: Table }] = await Promise.all([
    import('../../kernels/kernel.ts'),
    import('cli-table3'),
  ]);
  const { kernel, choice, workgroups } = dispatch;
  const { flops, bytes } = dispatch.cost;
  const table = new Table({
    head: ['array', 'memory', 'access', 'bytes', 'a workgroup', 'of a warp', 'at least'],
    colAligns: ['left', 'left', 'left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of accesses.rows) {
    const [of, least] = row.sectors
      ? [`${row.sectors.touched.toFixed(1)} sectors`, row.sectors.fewest]
      : [`${row.turns!.taken.toFixed(1)} turns`, row.turns!.fewest];
    const memory = row.space === 'storage' ? 'global' : 'workgroup';
    table.push([row.array, memory, row.kind, row.bytes, row.accesses.toFixed(0), of, least.toFixed(1)]);
  }
  const lines = [
    `${kernel.name} ${choiceText(choice)}`,
    `  ${parametersText(dispatch)}`,
    `  ${workgroups} workgroups; ${(flops / 1e9).toPrecision(3)} GFLOP, ${(bytes / 2 ** 20).toPrecision(3)} MiB at least; ` +
      `${time.milliseconds.toPrecision(3)} ms by the model, bound by ${time.bound}`,
    `  ${accesses.sectors.toFixed(2)} times the fewest sectors, ${accesses.turns.toFixed(2)} times the fewest turns`,
  ];
  if (machineCode !== undefined) {
    const { family, registers, spilled, scratch, subgroups, workgroupMemory, multiplyAddsPerLoad } = machineCode;
    const perLoad = Number.isFinite(multiplyAddsPerLoad)
      ? `${multiplyAddsPerLoad.toFixed(1)} multiply-adds a load from workgroup memory`
      : 'no load from workgroup memory in the innermost loop';
    lines.push(
      `  ${family}: ${registers} VGPRs, ${spilled} spilled, ${scratch} bytes of scratch, ${subgroups} subgroups a SIMD, ` +
        `${workgroupMemory} bytes of workgroup memory; ${perLoad}`,
    );
  }
  return `${lines.join('\n')}\n${table}\n`;
}
