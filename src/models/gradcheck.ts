/** Gradient check of whole networks, by directions: every parameter and the image, with dropout's masks held. */
import type { Gpu } from '../gpu/device.ts';
import { compile } from '../graph/compile.ts';
import { type GradcheckInput, type GradcheckOptions, type GradcheckReport, gradcheck } from '../graph/gradcheck.ts';
import { softmaxCrossEntropy } from '../graph/ops/classification.ts';
import { Parameter, sizeOf, type Tensor } from '../graph/tensor.ts';
import { Random } from '../random.ts';
import { buildNetwork, parametersOf } from './build.ts';
import { type Network, stateOf } from './network.ts';
import { alexnet, alexnetSmall, vgg16 } from './tables.ts';

/** The small AlexNet as it ships, AlexNet and VGG16 at small width, with random weights drawn from `seed`. */
export const checkedModels: ReadonlyMap<string, (seed: number) => Network> = new Map([
  ['alexnet-small', (seed) => alexnetSmall({ classes: 5, seed })],
  ['alexnet-narrow', (seed) => alexnet({ classes: 5, seed, filters: [4, 8, 8, 8, 8], hidden: 24 })],
  ['vgg16-narrow', (seed) => vgg16({ classes: 5, seed, filters: [4, 6, 8, 8, 8], hidden: 24, size: 32 })],
]);

/**
 * Checks the derivative of the mean cross-entropy of random images for all parameters and the image. The label of each
 * is its least likely class: where the network is right by far, loss and derivatives are so near to 0 that rounding
 * hides them. A network of thousands of ReLUs has kinks close to any point; it is compared on the smooth piece on which
 * the point lies. Tolerances are wider than those for single operations, for rounding adds up over the layers: 0.1 %, and
 * 0.1 % of the root mean square of a parameter's derivatives.
 *
 * @param network its first input is the image
 * @throws GradcheckError as `gradcheck` does
 */
export async function gradcheckNetwork(
  gpu: Gpu,
  network: Network,
  options: GradcheckOptions & { readonly batch?: number } = {},
): Promise<GradcheckReport> {
  return checkAt(gpu, network, 0, options);
}

/** The check at the point of number `draw`. */
async function checkAt(
  gpu: Gpu,
  network: Network,
  draw: number,
  { batch = 1, seed = 0, ...rest }: GradcheckOptions & { readonly batch?: number },
): Promise<GradcheckReport> {
  const random = new Random(seed, draw);
  const [image] = network.inputs;
  const shape = [batch, ...image.shape];
  const floats: Record<string, GradcheckInput> = {
    image: { shape, values: Float32Array.from({ length: sizeOf(shape) }, () => random.normal()) },
  };
  // No gradient reaches running statistics: they are what the network has.
  const state = new Set(network.nodes.flatMap((node) => stateOf(network, node)));
  const still = [...parametersOf(network)].filter(([name]) => state.has(name));
  for (const [name, value] of network.parameters) {
    if (state.has(name)) continue;
    // Biases of zero would centre every activation on ReLU's kink.
    const values = Float32Array.from(value.data, (x) => x || 0.5 + 0.1 * random.normal());
    floats[name] = { shape: value.shape, values };
  }
  const logitsOf = (tensors: Readonly<Record<string, Tensor>>) => {
    const given = Object.values(tensors).filter((tensor) => tensor instanceof Parameter);
    const parameters = new Map([...given.map((parameter) => [parameter.name, parameter] as const), ...still]);
    return buildNetwork(network, { batch, parameters, image: tensors['image'] }).logits;
  };
  try {
    const labels = { shape: [batch], values: await leastLikely(gpu, logitsOf, floats, seed) };
    return await gradcheck(
      gpu,
      (tensors) => softmaxCrossEntropy(logitsOf(tensors), tensors['labels']),
      { ...floats, labels },
      { fastMode: true, directions: 2, atol: 1e-3, rtol: 1e-3, seed, ...rest },
    );
  } finally {
    for (const [, parameter] of still) parameter.release(gpu);
  }
}

/** The class with the least logit, for each image. */
async function leastLikely(
  gpu: Gpu,
  logitsOf: (tensors: Readonly<Record<string, Tensor>>) => Tensor,
  inputs: Readonly<Record<string, GradcheckInput>>,
  seed: number,
): Promise<Uint32Array<ArrayBuffer>> {
  const parameters = Object.entries(inputs).map(
    ([name, { shape, values }]) => new Parameter(name, shape, values as Float32Array<ArrayBuffer>),
  );
  const logits = logitsOf(Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter])));
  const graph = await compile(gpu, { outputs: [logits], training: true });
  try {
    graph.setStep({ learningRate: 0, momentum: 0, weightDecay: 0, step: 0, seed });
    await graph.run();
    const values = await graph.read(logits);
    const [batch, classes] = logits.shape;
    return Uint32Array.from({ length: batch }, (_, i) => {
      const row = values.subarray(i * classes, (i + 1) * classes);
      return row.indexOf(Math.min(...row));
    });
  } finally {
    graph.destroy();
    for (const parameter of parameters) parameter.release(gpu);
  }
}
