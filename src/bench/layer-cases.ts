/**
 * Every kernel run of a training step, found by walking the network's operations forward and backward as the compiler
 * does, but with storages that never get a buffer: VGG16 at batch 32 can be listed where it would not fit.
 */
import type { Gpu } from '../gpu/device.ts';
import type { View } from '../gpu/storage.ts';
import { planGraph, tapeOf } from '../graph/compile.ts';
import { softmaxCrossEntropy } from '../graph/ops/classification.ts';
import { input } from '../graph/tensor.ts';
import type { Kernel, KernelDispatch, Params } from '../kernels/kernel.ts';
import { buildNetwork, parametersOf } from '../models/build.ts';
import type { Network } from '../models/network.ts';
import { DryStep } from './dry-step.ts';
import { appliedInStep } from './in-step.ts';

export interface LayerCase {
  readonly network: string;
  readonly batch: number;
  /** the first layer with this very kernel run; `layers` names all of them */
  readonly layer: string;
  readonly layers: readonly string[];
  /** what is computed: 'forward', 'gradient of input', 'gradient of weight', 'gradient of bias', 'update of weight' ... */
  readonly direction: string;
  readonly kernel: Kernel;
  readonly params: Params<Record<string, 'u32'>>;
  /**
   * What runs of this kernel and shape apply in a whole step, '' for nothing: the run here applies nothing, and is that of the
   * step only where this has ''. Empty where other kernels do its work there.
   */
  readonly inStep: readonly string[];
  /** as the compiler would bind them: two bindings of one range share it */
  readonly views: Readonly<Record<string, View>>;
}

/** What a case is called in tables, filters and comparisons. */
export const caseName = ({ network, batch, layer, direction, kernel }: LayerCase) =>
  `${network} ${batch} ${layer} ${direction} ${kernel.name}`;

/** The distinct kernel runs of a training step in which everything is trained, in its order. */
export function layerCases(gpu: Gpu, network: Network, batch: number): LayerCase[] {
  const parameters = parametersOf(network);
  const { logits } = buildNetwork(network, { batch, parameters });
  const loss = softmaxCrossEntropy(logits, input('labels', [batch], 'u32'));
  const operations = tapeOf([loss]).filter((tensor) => tensor.source?.operation.alias !== 'always' && tensor.source);
  const runs = new DistinctRuns();
  const step = new DryStep(gpu, loss, runs.add);
  for (const tensor of operations) step.forward(tensor);
  for (const tensor of operations.toReversed()) step.backward(tensor);
  const whole = planGraph(gpu, { loss, update: true }).dispatches as KernelDispatch[];
  // A plan gives parameters their places on the device.
  for (const parameter of parameters.values()) parameter.release(gpu);
  return runs.all().map((run) => ({ network: network.name, batch, ...run, inStep: appliedInStep(run, whole) }));
}

type Run = Omit<LayerCase, 'network' | 'batch' | 'inStep'>;

/** Kernel runs, each once with all layers that run it: with the same parameters and bindings it takes the same time. */
class DistinctRuns {
  private readonly found = new Map<string, Run & { readonly layers: string[] }>();

  /** @param views may be more than the kernel binds: x and y, of which a derivative reads one */
  readonly add = (layer: string, direction: string, kernel: Kernel, params: object, views: object): void => {
    const bound = Object.fromEntries(
      Object.entries(views as Record<string, View>).filter(([name]) => name in kernel.bindings),
    );
    const bytes = Object.values(bound).map((view) => view.bytes);
    const key = JSON.stringify([kernel.name, params, bytes]);
    const known = this.found.get(key);
    if (known === undefined) {
      const run = { kernel, params: params as Run['params'], views: bound };
      this.found.set(key, { layer, layers: [layer], direction: this.numbered(layer, direction, kernel), ...run });
    } else if (!known.layers.includes(layer)) known.layers.push(layer);
  };

  all(): Run[] {
    return [...this.found.values()];
  }

  /** Windows over the adapter's binding limit: the last may be smaller than those before it. */
  private numbered(layer: string, direction: string, kernel: Kernel): string {
    const before = this.all().filter(
      (one) => one.kernel === kernel && one.layer === layer && one.direction.split(',')[0] === direction,
    );
    return before.length === 0 ? direction : `${direction}, window ${before.length + 1}`;
  }
}
