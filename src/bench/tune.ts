/**
 * Tuning of kernels: every candidate for a run (the variants and configurations that the adapter runs) is checked against
 * the plain variant; the right ones race (./race.ts), each timed the same way, in turns; the quickest is kept with all
 * measurements in the adapter's table (gpu/tuning.ts), from which `Kernel.best` takes it in every later process.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Dispatch } from '../gpu/program.ts';
import type { View } from '../gpu/storage.ts';
import type { Measurement, TunedShape } from '../gpu/tuning.ts';
import { type Choice, type Kernel, type KernelDispatch, sameChoice } from '../kernels/kernel.ts';
import type { LayerCase } from './layer-cases.ts';
import { OperandSets } from './operand-sets.ts';
import { HOPELESS, keeps, type RaceOptions, race } from './race.ts';
import { Stopwatch } from './time-dispatch.ts';
import { CaseBuffers, Oracle } from './verify.ts';

/** One shape of a kernel that has candidates to choose from. */
export interface TuneCase extends Pick<LayerCase, 'kernel' | 'params' | 'views'> {
  readonly shape: string;
  /** what the runs write: a layer's output, 'gradient of conv2.weight' ... */
  readonly writes: readonly string[];
}

/** Operations up to which the plain variant runs as oracle: a second or two, once a shape. */
const AFFORDABLE = { hardware: 2e12, software: 4e9, embedded: 4e8 } as const;
/** The shapes of these dispatches with more than one candidate, each once, in their order. */
export function tuneCases(gpu: Gpu, dispatches: readonly Dispatch[]): TuneCase[] {
  const found = new Map<string, TuneCase & { writes: string[] }>();
  for (const { kernel, params, bindings } of dispatches.filter(isKernelDispatch)) {
    if (kernel.choices(gpu, params).length < 2) continue;
    const names = Object.keys(kernel.bindings);
    const writes = bindings.find(({ access }) => access === 'write')!.view.storage.label;
    const shape = kernel.shape(params);
    const known = found.get(`${kernel.name} ${shape}`);
    if (known === undefined) {
      const views = Object.fromEntries(names.map((name, i): [string, View] => [name, bindings[i].view]));
      found.set(`${kernel.name} ${shape}`, { kernel, params, views, shape, writes: [writes] });
    } else if (!known.writes.includes(writes)) known.writes.push(writes);
  }
  return [...found.values()];
}

function isKernelDispatch(dispatch: Dispatch): dispatch is KernelDispatch {
  return 'kernel' in dispatch;
}

/** What a case is called in tables and filters. */
export const tuneName = ({ kernel, writes }: Pick<TuneCase, 'kernel' | 'writes'>) =>
  `${kernel.name} ${writes.join(', ')}`;

/** The table's result for a case, or nothing where it must be measured. */
export function measuredBefore(gpu: Gpu, { kernel, shape }: TuneCase): TunedShape | undefined {
  return gpu.tuning?.measured(kernel.name, kernel.textHash, shape);
}

/**
 * Checks and races every candidate, on values in [-1, 1). A wrong one is never chosen; if none is right, the plain variant
 * is. Keeps the result in the adapter's table.
 */
export async function tuneCase(gpu: Gpu, one: TuneCase, options: RaceOptions): Promise<TunedShape> {
  const { kernel, params, shape } = one;
  const buffers = new CaseBuffers(gpu, one);
  const sets = new OperandSets(gpu);
  const entrants: { readonly choice: Choice; readonly watch: Stopwatch }[] = [];
  try {
    const oracle = await Oracle.of(gpu, one, buffers, AFFORDABLE[gpu.kind]);
    const measurements: Measurement[] = [];
    let least = Number.POSITIVE_INFINITY;
    for (const choice of candidates(gpu, one)) {
      if (!isPlain(kernel, choice)) {
        const { passed, worst } = await oracle.check(choice);
        if (!passed) {
          // JSON knows no NaN.
          measurements.push({ ...choice, wrong: Number.isFinite(worst) ? worst : Number.MAX_VALUE });
          continue;
        }
      } else if (!oracle.plainRan) {
        // What takes so long is no candidate: a driver might take it for a hang.
        measurements.push(choice);
        continue;
      }
      const watch = await Stopwatch.of(gpu, [kernel.dispatch(gpu, params, oracle.scratch, choice)], sets);
      if (watch.first > HOPELESS * least) {
        measurements.push({ ...choice, milliseconds: watch.first, rounds: 1 });
        watch.destroy();
        continue;
      }
      least = Math.min(least, watch.first);
      entrants.push({ choice, watch });
    }
    const { choice, settled } = await raced(kernel, kernel.estimated(gpu, params), entrants, options, measurements);
    const result = { choice, date: new Date().toISOString(), settled, measurements };
    await gpu.tuning?.record(kernel.name, kernel.textHash(), shape, result);
    return result;
  } finally {
    for (const { watch } of entrants) watch.destroy();
    sets.release();
    buffers.release();
  }
}

/** The estimate's choice first, the plain variant last. */
export function ranked(kernel: Kernel, choices: readonly Choice[], estimated: Choice): Choice[] {
  const rank = (choice: Choice) => (isPlain(kernel, choice) ? 2 : sameChoice(choice, estimated) ? 0 : 1);
  return choices.toSorted((one, other) => rank(one) - rank(other));
}

const candidates = (gpu: Gpu, { kernel, params }: TuneCase): Choice[] =>
  ranked(kernel, kernel.choices(gpu, params), kernel.estimated(gpu, params));

const isPlain = (kernel: Kernel, { variant }: Choice) => variant === kernel.variants[0].name;

/** The quickest; the estimate's choice where nothing is quicker beyond noise, which must not add pipelines. */
export async function raced(
  kernel: Kernel,
  estimated: Choice,
  entrants: readonly { readonly choice: Choice; readonly watch: Stopwatch }[],
  options: RaceOptions,
  measurements: Measurement[],
): Promise<{ choice: Choice; settled: boolean }> {
  if (entrants.length === 0) {
    const { name: variant, configurations } = kernel.variants[0];
    return { choice: { variant, configuration: configurations[0] }, settled: true };
  }
  const { order, settled } = await race(
    entrants.map(
      ({ watch }) =>
        () =>
          watch.sample(),
    ),
    options,
  );
  for (const { index, timing } of order) {
    const { median: milliseconds, spread, samples: rounds } = timing;
    measurements.push({ ...entrants[index].choice, milliseconds, spread, rounds });
  }
  const usual = order.find(({ index }) => sameChoice(entrants[index].choice, estimated));
  return { choice: entrants[(usual !== undefined && keeps(usual) ? usual : order[0]).index].choice, settled };
}
