/** Gradient check of whole networks, by directions: every parameter and the image, with dropout's masks held. */
import type { Gpu } from '../gpu/device.ts';
import { type GradcheckInput, type GradcheckOptions, type GradcheckReport, gradcheck } from '../graph/gradcheck.ts';
import { softmaxCrossEntropy } from '../graph/ops/classification.ts';
import { Parameter, sizeOf } from '../graph/tensor.ts';
import { Random } from '../random.ts';
import { buildNetwork } from './build.ts';
import type { Network } from './network.ts';
import { alexnet, alexnetSmall, vgg16 } from './tables.ts';

/** Networks of the three topologies at small width, with random weights drawn from `seed`. */
export const checkedModels: ReadonlyMap<string, (seed: number) => Network> = new Map([
  ['alexnet-small', (seed) => alexnetSmall({ classes: 5, seed, filters: [8, 12, 16, 16, 12], hidden: 24 })],
  ['alexnet-narrow', (seed) => alexnet({ classes: 5, seed, filters: [4, 8, 8, 8, 8], hidden: 24 })],
  ['vgg16-narrow', (seed) => vgg16({ classes: 5, seed, filters: [4, 6, 8, 8, 8], hidden: 24, size: 32 })],
]);

/**
 * Checks the derivative of the mean cross-entropy of random images and labels for all parameters and the image. A
 * network of thousands of ReLUs has kinks close to any point: steps are a quarter of those for single operations, and the
 * tolerances wider, 2 % and 0.005.
 *
 * @param network its first input is the image
 * @throws GradcheckError as `gradcheck` does
 */
export function gradcheckNetwork(
  gpu: Gpu,
  network: Network,
  options: GradcheckOptions & { readonly batch?: number } = {},
): Promise<GradcheckReport> {
  const { batch = 1, seed = 0, ...rest } = options;
  const random = new Random(seed);
  const [image] = network.inputs;
  const shape = [batch, ...image.shape];
  const classes = network.labels?.length ?? outputWidth(network);
  const inputs: Record<string, GradcheckInput> = {
    image: { shape, values: Float32Array.from({ length: sizeOf(shape) }, () => random.normal()) },
    labels: { shape: [batch], values: Uint32Array.from({ length: batch }, () => random.integer(classes)) },
  };
  for (const [name, value] of network.parameters) {
    // Biases of zero would centre every activation on ReLU's kink.
    const values = Float32Array.from(value.data, (x) => x || 0.5 + 0.1 * random.normal());
    inputs[name] = { shape: value.shape, values };
  }
  return gradcheck(
    gpu,
    (tensors) => {
      const given = Object.values(tensors).filter((tensor) => tensor instanceof Parameter);
      const parameters = new Map(given.map((parameter) => [parameter.name, parameter]));
      const { logits } = buildNetwork(network, { batch, parameters, image: tensors['image'] });
      return softmaxCrossEntropy(logits, tensors['labels']);
    },
    inputs,
    { fastMode: true, directions: 2, eps: 1 / 64, atol: 5e-3, rtol: 2e-2, seed, ...rest },
  );
}

/** The number of classes of a network without labels: the width of its last layer. */
function outputWidth(network: Network): number {
  const last = network.nodes.findLast(({ weight }) => weight !== undefined)!;
  return network.parameters.get(last.weight!)!.shape[0];
}
