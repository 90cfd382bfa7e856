/**
 * TensorFlow.js on its WebGPU backend, layer by layer in its own layout, [N, H, W, C]. The gradients are its kernels,
 * run alone. It has no grouped convolution there: groups are split and joined. Inference and single gradients only;
 * its package of gradients of whole networks is another, that of the full framework.
 */
import { adapterName, chooseAdapter } from '../../gpu/adapter.ts';
import { offerAsNavigator } from '../../gpu/node.ts';
import { Waiter } from '../../gpu/wait.ts';
import type { Node, Op } from '../../models/network.ts';
import { type Load, type Peer, type Prepared, Unsupported } from './peer.ts';
import type { Work } from './work.ts';

interface Tensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}

interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): { endComputePassEncoder(): void; submitQueue(): void; readonly queue: GPUQueue };
  engine(): { runKernel(name: string, inputs: Record<string, Tensor>, attributes: object): Tensor };
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  tidy<T>(f: () => T): T;
  conv2d(x: Tensor, w: Tensor, strides: readonly number[], pad: number | number[][]): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  relu(x: Tensor): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  maxPool(x: Tensor, window: readonly number[], strides: readonly number[], pad: number): Tensor;
  localResponseNormalization(x: Tensor, radius: number, bias: number, alpha: number, beta: number): Tensor;
  transpose(x: Tensor, order: readonly number[]): Tensor;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  concat(parts: readonly Tensor[], axis: number): Tensor;
  split(x: Tensor, parts: number, axis: number): Tensor[];
  readonly version_core: string;
}

export async function openTfjs(load: Load, wish: string | undefined): Promise<Peer> {
  const { instance, adapter } = await chooseAdapter(wish);
  offerAsNavigator(instance);
  const tf = load<Tf>('@tensorflow/tfjs-core');
  load('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs found no WebGPU');
  await tf.ready();
  const waiter = new Waiter();
  const runner: Runner = {
    tf,
    limit: adapter.limits.maxStorageBufferBindingSize,
    wait: (promise) => waiter.wait(promise),
    async done() {
      const backend = tf.backend();
      // As its own reading of a tensor does.
      backend.endComputePassEncoder();
      backend.submitQueue();
      await waiter.wait(backend.queue.onSubmittedWorkDone());
    },
  };
  return {
    version: tf.version_core,
    adapter: adapterName(adapter.info),
    prepare: async (work) => {
      if (work.direction === 'training step') throw new Unsupported('tfjs-core registers no gradients of operations');
      return work.direction === 'forward' ? prepareForward(runner, work) : prepareGradient(runner, work);
    },
  };
}

interface Runner {
  readonly tf: Tf;
  readonly limit: number;
  wait<T>(promise: Promise<T>): Promise<T>;
  /** waits until the device has done everything */
  done(): Promise<void>;
}

/** A weight's parts: one a group of a convolution, [kh, kw, C, F]; or whole rows under the binding limit of a matrix. */
type Parameters = ReadonlyMap<string, readonly Tensor[]>;

function parametersOf({ tf, limit }: Runner, { network }: Work): Parameters {
  const parts = new Map<string, Tensor[]>();
  for (const { op, parameters } of network.nodes) {
    const { weight, bias } = parameters;
    if (bias !== undefined) {
      const { data, shape } = network.parameters.get(bias)!;
      parts.set(bias, [tf.tensor(data, shape)]);
    }
    if (weight === undefined) continue;
    const { data, shape } = network.parameters.get(weight)!;
    const rowSize = data.length / shape[0];
    const rows = op.kind === 'conv2d' ? shape[0] / op.groups : Math.min(shape[0], Math.floor(limit / (4 * rowSize)));
    const list: Tensor[] = [];
    for (let first = 0; first < shape[0]; first += rows) {
      const count = Math.min(rows, shape[0] - first);
      const values = data.slice(first * rowSize, (first + count) * rowSize);
      const extents = [count, ...shape.slice(1)];
      list.push(
        op.kind === 'conv2d'
          ? tf.tensor(permuted(values, extents, [2, 3, 1, 0]), [shape[2], shape[3], shape[1], count])
          : tf.tensor(values, extents),
      );
    }
    parts.set(weight, list);
  }
  return parts;
}

function layer(tf: Tf, { op, parameters: { weight, bias } }: Node, x: Tensor, parameters: Parameters): Tensor {
  const weights = weight === undefined ? [] : parameters.get(weight)!;
  const withBias = (y: Tensor) => (bias === undefined ? y : tf.add(y, parameters.get(bias)![0]));
  switch (op.kind) {
    case 'conv2d': {
      const inputs = op.groups === 1 ? [x] : tf.split(x, op.groups, 3);
      const outputs = inputs.map((part, g) => tf.conv2d(part, weights[g], op.strides, padOf(op)));
      return withBias(outputs.length === 1 ? outputs[0] : tf.concat(outputs, 3));
    }
    case 'linear': {
      const outputs = weights.map((part) => tf.matMul(x, part, false, true));
      return withBias(outputs.length === 1 ? outputs[0] : tf.concat(outputs, 1));
    }
    case 'relu':
      return tf.relu(x);
    case 'maxPool':
      checkPool(op);
      return tf.maxPool(x, op.kernel, op.strides, 0);
    case 'lrn': {
      const { radius, bias: offset, alpha, beta } = lrnOf(op);
      return tf.localResponseNormalization(x, radius, offset, alpha, beta);
    }
    case 'flatten': {
      // The fully connected layer's weight counts channels first.
      const [batch, height, width, channels] = x.shape;
      return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [batch, height * width * channels]);
    }
  }
  throw new Unsupported(`no layer of kind ${op.kind}`);
}

function padOf(op: Extract<Op, { kind: 'conv2d' }>): number | number[][] {
  if (op.dilations.some((step) => step > 1)) throw new Unsupported('dilation');
  const [top, left, bottom, right] = op.pads;
  if (op.pads.every((pad) => pad === top)) return top;
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

function checkPool(op: Extract<Op, { kind: 'maxPool' }>): void {
  if (op.pads.some((pad) => pad > 0) || op.ceilMode) throw new Unsupported('pooling with padding');
}

/** Its window is symmetric and its alpha is not divided by the window's size. */
function lrnOf(op: Extract<Op, { kind: 'lrn' }>) {
  if (op.size % 2 === 0) throw new Unsupported('LRN over an even number of channels');
  return { radius: (op.size - 1) / 2, bias: op.bias, alpha: op.alpha / op.size, beta: op.beta };
}

async function prepareForward(runner: Runner, work: Work): Promise<Prepared> {
  const { tf } = runner;
  const parameters = parametersOf(runner, work);
  const x = channelsLast(tf, work.x(), work.inputShape);
  let output = new Float32Array();
  return {
    async run() {
      const y = tf.tidy(() => work.network.nodes.reduce((values, node) => layer(tf, node, values, parameters), x));
      output = (await runner.wait(y.data())) as Float32Array<ArrayBuffer>;
      y.dispose();
    },
    outputs: async () => new Map([['output', channelsFirst(output, work.outputShape)]]),
    dispose: () => release(parameters, x),
  };
}

async function prepareGradient(runner: Runner, work: Work): Promise<Prepared> {
  const { tf } = runner;
  const { direction } = work;
  const [
    {
      op,
      parameters: { weight = '' },
    },
  ] = work.network.nodes;
  const parameters = parametersOf(runner, work);
  const weights = parameters.get(weight) ?? [];
  const x = channelsLast(tf, work.x(), work.inputShape);
  const dy = channelsLast(tf, work.dy(), work.outputShape);
  const kernel = (name: string, inputs: Record<string, Tensor>, attributes: object) =>
    tf.engine().runKernel(name, inputs, attributes);
  const kept: Tensor[] = [x, dy];
  let compute: () => Tensor;
  /** shape of the gradient in our order */
  let shape = work.inputShape;
  if (direction === 'gradient of weight') shape = work.network.parameters.get(weight)!.shape;

  if (op.kind === 'conv2d') {
    if (op.groups > 1) throw new Unsupported('no gradients of grouped convolutions');
    const common = { strides: op.strides, pad: padOf(op), dataFormat: 'NHWC', dimRoundingMode: undefined };
    const [filter] = weights;
    compute =
      direction === 'gradient of input'
        ? () => kernel('Conv2DBackpropInput', { dy, filter }, { ...common, inputShape: x.shape })
        : () => kernel('Conv2DBackpropFilter', { x, dy }, { ...common, filterShape: filter.shape });
  } else if (op.kind === 'linear') {
    if (weights.length > 1) throw new Unsupported('the weight passes the binding limit');
    const [w] = weights;
    compute = direction === 'gradient of input' ? () => tf.matMul(dy, w) : () => tf.matMul(dy, x, true, false);
  } else if (op.kind === 'lrn') {
    const { radius: depthRadius, ...rest } = lrnOf(op);
    const y = tf.localResponseNormalization(x, depthRadius, rest.bias, rest.alpha, rest.beta);
    kept.push(y);
    compute = () => kernel('LRNGrad', { x, y, dy }, { depthRadius, ...rest });
  } else if (op.kind === 'maxPool') {
    checkPool(op);
    const output = tf.maxPool(x, op.kernel, op.strides, 0);
    kept.push(output);
    const attributes = { filterSize: op.kernel, strides: op.strides, pad: 0, dimRoundingMode: undefined };
    compute = () => kernel('MaxPoolGrad', { dy, input: x, output }, attributes);
  } else throw new Unsupported(`no gradient kernel of ${op.kind}`);

  let gradient: Tensor | undefined;
  return {
    async run() {
      gradient?.dispose();
      gradient = compute();
      await runner.done();
    },
    async outputs() {
      const values = await runner.wait(gradient!.data());
      const filters = op.kind === 'conv2d' && direction === 'gradient of weight';
      if (!filters) return new Map([['gradient', channelsFirst(values, shape)]]);
      const [out, into, height, width] = shape;
      return new Map([['gradient', permuted(values, [height, width, into, out], [3, 2, 0, 1])]]);
    },
    dispose() {
      gradient?.dispose();
      release(parameters, ...kept);
    },
  };
}

/** A tensor of values in our order of dimensions, [N, C, H, W], in tfjs's. */
function channelsLast(tf: Tf, values: Float32Array, shape: readonly number[]): Tensor {
  if (shape.length !== 4) return tf.tensor(values, shape);
  const [batch, channels, height, width] = shape;
  return tf.tensor(permuted(values, shape, [0, 2, 3, 1]), [batch, height, width, channels]);
}

/** @param shape in our order of dimensions */
function channelsFirst(values: Float32Array, shape: readonly number[]): Float32Array {
  if (shape.length !== 4) return values;
  const [batch, channels, height, width] = shape;
  return permuted(values, [batch, height, width, channels], [0, 3, 1, 2]);
}

/** The array with its four dimensions in another order: dimension i of the result is `order[i]` of the array. */
export function permuted(
  values: Float32Array,
  shape: readonly number[],
  order: readonly number[],
): Float32Array<ArrayBuffer> {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, extent) => product * extent, 1));
  const [s0, s1, s2, s3] = order.map((i) => strides[i]);
  const [n0, n1, n2, n3] = order.map((i) => shape[i]);
  const result = new Float32Array(values.length);
  let at = 0;
  for (let a = 0; a < n0; a++)
    for (let b = 0; b < n1; b++)
      for (let c = 0; c < n2; c++)
        for (let d = 0, from = a * s0 + b * s1 + c * s2; d < n3; d++, from += s3) result[at++] = values[from];
  return result;
}

function release(parameters: Parameters, ...tensors: Tensor[]): void {
  for (const tensor of [...[...parameters.values()].flat(), ...tensors]) tensor.dispose();
}
