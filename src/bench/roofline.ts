/** The adapter's own ceilings, measured in the same run as what is compared with them (Williams and others 2009). */
import type { Gpu } from '../gpu/device.ts';
import type { Cost } from '../kernels/kernel.ts';
import { rooflineCopy } from '../kernels/roofline/copy.ts';
import { operationsARound, rooflineMultiplyAdd } from '../kernels/roofline/multiply-add.ts';
import type { Sampling } from './sample.ts';
import { timeDispatch } from './time-dispatch.ts';

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
  return { gflops: await measureMultiplyAdd(gpu, sampling), gigabytes: await measureCopy(gpu, sampling) };
}

/** 10^9 floating-point operations a second: see `Roofline`. */
export async function measureMultiplyAdd(gpu: Gpu, sampling: Sampling): Promise<number> {
  const { count, rounds } = WORK[gpu.kind];
  const factors = gpu.storage('factors', Float32Array.of(0.5, 1));
  const y = gpu.storage('y', 4 * count);
  try {
    let gflops = 0;
    for (const choice of rooflineMultiplyAdd.choices(gpu, { count, rounds })) {
      const views = { factors: factors.view(), y: y.view() };
      const dispatch = rooflineMultiplyAdd.dispatch(gpu, { count, rounds }, views, choice);
      const { median } = await timeDispatch(gpu, dispatch, sampling);
      gflops = Math.max(gflops, (count * rounds * operationsARound(choice.configuration['chains'])) / median / 1e6);
    }
    return gflops;
  } finally {
    for (const { buffer } of [factors, y]) gpu.release(buffer!);
  }
}

async function measureCopy(gpu: Gpu, sampling: Sampling): Promise<number> {
  const elements = Math.min(COPIED[gpu.kind], Math.floor(gpu.limits.maxBinding / 4));
  const x = gpu.storage('x', 4 * elements);
  const y = gpu.storage('y', 4 * elements);
  try {
    let gigabytes = 0;
    const params = { count: elements };
    for (const choice of rooflineCopy.choices(gpu, params)) {
      const dispatch = rooflineCopy.dispatch(gpu, params, { x: x.view(), y: y.view() }, choice);
      const { median } = await timeDispatch(gpu, dispatch, sampling);
      gigabytes = Math.max(gigabytes, rooflineCopy.cost(params).bytes / median / 1e6);
    }
    return gigabytes;
  } finally {
    for (const { buffer } of [x, y]) gpu.release(buffer!);
  }
}

/** The least milliseconds that a cost can take below the roofline: the longer of its arithmetic and its bytes. */
export function floorOf({ flops, bytes }: Cost, { gflops, gigabytes }: Roofline): number {
  return Math.max(flops / gflops, bytes / gigabytes) / 1e6;
}
