/** Every kernel run of the networks' training steps: verified, timed, and set against the adapter's own roofline. */
import type { Gpu } from '../gpu/device.ts';
import { type Choice, choiceText } from '../kernels/kernel.ts';
import { compareRows } from './compare.ts';
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
  /** of the plain variant, where it was asked for and is not the chosen one */
  readonly plain?: Timing;
}

/** A plain variant that takes longer than this many milliseconds is timed by one run. */
const HOPELESS = 500;

/** Whether the plain variant, timed beside, is faster than the chosen one beyond the noise of both. */
export function slowerThanPlain({ name, timing, plain }: Pick<KernelRow, 'name' | 'timing' | 'plain'>): boolean {
  if (plain === undefined) return false;
  return compareRows([{ name, timing: plain }], [{ name, timing }])[0].verdict === 'slower';
}

/** What a row is called: with its variant, where that is not the one that the kernel chooses by itself. */
export const rowName = (layerCase: LayerCase, choice?: Choice) =>
  choice === undefined ? caseName(layerCase) : `${caseName(layerCase)} ${choiceText(choice)}`;

/**
 * @param choice a variant other than the one that the kernel chooses by itself; the row's name then says so
 * @param besidePlain whether the plain variant is timed, too
 */
export async function benchCase(
  gpu: Gpu,
  layerCase: LayerCase,
  roofline: Roofline,
  sampling: Sampling,
  { choice, besidePlain = false }: { readonly choice?: Choice; readonly besidePlain?: boolean } = {},
): Promise<KernelRow> {
  const { kernel, params, network, batch, layers, direction } = layerCase;
  const taken = choice ?? kernel.best(gpu, params);
  const buffers = new CaseBuffers(gpu, layerCase);
  try {
    const verdict = await verify(gpu, layerCase, buffers, taken);
    const time = (one: Choice, hopeless?: number) =>
      timeDispatch(gpu, kernel.dispatch(gpu, params, buffers.views, one), sampling, hopeless);
    const timing = await time(taken);
    const [{ name: variant, configurations }] = kernel.variants;
    const isPlain = taken.variant === variant;
    const plain =
      besidePlain && !isPlain ? await time({ variant, configuration: configurations[0] }, HOPELESS) : undefined;
    const cost = kernel.cost(params);
    return {
      name: rowName(layerCase, choice),
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
      ...(plain !== undefined && { plain }),
    };
  } finally {
    buffers.release();
  }
}
