/** The adapter's own ceilings, measured in the same run as what is compared with them (Williams and others 2009). */
import type { Gpu } from '../gpu/device.ts';
import type { Dispatch } from '../gpu/program.ts';
import { bufferOf, type Storage } from '../gpu/storage.ts';
import type { Cost } from '../kernels/kernel.ts';
import { rooflineCopy } from '../kernels/roofline/copy.ts';
import { operationsARound, rooflineMultiplyAdd } from '../kernels/roofline/multiply-add.ts';
import type { Sampling } from './sample.ts';
import { median } from './statistics.ts';
import { Stopwatch } from './time-dispatch.ts';

export interface Roofline {
  /** 10^9 floating-point operations a second, of the multiply-add kernel's best configuration */
  readonly gflops: number;
  /** 10^9 bytes a second, read and written, of the copy kernel's best variant */
  readonly gigabytes: number;
}

/** Threads and rounds for some tens of milliseconds, by kind of adapter; bytes beyond any cache. */
const WORK = {
  hardware: { count: 1 << 18, rounds: 1 << 11 },
  software: { count: 1 << 13, rounds: 1 << 9 },
  embedded: { count: 1 << 11, rounds: 1 << 8 },
} as const;
const COPIED = { hardware: 1 << 25, software: 1 << 23, embedded: 1 << 22 } as const;

export async function measureRoofline(gpu: Gpu, sampling: Sampling): Promise<Roofline> {
  const ceilings = await Ceilings.on(gpu, sampling);
  ceilings.destroy();
  return ceilings.first;
}

/** 10^9 floating-point operations a second: see `Roofline`. */
export async function measureMultiplyAdd(gpu: Gpu, sampling: Sampling): Promise<number> {
  const ceiling = await multiplyAddCeiling(gpu, sampling);
  ceiling.destroy();
  return ceiling.first;
}

/** Samples of each ceiling before a piece of work, and as many after it. */
const SIDE = 3;

/**
 * The two ceilings, ready to be measured again and again: clocks and other work drift, and a ceiling of minutes ago says
 * little of a kernel of now.
 */
export class Ceilings {
  /** at the beginning, by the samples that were asked for */
  readonly first: Roofline;
  private readonly turns: Roofline[] = [];
  private readonly multiplyAdd: Ceiling;
  private readonly copy: Ceiling;

  private constructor(multiplyAdd: Ceiling, copy: Ceiling) {
    this.multiplyAdd = multiplyAdd;
    this.copy = copy;
    this.first = { gflops: multiplyAdd.first, gigabytes: copy.first };
  }

  static async on(gpu: Gpu, sampling: Sampling): Promise<Ceilings> {
    const multiplyAdd = await multiplyAddCeiling(gpu, sampling);
    try {
      return new Ceilings(multiplyAdd, await copyCeiling(gpu, sampling));
    } catch (error) {
      multiplyAdd.destroy();
      throw error;
    }
  }

  /** Does some work; the roofline is the median of the ceilings measured right before and right after it. */
  async around<Result>(work: () => Promise<Result>): Promise<{ result: Result; roofline: Roofline }> {
    const [multiplyAdds, copies]: [number[], number[]] = [[], []];
    const side = async () => {
      for (let i = 0; i < SIDE; i++) {
        multiplyAdds.push(await this.multiplyAdd.again());
        copies.push(await this.copy.again());
      }
    };
    await side();
    const result = await work();
    await side();
    const roofline = { gflops: median(multiplyAdds), gigabytes: median(copies) };
    this.turns.push(roofline);
    return { result, roofline };
  }

  /** The median over all turns; what was measured first where there was none. */
  get usual(): Roofline {
    if (this.turns.length === 0) return this.first;
    const of = (key: keyof Roofline) => median(this.turns.map((turn) => turn[key]));
    return { gflops: of('gflops'), gigabytes: of('gigabytes') };
  }

  destroy(): void {
    this.multiplyAdd.destroy();
    this.copy.destroy();
  }
}

/** One ceiling by the quickest choice of its kernel, in 10^9 a second. */
interface Ceiling {
  readonly first: number;
  /** one more sample */
  again(): Promise<number>;
  destroy(): void;
}

function multiplyAddCeiling(gpu: Gpu, sampling: Sampling): Promise<Ceiling> {
  const params = WORK[gpu.kind];
  const factors = gpu.storage('factors', Float32Array.of(0.5, 1));
  const y = gpu.storage('y', 4 * params.count);
  const views = { factors: factors.view(), y: y.view() };
  const candidates = rooflineMultiplyAdd.choices(gpu, params).map((choice) => ({
    dispatch: rooflineMultiplyAdd.dispatch(gpu, params, views, choice),
    work: params.count * params.rounds * operationsARound(choice.configuration['chains']),
  }));
  return quickest(gpu, candidates, [factors, y], sampling);
}

function copyCeiling(gpu: Gpu, sampling: Sampling): Promise<Ceiling> {
  const count = Math.min(COPIED[gpu.kind], Math.floor(gpu.limits.maxBinding / 4));
  const [x, y] = [gpu.storage('x', 4 * count), gpu.storage('y', 4 * count)];
  const views = { x: x.view(), y: y.view() };
  const candidates = rooflineCopy.choices(gpu, { count }).map((choice) => ({
    dispatch: rooflineCopy.dispatch(gpu, { count }, views, choice),
    work: rooflineCopy.cost({ count }).bytes,
  }));
  return quickest(gpu, candidates, [x, y], sampling);
}

interface Candidate {
  readonly dispatch: Dispatch;
  /** operations or bytes of one run */
  readonly work: number;
}

/** @param storages are released with the ceiling */
async function quickest(
  gpu: Gpu,
  candidates: readonly Candidate[],
  storages: readonly Storage[],
  sampling: Sampling,
): Promise<Ceiling> {
  let best: { readonly watch: Stopwatch; readonly work: number; readonly rate: number } | undefined;
  const destroy = () => {
    best?.watch.destroy();
    for (const storage of storages) gpu.release(bufferOf(storage));
  };
  try {
    for (const { dispatch, work } of candidates) {
      const watch = await Stopwatch.of(gpu, [dispatch]);
      const rate = work / median(await watch.samples(sampling)) / 1e6;
      if (best !== undefined && best.rate >= rate) watch.destroy();
      else {
        best?.watch.destroy();
        best = { watch, work, rate };
      }
    }
  } catch (error) {
    destroy();
    throw error;
  }
  const { watch, work, rate } = best!;
  return { first: rate, again: async () => work / (await watch.sample()) / 1e6, destroy };
}

/** The least milliseconds that a cost can take below the roofline: the longer of its arithmetic and its bytes. */
export function floorOf({ flops, bytes }: Cost, { gflops, gigabytes }: Roofline): number {
  return Math.max(flops / gflops, bytes / gigabytes) / 1e6;
}
