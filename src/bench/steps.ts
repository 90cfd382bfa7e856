/** Whole forward passes and training steps of a network, at every freeze point. */
import type { Gpu } from '../gpu/device.ts';
import { type CompiledGraph, type CompileOptions, compile } from '../graph/compile.ts';
import { softmaxCrossEntropy } from '../graph/ops/classification.ts';
import { input, type Tensor } from '../graph/tensor.ts';
import { buildNetwork } from '../models/build.ts';
import { freezePoints } from '../models/layers.ts';
import type { Network } from '../models/network.ts';
import { createModel, type Model, releaseModel, setMasks } from '../train/model.ts';
import { networkFlops } from './network-flops.ts';
import { type Sampling, sample } from './sample.ts';
import { type Timing, timingOf } from './statistics.ts';
import { type TracedDispatch, traceStep } from './trace.ts';

export interface StepRow {
  readonly name: string;
  readonly network: string;
  readonly batch: number;
  /** 'forward', or the freeze point of a training step: 'none', 'conv1', ... */
  readonly step: string;
  readonly timing: Timing;
  readonly imagesPerSecond: number;
  /** of the kernels that run, and of the network as its layers define it */
  readonly flops: number;
  readonly networkFlops: number;
  /** milliseconds from the start of compilation to the end of the first run */
  readonly firstRun: number;
  /** all bytes of buffers on the device, at most */
  readonly bytes: number;
  /**
   * bytes that no program can do without: parameters, momentum of what is trained, inputs and outputs, activations and
   * their gradients that live at one time. Weights packed for our kernels and what those need between them is not of it
   */
  readonly leastBytes: number;
  /** time over the share of the arithmetic, both relative to nothing frozen; 1 is proportional. By `flops` */
  readonly overShare?: number;
  /** the same by `networkFlops` */
  readonly overNetworkShare?: number;
  /** every dispatch, where a trace was asked for */
  readonly dispatches?: readonly TracedDispatch[];
}

/** How much more than the least is on the device. */
export const overLeast = ({ bytes, leastBytes }: Pick<StepRow, 'bytes' | 'leastBytes'>) => bytes / leastBytes;

export interface StepJob {
  readonly network: () => Network;
  readonly networkName: string;
  readonly batch: number;
  readonly step: string;
}

/** Forward first, then the freeze points from none on: the others are set against it. */
export function stepJobs(network: () => Network, batch: number): StepJob[] {
  const made = network();
  const points = freezePoints(made).slice(0, -1);
  const steps = ['forward', 'none', ...points.map((point) => point.name)];
  return steps.map((step) => ({ network, networkName: made.name, batch, step }));
}

export const stepName = ({ networkName, batch, step }: StepJob) =>
  `${networkName} ${batch} ${step === 'forward' ? 'forward' : `train, frozen: ${step}`}`;

export async function benchStep(
  gpu: Gpu,
  job: StepJob,
  sampling: Sampling,
  { reference, trace = false }: { readonly reference?: StepRow; readonly trace?: boolean } = {},
): Promise<StepRow> {
  const { batch, step } = job;
  const network = job.network();
  const model = createModel(network);
  const before = gpu.memory().live;
  gpu.resetPeak();
  let graph: CompiledGraph | undefined;
  try {
    const { options, image, labels, wanted } = graphOf(model, batch, step);
    for (const parameter of model.parameters.values()) parameter.place(gpu);
    await gpu.idle();
    const start = performance.now();
    graph = await compile(gpu, options);
    graph.setStep({ learningRate: 1e-4, momentum: 0.9, weightDecay: 1e-4, step: 0, seed: 1 });
    graph.write(image, new Float32Array(image.size).fill(0.5));
    if (labels !== undefined) graph.write(labels, new Uint32Array(batch));
    const compiled = graph;
    const once = async () => {
      await compiled.run([wanted]);
      return undefined;
    };
    await once();
    const firstRun = performance.now() - start;
    const timing = timingOf(await sample(once, sampling));
    const { parameters, momentum, pinned, leastTransient } = graph.memory;
    const { flops } = graph.cost;
    const dispatches = trace ? await traceStep(graph) : undefined;
    const ofNetwork = networkFlops(model, batch, step !== 'forward');
    return {
      name: stepName(job),
      network: network.name,
      batch,
      step,
      timing,
      imagesPerSecond: (1000 * batch) / timing.median,
      flops,
      networkFlops: ofNetwork,
      firstRun,
      bytes: gpu.memory().peak - before,
      leastBytes: parameters + momentum + pinned + leastTransient,
      ...(dispatches !== undefined && { dispatches }),
      ...(reference !== undefined &&
        step !== 'forward' && {
          overShare: timing.median / reference.timing.median / (flops / reference.flops),
          overNetworkShare: timing.median / reference.timing.median / (ofNetwork / reference.networkFlops),
        }),
    };
  } finally {
    graph?.destroy();
    releaseModel(gpu, model);
  }
}

/** What is compiled for a step: its options, the image input, and the tensor to be read. */
export function graphOf(
  model: Model,
  batch: number,
  step: string,
): { options: CompileOptions; image: Tensor; labels?: Tensor; wanted: Tensor } {
  const { network, parameters } = model;
  const built = buildNetwork(network, { batch, parameters });
  const image = built.inputs.get(network.inputs[0].name)!;
  if (step === 'forward') {
    const [wanted] = built.outputs;
    return { options: { outputs: [wanted] }, image, wanted };
  }
  setMasks(model, { freeze: step, newParameters: freezePoints(network).at(-1)!.parameters, newLayerFactor: 10 });
  const labels = input('labels', [batch], 'u32');
  const loss = softmaxCrossEntropy(built.logits, labels);
  return { options: { loss, update: true }, image, labels, wanted: loss };
}
