/**
 * Tuning: every candidate for a kernel run (the variants and configurations that the adapter runs) is checked against
 * the plain variant, then timed; the fastest right one is kept with all measurements in the adapter's table
 * (gpu/tuning.ts), from which `Kernel.best` takes it in every later process.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Dispatch } from '../gpu/program.ts';
import type { View } from '../gpu/storage.ts';
import type { Measurement, TunedShape } from '../gpu/tuning.ts';
import { type Choice, type Kernel, type KernelDispatch, sameChoice } from '../kernels/kernel.ts';
import type { LayerCase } from './layer-cases.ts';
import type { Sampling } from './sample.ts';
import { timeDispatch } from './time-dispatch.ts';
import { CaseBuffers, Oracle } from './verify.ts';

/** One shape of a kernel that has candidates to choose from. */
export interface TuneCase extends Pick<LayerCase, 'kernel' | 'params' | 'views'> {
  readonly shape: string;
  /** what the runs write: a layer's output, 'gradient of conv2.weight' ... */
  readonly writes: readonly string[];
}

/** Operations up to which the plain variant runs as oracle: a second or two, once a shape. */
const AFFORDABLE = { hardware: 2e12, software: 4e9, embedded: 4e8 } as const;
/** A candidate this many times slower than the fastest so far is timed by one run. */
const HOPELESS = 1.5;
/** The estimate's choice stays where nothing is faster by more than this share: noise must not add pipelines. */
const NOISE = 0.03;

export const tuneSampling: Sampling = { samples: 5, seconds: 0.3 };

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
 * Checks and times every candidate on values in [-1, 1). A wrong one is never chosen; if none is right, the plain
 * variant is. Keeps the result in the adapter's table.
 */
export async function tuneCase(gpu: Gpu, one: TuneCase, sampling: Sampling = tuneSampling): Promise<TunedShape> {
  const { kernel, params, shape } = one;
  const buffers = new CaseBuffers(gpu, one);
  try {
    const oracle = await Oracle.of(gpu, one, buffers, AFFORDABLE[gpu.kind]);
    const measurements: Measurement[] = [];
    let least = Number.POSITIVE_INFINITY;
    for (const choice of candidates(gpu, one)) {
      if (isPlain(kernel, choice)) {
        // It is the oracle itself. Where its one run was slow, that says enough.
        const { plainTime = Number.POSITIVE_INFINITY } = oracle;
        if (plainTime > 4 * least) {
          measurements.push({ ...choice, ...(oracle.plainTime !== undefined && { milliseconds: plainTime }) });
          continue;
        }
      } else {
        const { passed, worst } = await oracle.check(choice);
        if (!passed) {
          // JSON knows no NaN.
          measurements.push({ ...choice, wrong: Number.isFinite(worst) ? worst : Number.MAX_VALUE });
          continue;
        }
      }
      const dispatch = kernel.dispatch(gpu, params, oracle.scratch, choice);
      const { median, spread } = await timeDispatch(gpu, dispatch, sampling, HOPELESS * least);
      measurements.push({ ...choice, milliseconds: median, spread });
      least = Math.min(least, median);
    }
    const { variant, configuration } = fastest(one, kernel.estimated(gpu, params), measurements);
    const result = { choice: { variant, configuration }, date: new Date().toISOString(), measurements };
    await gpu.tuning?.record(kernel.name, kernel.textHash(), shape, result);
    return result;
  } finally {
    buffers.release();
  }
}

/** The estimate's choice first, for the others are measured against the fastest so far; the plain variant last. */
function candidates(gpu: Gpu, { kernel, params }: TuneCase): Choice[] {
  const estimated = kernel.estimated(gpu, params);
  const rank = (choice: Choice) => (isPlain(kernel, choice) ? 2 : sameChoice(choice, estimated) ? 0 : 1);
  return kernel.choices(gpu, params).sort((one, other) => rank(one) - rank(other));
}

const isPlain = (kernel: Kernel, { variant }: Choice) => variant === kernel.variants[0].name;

function fastest({ kernel }: TuneCase, estimated: Choice, measurements: readonly Measurement[]): Choice {
  const time = ({ milliseconds = Number.POSITIVE_INFINITY }: Measurement) => milliseconds;
  const best = measurements.reduce((one, other) => (time(other) < time(one) ? other : one));
  if (best.milliseconds === undefined) return measurements.find((choice) => isPlain(kernel, choice))!;
  const usual = measurements.find((choice) => sameChoice(choice, estimated));
  return usual !== undefined && time(usual) <= (1 + NOISE) * time(best) ? usual : best;
}
