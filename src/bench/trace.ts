/**
 * A step's dispatches one by one, stamped by the device's own clock, as a table and as the trace format of Chrome's
 * tracing view and of Perfetto (JSON, complete events; times in microseconds).
 */
import type { CompiledGraph } from '../graph/compile.ts';
import { choiceText, type KernelDispatch } from '../kernels/kernel.ts';

export interface TracedDispatch {
  readonly name: string;
  readonly kernel: string;
  readonly variant: string;
  /** integers among the kernel's parameters */
  readonly shape: string;
  readonly workgroups: number;
  /** milliseconds from the step's beginning, and the time taken */
  readonly begin: number;
  readonly milliseconds: number;
  readonly flops: number;
  readonly bytes: number;
}

/** @param runs of the step; the one whose dispatches take the median time in all is told, as it was */
export async function traceStep(graph: CompiledGraph, runs = 9): Promise<TracedDispatch[]> {
  const all: [number, number][][] = [];
  for (let run = 0; run < runs; run++) all.push(await graph.trace());
  const taken = (spans: readonly [number, number][]) => spans.reduce((sum, [begin, end]) => sum + end - begin, 0);
  const told = all.sort((a, b) => taken(a) - taken(b))[runs >> 1];
  return graph.dispatches.map((dispatch, i) => {
    const { kernel, params, choice } = dispatch as KernelDispatch;
    return {
      name: dispatch.label,
      kernel: kernel.name,
      variant: choiceText(choice),
      shape: kernel.shape(params),
      workgroups: dispatch.workgroups,
      begin: told[i][0],
      milliseconds: told[i][1] - told[i][0],
      ...(dispatch as KernelDispatch).cost,
    };
  });
}

/** In thousands of millions; left out where the device's clock is too coarse for the dispatch. */
const perSecond = (count: number, { milliseconds }: TracedDispatch) =>
  milliseconds > 0 ? count / milliseconds / 1e6 : undefined;

/** One track a step. */
export function traceEvents(
  steps: readonly { readonly name: string; readonly dispatches: readonly TracedDispatch[] }[],
) {
  return {
    displayTimeUnit: 'ms',
    traceEvents: steps.flatMap(({ name, dispatches }, track) => [
      { ph: 'M', pid: 1, tid: track, name: 'thread_name', args: { name } },
      ...dispatches.map((one) => ({
        ph: 'X',
        pid: 1,
        tid: track,
        name: one.name,
        ts: 1000 * one.begin,
        dur: 1000 * one.milliseconds,
        args: {
          kernel: one.kernel,
          variant: one.variant,
          shape: one.shape,
          workgroups: one.workgroups,
          'GFLOP/s': perSecond(one.flops, one),
          'GB/s': perSecond(one.bytes, one),
        },
      })),
    ]),
  };
}
