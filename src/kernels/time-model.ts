/**
 * The time of a dispatch on a machine, from what it computes, what it moves and how many threads it has: a roofline whose
 * roofs are lower where there are too few threads to hide latencies. It ranks and explains; it is no measurement.
 *
 *   arithmetic: the variant's own cycles, or operations / (2 lanes multiprocessors cycles) / min(1, threads a multiprocessor / `threads`)
 *   memory:     bytes / rate / min(1, bytes on their way / what `resident` threads of most kernels have on their way)
 *   time:       the longer of both, and the beginning of a dispatch
 *
 * The rate that memory reaches grows with the threads (estimate.ts).
 */
import { type Machine, profileOf } from '../gpu/machine.ts';
import { memoryTime } from './estimate.ts';
import type { Capabilities, KernelDispatch } from './kernel.ts';

export interface ModelTime {
  readonly milliseconds: number;
  /** multiprocessors without a workgroup, all the time */
  readonly idle: number;
  /** what the time goes to */
  readonly bound: 'arithmetic' | 'memory' | 'dispatch';
}

export function modelTime(dispatch: KernelDispatch, capabilities: Capabilities, machine: Machine): ModelTime {
  const { kernel, params, choice, workgroups } = dispatch;
  const { multiprocessors, lanes, threads, resident, cycles } = machine;
  const variant = kernel.variants.find(({ name }) => name === choice.variant)!;
  const size = variant.workgroupSize(choice.configuration);
  const { flops, bytes } = dispatch.cost;
  // Threads that one multiprocessor has at once, of all of them on average, at most what it holds.
  const running = Math.min((workgroups * size) / multiprocessors, Math.max(resident, size));
  const peak = 2 * lanes * multiprocessors * cycles;
  const arithmetic =
    profileOf(capabilities).unit === 'cycles' && variant.cycles !== undefined
      ? variant.cycles(params, choice.configuration, capabilities) / cycles
      : flops / peak / Math.min(1, running / threads);
  const memory = memoryTime({ bytes, threads: workgroups * size, inFlight: variant.inFlight }, machine);
  const work = Math.max(arithmetic, memory);
  const bound = work < machine.dispatch ? 'dispatch' : arithmetic > memory ? 'arithmetic' : 'memory';
  return {
    milliseconds: work + machine.dispatch,
    idle: Math.max(0, multiprocessors - workgroups),
    bound,
  };
}
