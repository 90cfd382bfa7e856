/**
 * What algorithms say of their work, against the dispatches that they emit: every algorithm of layers that are drawn is
 * planned alone, on adapters that need not be here. Nothing runs, nothing is timed.
 *
 * The reference of a time is a roofline of these dispatches (src/kernels/time-model.ts): of what each kernel says that it
 * computes and moves, and of the machine's rates, none of which `work` reads.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type DrawnLayer, decisionsOf, drawLayers, layerName } from '../../src/bench/selection.ts';
import { FrostlineError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { knownMachine, type Machine } from '../../src/gpu/machine.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { planGraph } from '../../src/graph/compile.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { modelTime } from '../../src/kernels/time-model.ts';
import {
  type Algorithm,
  type Decided,
  decisionsIn,
  milliseconds,
  type Work,
} from '../../src/operators/algorithms/algorithm.ts';
import { decisionTrials, freshLayers } from '../../src/operators/trials.ts';
import { testSeed } from '../support/gpu.ts';

/** An algorithm of a problem: what it says, and what it emits. */
interface Planned {
  readonly layer: string;
  /** of the layer's forward pass, by its definition */
  readonly flops: number;
  readonly algorithm: Algorithm<never, never>;
  readonly works: readonly Work[];
  readonly dispatches: readonly KernelDispatch[];
}

/** The dispatches of a trial with the algorithm forced. A trial may leave out what other passes leave to this one. */
function planAlone(
  gpu: Gpu,
  { decision, problem }: Decided,
  algorithm: Algorithm<never, never>,
  drawn: DrawnLayer,
): Planned {
  const { purpose } = decision;
  // Nothing runs: values are asked for, and never looked at.
  const trial = decisionTrials
    .find((one) => one.decision.purpose === purpose)!
    .trial(problem as never, () => new Float32Array());
  gpu.algorithms.set(purpose, algorithm.name);
  try {
    let planned: ReturnType<typeof planGraph> | undefined;
    const made = decisionsIn(gpu, () => {
      planned = planGraph(gpu, trial.options);
    });
    const own = made.findLast((one) => one.decision.purpose === purpose)!;
    expect(own.selected, `${layerName(drawn)}: ${purpose}`).toMatchObject({
      by: 'force',
      algorithm: { name: algorithm.name },
    });
    const { dispatches, forwardDispatches } = planned!;
    const part =
      trial.part === 'forward' ? dispatches.slice(0, forwardDispatches) : dispatches.slice(forwardDispatches);
    return {
      layer: layerName(drawn),
      flops: drawn.layer.flops,
      algorithm,
      works: [algorithm.work(gpu, own.problem as never)].flat(),
      dispatches: part as KernelDispatch[],
    };
  } finally {
    gpu.algorithms.delete(purpose);
    for (const parameter of trial.parameters) parameter.release(gpu);
  }
}

/** By purpose and name; those that differ in a number are one. */
function planAll(gpu: Gpu): Map<string, Planned[]> {
  const found = new Map<string, Planned[]>();
  for (const fresh of freshLayers) {
    for (const drawn of drawLayers(fresh, { seed: testSeed, count: 40, gflop: 2 })) {
      for (const decided of decisionsOf(gpu, drawn.layer)) {
        const { purpose, algorithms, measured = [] } = decided.decision;
        // Of those that differ in a number, some.
        for (const algorithm of [...algorithms, ...measured.filter(({ name }) => /-[24]-/.test(name))]) {
          if (algorithm.obstacle(gpu, decided.problem as never) !== undefined) continue;
          const key = `${purpose} by ${algorithm.name.replace(/\d+/, 'N')}`;
          if (!found.has(key)) found.set(key, []);
          found.get(key)!.push(planAlone(gpu, decided, algorithm, drawn));
        }
      }
    }
  }
  return found;
}

/** The problem with each of its sizes doubled, and each of what holds or not turned round; without names. */
function neighbours(problem: object): object[] {
  return Object.entries(problem).flatMap(([key, value]): object[] => {
    // The derivative of a map before hardly matters to the time, as every text says.
    if (key === 'differentiates') return [];
    if (typeof value === 'number') return [{ ...problem, [key]: 2 * value }];
    if (typeof value === 'boolean') return [{ ...problem, [key]: !value }];
    if (Array.isArray(value))
      return value.map((one, i) => ({ ...problem, [key]: value.with(i, one === 0 ? 1 : 2 * one) }));
    if (typeof value === 'object') return neighbours(value).map((one) => ({ ...problem, [key]: one }));
    return [];
  });
}

/** Whether plans are the same, kernel by kernel. */
const planText = (list: readonly KernelDispatch[]) =>
  JSON.stringify(list.map(({ kernel, choice, params }) => [kernel.name, choice, params]));

const sumOf = <T>(list: readonly T[], of: (one: T) => number) => list.reduce((sum, one) => sum + of(one), 0);

/** What `ask` gives, or nothing where shapes do not fit. */
function whereItFits<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (error instanceof FrostlineError) return undefined;
    throw error;
  }
}

const rooflineOf = (gpu: Gpu, machine: Machine, { dispatches }: Planned) =>
  sumOf(dispatches, (one) => modelTime(one, gpu, machine).milliseconds);
const quarter = (list: readonly number[]) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 4)];

/**
 * A quarter of the layers, those that an algorithm suits best, take at most so many times as long as the roofline says.
 * Estimates for a GPU go by its rates, too; those for a rasteriser were fitted to times, and its texts reach from a fifth
 * of the peak to all of it. Either range spans a factor of ten, so that whatever is ten times too much or too little is
 * outside; over four seeds were found 0.42 to 1.01, and 0.73 to 5.3.
 */
const TIMES = { h100: [0.3, 3], lavapipe: [0.6, 6] } as const;
/** Texts for GPUs alone, which a rasteriser runs at a tenth of its peak: threads that wait for one another. */
const FOR_GPUS = { lavapipe: { algorithm: /winograd-fused$/, times: [3, 30] } } as const;

describe.each(['h100', 'lavapipe'] as const)('on %s', (adapter) => {
  const gpu = plannedGpu(adapter);
  const { machine } = knownMachine(adapter)!;
  let planned: Map<string, Planned[]>;
  beforeAll(() => {
    planned = planAll(gpu);
  }, 120_000);

  const wrong = (is: (one: Planned) => string | undefined) =>
    [...planned].flatMap(([key, list]) =>
      list.flatMap((one) => {
        const said = is(one);
        return said === undefined ? [] : [`${key} (${one.layer}): ${said}`];
      }),
    );

  it('the quickest quarter takes the time of a roofline of the dispatches, within a factor', () => {
    const ratios = [...planned].map(([key, list]) => ({
      key,
      ratio: quarter(list.map((one) => milliseconds(gpu, one.works) / rooflineOf(gpu, machine, one))),
    }));
    const timesOf = (key: string) =>
      adapter === 'lavapipe' && FOR_GPUS[adapter].algorithm.test(key) ? FOR_GPUS[adapter].times : TIMES[adapter];
    const outside = ratios.filter(({ key, ratio }) => {
      const [least, most] = timesOf(key);
      return !(ratio >= least && ratio <= most);
    });
    expect(outside).toEqual([]);
  });

  it('the arithmetic that its kernels count is that of the definition, within a factor', () => {
    const ratios = [...planned].map(([key, list]) => ({
      key,
      ratio: quarter(list.map(({ dispatches, flops }) => sumOf(dispatches, ({ cost }) => cost.flops) / flops)),
    }));
    // Tiles take down to a fourth of the products; backward of a fully connected layer is two of them.
    expect(ratios.filter(({ ratio }) => !(ratio >= 0.2 && ratio <= 3))).toEqual([]);
  });

  it('every kernel that is run is named', () => {
    expect(
      wrong(({ algorithm, dispatches }) => {
        const named = new Set(algorithm.kernels.map(({ name }) => name));
        return dispatches.find(({ kernel }) => !named.has(kernel.name))?.kernel.name;
      }),
    ).toEqual([]);
  });

  it('nothing is negative, and bytes moved between kernels are bytes that these read or write', () => {
    expect(
      wrong(({ works, dispatches }) => {
        const numbers = works.flatMap((one) => Object.entries(one));
        const negative = numbers.find(([, value]) => !(value >= 0));
        if (negative !== undefined) return negative.join(' ');
        const moved = sumOf(works, ({ movedBytes }) => movedBytes);
        const all = sumOf(dispatches, ({ cost }) => cost.bytes);
        return moved > 2 * all ? `moves ${moved} bytes of ${all}` : undefined;
      }),
    ).toEqual([]);
  });

  it('dispatches are counted: on a GPU, where they cost most, all but those that finish a sum in parts', () => {
    expect(
      wrong(({ works, dispatches: { length } }) => {
        const counted = sumOf(works, ({ dispatches }) => dispatches);
        const fits = counted <= 2 * length && (adapter === 'lavapipe' || counted >= length / 2);
        return fits ? undefined : `counts ${counted} of ${length} dispatches`;
      }),
    ).toEqual([]);
  });

  it.each(freshLayers)('the text of a problem of $operator tells what is planned otherwise', (fresh) => {
    const alike: string[] = [];
    for (const drawn of drawLayers(fresh, { seed: testSeed, count: 4, gflop: 0.1 })) {
      for (const decided of decisionsOf(gpu, drawn.layer)) {
        const { decision, problem } = decided;
        for (const other of neighbours(problem) as (typeof problem)[]) {
          if (decision.caseOf(other as never) !== decision.caseOf(problem as never)) continue;
          for (const algorithm of decision.algorithms) {
            const plan = (of: typeof problem) =>
              whereItFits(() =>
                algorithm.obstacle(gpu, of as never) === undefined
                  ? planText(planAlone(gpu, { ...decided, problem: of }, algorithm, drawn).dispatches)
                  : undefined,
              );
            const [one, two] = [plan(problem), plan(other)];
            if (one !== undefined && two !== undefined && one !== two)
              alike.push(`${decision.purpose} by ${algorithm.name}: '${decision.caseOf(problem as never)}'`);
          }
        }
      }
    }
    expect(alike).toEqual([]);
  });
});
