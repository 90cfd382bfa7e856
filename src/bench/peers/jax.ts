/**
 * jax-js on its WebGPU backend. Its arrays count references: each use takes one, `.ref` makes another. It has no local
 * response normalisation, which is composed, and binds matrices whole, so those over the limit are given in parts.
 */
import { adapterName, chooseAdapter } from '../../gpu/adapter.ts';
import { offerAsNavigator } from '../../gpu/node.ts';
import { Waiter } from '../../gpu/wait.ts';
import type { Node } from '../../models/network.ts';
import { type Load, type Peer, type Prepared, Unsupported, versionOf } from './peer.ts';
import { difference, firstAndLastWeight, training, type Work } from './work.ts';

interface Jax {
  init(device: string): Promise<string[]>;
  defaultDevice(device: string): string;
  jit<F>(f: F): F & { dispose(): void };
  vjp(f: (...x: JaxArray[]) => JaxArray, primals: JaxArray[]): [JaxArray, Pullback];
  valueAndGrad<T>(f: (first: T, ...rest: JaxArray[]) => JaxArray): (first: T, ...rest: JaxArray[]) => [JaxArray, T];
  blockUntilReady<T>(tree: T): Promise<T>;
  readonly tree: { ref<T>(tree: T): T; dispose(tree: unknown): void };
  readonly numpy: {
    array(values: ArrayLike<number>, options: { shape: readonly number[] }): JaxArray;
    zeros(shape: readonly number[]): JaxArray;
    concatenate(parts: JaxArray[], axis: number): JaxArray;
    pad(x: JaxArray, widths: [number, number][]): JaxArray;
    power(x: JaxArray, exponent: number): JaxArray;
    sum(x: JaxArray): JaxArray;
    max(x: JaxArray): JaxArray;
  };
  readonly lax: {
    convGeneralDilated(
      x: JaxArray,
      w: JaxArray,
      strides: readonly number[],
      pads: number[][],
      options: { rhsDilation: readonly number[]; featureGroupCount: number },
    ): JaxArray;
    dot(a: JaxArray, b: JaxArray, dims: { lhsContractingDims: number[]; rhsContractingDims: number[] }): JaxArray;
    reduceWindow(
      x: JaxArray,
      f: (x: JaxArray) => JaxArray,
      window: readonly number[],
      strides: readonly number[],
    ): JaxArray;
  };
  readonly nn: { relu(x: JaxArray): JaxArray; logSoftmax(x: JaxArray, axis: number): JaxArray };
}

interface JaxArray {
  readonly ref: JaxArray;
  readonly shape: readonly number[];
  add(other: JaxArray | number): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  slice(...ranges: (readonly number[])[]): JaxArray;
  data(): Promise<Float32Array>;
  dispose(): void;
}

interface Pullback {
  (dy: JaxArray): JaxArray[];
  dispose(): void;
}

/** A parameter in parts of whole rows, none over the binding limit. */
type Parameters = Record<string, JaxArray[]>;

export async function openJax(load: Load, wish: string | undefined): Promise<Peer> {
  const { instance, adapter } = await chooseAdapter(wish);
  offerAsNavigator(instance);
  const jax = load<Jax>('@jax-js/jax');
  if (!(await jax.init('webgpu')).includes('webgpu')) throw new Error('jax-js found no WebGPU');
  jax.defaultDevice('webgpu');
  const version = versionOf(load, '@jax-js/jax');
  const limit = adapter.limits.maxStorageBufferBindingSize;
  const waiter = new Waiter();
  const runner = { jax, limit, wait: <T>(promise: Promise<T>) => waiter.wait(promise) };
  return {
    version,
    adapter: adapterName(adapter.info),
    prepare: (work) => {
      if (work.direction === 'training step') return prepareTraining(runner, work);
      return work.direction === 'forward' ? prepareForward(runner, work) : prepareGradient(runner, work);
    },
  };
}

interface Runner {
  readonly jax: Jax;
  readonly limit: number;
  readonly wait: <T>(promise: Promise<T>) => Promise<T>;
}

function parametersOf({ jax, limit }: Runner, { network }: Work): Parameters {
  return Object.fromEntries(
    [...network.parameters].map(([name, { shape, data }]) => {
      const rowSize = data.length / shape[0];
      const rows = Math.min(shape[0], Math.floor(limit / (4 * rowSize)));
      const parts: JaxArray[] = [];
      for (let first = 0; first < shape[0]; first += rows) {
        const count = Math.min(rows, shape[0] - first);
        const values = data.slice(first * rowSize, (first + count) * rowSize);
        parts.push(jax.numpy.array(values, { shape: [count, ...shape.slice(1)] }));
      }
      return [name, parts];
    }),
  );
}

function forward(jax: Jax, nodes: readonly Node[], x: JaxArray, parameters: Parameters): JaxArray {
  return nodes.reduce((values, node) => layer(jax, node, values, parameters), x);
}

function layer(jax: Jax, node: Node, x: JaxArray, parameters: Parameters): JaxArray {
  const { op } = node;
  const named = (name: string | undefined) => (name === undefined ? [] : parameters[name]);
  const weights = named(node.parameters['weight']);
  const [bias] = named(node.parameters['bias']);
  switch (op.kind) {
    case 'conv2d': {
      const [top, left, bottom, right] = op.pads;
      const pads = [
        [top, bottom],
        [left, right],
      ];
      const options = { rhsDilation: op.dilations, featureGroupCount: op.groups };
      const y = jax.lax.convGeneralDilated(x, weights[0], op.strides, pads, options);
      return bias === undefined ? y : y.add(bias.reshape([1, y.shape[1], 1, 1]));
    }
    case 'linear': {
      const contract = { lhsContractingDims: [1], rhsContractingDims: [1] };
      const parts = weights.map((weight, i) => jax.lax.dot(i < weights.length - 1 ? x.ref : x, weight, contract));
      const y = parts.length === 1 ? parts[0] : jax.numpy.concatenate(parts, 1);
      return bias === undefined ? y : y.add(bias);
    }
    case 'relu':
      return jax.nn.relu(x);
    case 'maxPool':
      if (op.pads.some((pad) => pad > 0) || op.ceilMode) throw new Unsupported('pooling with padding');
      return jax.lax.reduceWindow(x, jax.numpy.max, op.kernel, op.strides);
    case 'lrn': {
      const below = Math.floor((op.size - 1) / 2);
      const [, channels] = x.shape;
      const squares = jax.numpy.pad(x.ref.mul(x.ref), [
        [0, 0],
        [below, op.size - 1 - below],
        [0, 0],
        [0, 0],
      ]);
      let sum = squares.ref.slice([], [0, channels]);
      for (let i = 1; i < op.size; i++) sum = sum.add(squares.ref.slice([], [i, i + channels]));
      squares.dispose();
      return x.mul(jax.numpy.power(sum.mul(op.alpha / op.size).add(op.bias), -op.beta));
    }
    case 'flatten':
      return x.reshape([x.shape[0], x.shape.slice(1).reduce((product, extent) => product * extent, 1)]);
  }
  throw new Unsupported(`no layer of kind ${op.kind}`);
}

async function prepareForward(runner: Runner, work: Work): Promise<Prepared> {
  const { jax, wait } = runner;
  const parameters = parametersOf(runner, work);
  const x = jax.numpy.array(work.x(), { shape: work.inputShape });
  const compiled = jax.jit((given: Parameters, image: JaxArray) => forward(jax, work.network.nodes, image, given));
  let output = new Float32Array();
  return {
    async run() {
      output = (await wait(compiled(jax.tree.ref(parameters), x.ref).data())) as Float32Array<ArrayBuffer>;
    },
    outputs: async () => new Map([['output', output]]),
    dispose: () => release(jax, compiled, parameters, x),
  };
}

/** The pullback of one layer, compiled; what it does not need of the forward pass falls away in compilation. */
async function prepareGradient(runner: Runner, work: Work): Promise<Prepared> {
  const { jax, wait } = runner;
  const { nodes } = work.network;
  const parameters = parametersOf(runner, work);
  const x = jax.numpy.array(work.x(), { shape: work.inputShape });
  const dy = jax.numpy.array(work.dy(), { shape: work.outputShape });
  const { weight = '' } = nodes[0].parameters;
  const ofInput = work.direction === 'gradient of input';
  const compiled = jax.jit((given: Parameters, image: JaxArray, upstream: JaxArray) => {
    const [y, pullback] = ofInput
      ? jax.vjp((varied) => forward(jax, nodes, varied, given), [image])
      : jax.vjp((...parts) => forward(jax, nodes, image, { ...given, [weight]: parts }), given[weight]);
    y.dispose();
    const gradients = pullback(upstream);
    pullback.dispose();
    return gradients;
  });
  let gradients: JaxArray[] = [];
  return {
    async run() {
      jax.tree.dispose(gradients);
      gradients = compiled(jax.tree.ref(parameters), x.ref, dy.ref);
      await wait(jax.blockUntilReady(gradients));
    },
    outputs: async () => new Map([['gradient', await joined(gradients)]]),
    dispose: () => release(jax, compiled, parameters, x, dy, gradients),
  };
}

async function prepareTraining(runner: Runner, work: Work): Promise<Prepared> {
  const { jax, wait } = runner;
  const { nodes, parameters: initial } = work.network;
  const classes = work.outputShape[1];
  const oneHot = new Float32Array(work.batch * classes);
  for (const [i, label] of work.labels().entries()) oneHot[i * classes + label] = 1;
  const x = jax.numpy.array(work.x(), { shape: work.inputShape });
  const targets = jax.numpy.array(oneHot, { shape: work.outputShape });
  const decayed = new Set(nodes.map(({ parameters }) => parameters['weight']));
  const { learningRate, momentum, weightDecay } = training;

  const lossOf = (given: Parameters, image: JaxArray, wanted: JaxArray) => {
    const logits = forward(jax, nodes, image, given);
    return jax.numpy.sum(jax.nn.logSoftmax(logits, 1).mul(wanted)).mul(-1 / work.batch);
  };
  const step = jax.jit((given: Parameters, velocity: Parameters, image: JaxArray, wanted: JaxArray) => {
    const [loss, gradients] = jax.valueAndGrad(lossOf)(jax.tree.ref(given), image, wanted);
    const weights: Parameters = {};
    const velocities: Parameters = {};
    for (const [name, parts] of Object.entries(given)) {
      velocities[name] = parts.map((part, i) => {
        const gradient = decayed.has(name) ? gradients[name][i].add(part.ref.mul(weightDecay)) : gradients[name][i];
        return velocity[name][i].mul(momentum).add(gradient.mul(-learningRate));
      });
      weights[name] = parts.map((part, i) => part.add(velocities[name][i].ref));
    }
    return [loss, weights, velocities] as const;
  });

  let weights = parametersOf(runner, work);
  let velocities: Parameters = Object.fromEntries(
    Object.entries(weights).map(([name, parts]) => [name, parts.map(({ shape }) => jax.numpy.zeros(shape))]),
  );
  let value = Number.NaN;
  return {
    async run() {
      let loss: JaxArray;
      [loss, weights, velocities] = step(weights, velocities, x.ref, targets.ref);
      await wait(jax.blockUntilReady([weights, velocities]));
      [value] = await wait(loss.data());
    },
    async outputs() {
      const results = new Map([['loss', Float32Array.of(value)]]);
      for (const name of firstAndLastWeight(work)) {
        const after = await joined(weights[name].map((part) => part.ref));
        results.set(`change of ${name}`, difference(after, initial.get(name)!.data));
      }
      return results;
    },
    dispose: () => release(jax, step, weights, velocities, x, targets),
  };
}

/** The values of a parameter's parts, one after the other; takes their references. */
async function joined(parts: readonly JaxArray[]): Promise<Float32Array<ArrayBuffer>> {
  const values = await Promise.all(parts.map((part) => part.ref.data()));
  const all = new Float32Array(values.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of values) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function release(jax: Jax, compiled: { dispose(): void }, ...trees: unknown[]): void {
  compiled.dispose();
  for (const tree of trees) jax.tree.dispose(tree);
}
