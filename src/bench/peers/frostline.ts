/** frostline itself, measured by the same rules as its peers. */
import { Gpu } from '../../gpu/device.ts';
import { Program } from '../../gpu/program.ts';
import { compile } from '../../graph/compile.ts';
import { softmaxCrossEntropy } from '../../graph/ops/classification.ts';
import { input, type Parameter } from '../../graph/tensor.ts';
import { buildNetwork, parametersOf } from '../../models/build.ts';
import { refuseUnknownAlgorithms } from '../../operators/trials.ts';
import { frostlineVersion } from '../../version.ts';
import type { Peer, Prepared } from './peer.ts';
import { difference, firstAndLastWeight, training, type Work } from './work.ts';

/** @param adapter as for `Gpu.open`; forced algorithms come by the environment */
export async function openFrostline(adapter?: string): Promise<Peer> {
  const gpu = await Gpu.open({ adapter });
  refuseUnknownAlgorithms(gpu);
  return {
    version: frostlineVersion,
    adapter: gpu.name,
    prepare: (work) => {
      if (work.direction === 'training step') return prepareTraining(gpu, work);
      return work.direction === 'forward' ? prepareForward(gpu, work) : prepareGradient(gpu, work);
    },
  };
}

function build({ network, batch }: Work) {
  const parameters = parametersOf(network);
  const built = buildNetwork(network, { batch, parameters });
  return { parameters, image: built.inputs.get(network.inputs[0].name)!, output: built.outputs[0] };
}

function releaseAll(gpu: Gpu, parameters: ReadonlyMap<string, Parameter>): void {
  for (const parameter of parameters.values()) parameter.release(gpu);
}

/** Inference: weights do not change, and are packed once. */
async function prepareForward(gpu: Gpu, work: Work): Promise<Prepared> {
  const { parameters, image, output } = build(work);
  const graph = await compile(gpu, { outputs: [output] });
  graph.write(image, work.x());
  let values = new Float32Array();
  return {
    async run() {
      values = new Float32Array((await graph.run([output]))[0]);
    },
    outputs: async () => new Map([['output', values]]),
    dispose() {
      graph.destroy();
      releaseAll(gpu, parameters);
    },
  };
}

/**
 * The forward pass runs once, for what the derivative keeps of it; what is timed is the way back alone. Weights are packed in
 * it, as in a training step, which changes them.
 */
async function prepareGradient(gpu: Gpu, work: Work): Promise<Prepared> {
  const { parameters, image, output } = build(work);
  const wanted =
    work.direction === 'gradient of input' ? image : parameters.get(work.network.nodes[0].parameters['weight'] ?? '')!;
  const upstream = input('dy', output.shape);
  const graph = await compile(gpu, { loss: output, upstream, gradients: [wanted], keepPacked: false });
  graph.write(image, work.x());
  graph.write(upstream, work.dy());
  await graph.run();
  await gpu.idle();
  const back = await Program.prepare(gpu, graph.dispatches.slice(graph.forwardDispatches));
  return {
    async run() {
      back.submit();
      await gpu.idle();
    },
    outputs: async () => new Map([['gradient', await graph.readGradient(wanted)]]),
    dispose() {
      back.destroy();
      graph.destroy();
      releaseAll(gpu, parameters);
    },
  };
}

async function prepareTraining(gpu: Gpu, work: Work): Promise<Prepared> {
  const { parameters, image, output } = build(work);
  const labels = input('labels', [work.batch], 'u32');
  const loss = softmaxCrossEntropy(output, labels);
  const graph = await compile(gpu, { loss, update: true });
  graph.write(image, work.x());
  graph.write(labels, work.labels());
  graph.setStep({ ...training, step: 0, seed: 1 });
  let value = Number.NaN;
  return {
    async run() {
      value = new Float32Array((await graph.run([loss]))[0])[0];
      await gpu.idle();
    },
    async outputs() {
      const results = new Map([['loss', Float32Array.of(value)]]);
      for (const name of firstAndLastWeight(work)) {
        const before = work.network.parameters.get(name)!.data;
        results.set(`change of ${name}`, difference(await parameters.get(name)!.read(gpu), before));
      }
      return results;
    },
    dispose() {
      graph.destroy();
      releaseAll(gpu, parameters);
    },
  };
}
