/** Every kernel run of the networks' training steps: verified, timed, and set against the adapter's own roofline. */
import type { Gpu } from '../gpu/device.ts';
import type { Choice } from '../kernels/kernel.ts';
import { caseName, type LayerCase } from './layer-cases.ts';
import { floorOf, type Roofline } from './roofline.ts';
import type { Sampling } from './sample.ts';
import type { Timing } from './statistics.ts';
import { timeDispatch } from './time-dispatch.ts';
import { CaseBuffers, type Verdict, verify } from './verify.ts';

export interface KernelRow {
  readonly name: string;
  readonly network: string;
  readonly batch: number;
  /** the layers that run this very kernel run */
  readonly layers: readonly string[];
  readonly direction: string;
  readonly kernel: string;
  readonly choice: Choice;
  readonly verdict: Verdict;
  readonly flops: number;
  /** the fewest bytes that must move */
  readonly bytes: number;
  /** milliseconds */
  readonly timing: Timing;
  readonly gflops: number;
  readonly gigabytes: number;
  /** the roofline's time over the measured one: 1 is the ceiling */
  readonly share: number;
}

export const choiceText = ({ variant, configuration }: Choice) =>
  [variant, ...Object.entries(configuration).map(([name, value]) => `${name} ${value}`)].join(' ');

/** @param choice a variant other than the one that the kernel chooses by itself; the row's name then says so */
export async function benchCase(
  gpu: Gpu,
  layerCase: LayerCase,
  roofline: Roofline,
  sampling: Sampling,
  choice?: Choice,
): Promise<KernelRow> {
  const { kernel, params, network, batch, layers, direction } = layerCase;
  const taken = choice ?? kernel.best(gpu, params);
  const buffers = new CaseBuffers(gpu, layerCase);
  try {
    const verdict = await verify(gpu, layerCase, buffers, taken);
    const timing = await timeDispatch(gpu, kernel.dispatch(gpu, params, buffers.views, taken), sampling);
    const cost = kernel.cost(params);
    return {
      name: choice === undefined ? caseName(layerCase) : `${caseName(layerCase)} ${choiceText(choice)}`,
      network,
      batch,
      layers,
      direction,
      kernel: kernel.name,
      choice: taken,
      verdict,
      ...cost,
      timing,
      gflops: cost.flops / timing.median / 1e6,
      gigabytes: cost.bytes / timing.median / 1e6,
      share: floorOf(cost, roofline) / timing.median,
    };
  } finally {
    buffers.release();
  }
}
