/** What compiled graphs are sent: each run with all that the host has told its graph by then. */
import { CompiledGraph } from '../../src/graph/compiled-graph.ts';
import type { StepValues } from '../../src/kernels/step.ts';

export interface SentRun {
  readonly graph: CompiledGraph;
  /** as last set */
  readonly step: StepValues | undefined;
  /** by an input's name, as last written */
  readonly values: Readonly<Record<string, readonly number[]>>;
}

/** Records every run of every graph from now on. @returns the runs so far, and how to end it */
export function recordRuns(): { readonly runs: SentRun[]; stop(): void } {
  const { write, setStep, run } = CompiledGraph.prototype;
  const runs: SentRun[] = [];
  const told = new Map<CompiledGraph, { step?: StepValues; values: Record<string, readonly number[]> }>();
  const of = (graph: CompiledGraph) => {
    const known = told.get(graph) ?? { values: {} };
    told.set(graph, known);
    return known;
  };
  Object.assign(CompiledGraph.prototype, {
    write(this: CompiledGraph, ...given: Parameters<typeof write>) {
      const [{ name }, values] = given;
      if (ArrayBuffer.isView(values)) of(this).values[name] = Array.from(values);
      write.apply(this, given);
    },
    setStep(this: CompiledGraph, values: StepValues) {
      of(this).step = { ...values };
      setStep.call(this, values);
    },
    run(this: CompiledGraph, ...given: Parameters<typeof run>) {
      const { step, values } = of(this);
      runs.push({ graph: this, step, values: { ...values } });
      return run.apply(this, given);
    },
  });
  return {
    runs,
    stop: () => void Object.assign(CompiledGraph.prototype, { write, setStep, run }),
  };
}
