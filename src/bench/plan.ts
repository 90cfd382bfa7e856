/** What a network's step becomes on an adapter, dispatch by dispatch, with the model's time of each. */
import type { Gpu } from '../gpu/device.ts';
import { machineNamed, machineOf } from '../gpu/machine.ts';
import type { Precision } from '../gpu/storage.ts';
import { planGraph } from '../graph/compile.ts';
import { choiceText, type KernelDispatch } from '../kernels/kernel.ts';
import { modelTime } from '../kernels/time-model.ts';
import type { Network } from '../models/network.ts';
import { createModel } from '../train/model.ts';
import { occupancyOf } from './occupancy.ts';
import { graphOf } from './steps.ts';

export interface PlannedDispatch {
  readonly kernel: string;
  readonly variant: string;
  /** integers among the kernel's parameters */
  readonly shape: string;
  readonly workgroups: number;
  /** bytes of workgroup memory of each, how many a multiprocessor holds by threads and by that, and rounds (occupancy.ts) */
  readonly workgroupMemory: number;
  readonly held: number;
  readonly waves: number;
  /** multiprocessors that get none */
  readonly idle: number;
  readonly flops: number;
  /** that must move at least */
  readonly bytes: number;
  readonly ms: number;
  readonly bound: 'arithmetic' | 'memory' | 'dispatch';
}

export interface Plan {
  readonly adapter: string;
  readonly precision: Precision;
  readonly network: string;
  readonly batch: number;
  readonly step: string;
  readonly multiprocessors: number;
  readonly dispatches: readonly PlannedDispatch[];
  readonly flops: number;
  readonly bytes: number;
  /** the model's, of the whole step */
  readonly ms: number;
  /**
   * Operations that the kernels count, tiles' transforms among them, over the multiply-adds, two operations each, that the
   * machine could make in that time; by the network's own products it would be more, which tiles leave out
   */
  readonly shareOfPeak: number;
  /** part of the time in dispatches with fewer workgroups than the machine has multiprocessors */
  readonly shareStarved: number;
}

/** The dispatches of a step: 'forward', 'none' (a training step with nothing frozen), or a freeze point. */
export function planDispatches(gpu: Gpu, network: Network, batch: number, step: string): KernelDispatch[] {
  const { options } = graphOf(createModel(network), batch, step);
  return planGraph(gpu, options).dispatches as KernelDispatch[];
}

/** @param step 'forward', 'none' (a training step with nothing frozen), or a freeze point */
export function planStep(gpu: Gpu, network: Network, batch: number, step: string): Plan {
  const machine = gpu.machine ?? machineNamed(gpu.name) ?? machineOf(gpu);
  const dispatches = planDispatches(gpu, network, batch, step).map((dispatch): PlannedDispatch => {
    const { kernel, params, choice, workgroups } = dispatch;
    const { milliseconds, idle, bound } = modelTime(dispatch, gpu, machine);
    const shape = kernel.shape(params);
    const { flops, bytes } = dispatch.cost;
    return {
      kernel: kernel.name,
      variant: choiceText(choice),
      shape,
      workgroups,
      ...occupancyOf(dispatch, gpu, machine),
      idle,
      flops,
      bytes,
      ms: milliseconds,
      bound,
    };
  });
  const sum = (of: (one: PlannedDispatch) => number) => dispatches.reduce((total, one) => total + of(one), 0);
  const ms = sum((one) => one.ms);
  const { multiprocessors, lanes, cycles } = machine;
  return {
    adapter: gpu.describe(),
    precision: gpu.precision,
    network: network.name,
    batch,
    step,
    multiprocessors,
    dispatches,
    flops: sum((one) => one.flops),
    bytes: sum((one) => one.bytes),
    ms,
    shareOfPeak: sum((one) => one.flops) / (2 * lanes * multiprocessors * cycles * ms),
    shareStarved: sum((one) => (one.idle > 0 ? one.ms : 0)) / ms,
  };
}
