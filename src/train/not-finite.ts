/** Where values first stop being finite: what a run that ended so is told. */
import type { Gpu } from '../gpu/device.ts';
import { compile } from '../graph/compile.ts';
import { buildNetwork } from '../models/build.ts';
import { trainedOf } from '../models/network.ts';
import type { Feed } from './feed.ts';
import type { Model } from './model.ts';

/**
 * Runs the network in inference, with the weights as they are now.
 * @param samples of the feed, a batch of them
 * @returns the first layer whose output is not finite, and what to do, as a sentence
 */
export async function whereNotFinite(gpu: Gpu, model: Model, feed: Feed, samples: readonly number[]): Promise<string> {
  const { network, parameters } = model;
  const built = buildNetwork(network, { batch: samples.length, parameters, image: feed.image });
  const graph = await compile(gpu, { outputs: [...built.values.values()].filter((t) => t.source) });
  const slower = 'Use a smaller learning rate or a smaller momentum.';
  try {
    feed.load(graph);
    feed.write(graph, samples);
    await graph.run();
    let changed = false;
    for (const node of network.nodes) {
      changed ||= trainedOf(network, node).some((name) => parameters.get(name)!.trainable);
      const tensor = built.values.get(node.outputs[0])!;
      if (tensor.source === undefined || (await graph.read(tensor)).every(Number.isFinite)) continue;
      const found = `the first layer that is not finite is ${node.name}`;
      if (changed) return `${found}. ${slower}`;
      return `${found}, which is frozen: no step has changed it. Its weights or the images are at fault: fetch or export the model again.`;
    }
    return `every layer is finite in inference. ${slower}`;
  } finally {
    graph.destroy();
  }
}
