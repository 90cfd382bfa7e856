/**
 * One piece of work that frostline and every peer are given: a whole network or one layer of it, and a direction. It
 * travels between processes as its description; each makes the same network and the same random values by itself.
 */
import { FrostlineError } from '../../errors.ts';
import { heUniform } from '../../models/initialise.ts';
import { type Network, type Node, rolesOf } from '../../models/network.ts';
import { inferShapes } from '../../models/shapes.ts';
import { alexnet, alexnetSmall, vgg16 } from '../../models/tables.ts';
import { noise } from '../noise.ts';

export const directions = ['forward', 'gradient of input', 'gradient of weight', 'training step'] as const;
export type Direction = (typeof directions)[number];

export interface WorkCase {
  /** 'alexnet', 'alexnet-small', 'vgg16', or 'gemm': a square matrix product of the batch's extent */
  readonly network: string;
  /** one layer of it; the whole network where left out */
  readonly layer?: string;
  readonly batch: number;
  readonly direction: Direction;
  /** dropout layers stay, whose draws no two frameworks share: for what is not compared */
  readonly dropout?: boolean;
}

export const workName = ({ network, batch, layer, direction }: WorkCase) =>
  [network, batch, layer, direction].filter((part) => part !== undefined).join(' ');

/** SGD with momentum as every peer does it: v <- momentum v - rate (gradient + decay weight), weights only; w <- w + v. */
export const training = { learningRate: 1e-3, momentum: 0.9, weightDecay: 1e-4 } as const;

export interface Work {
  readonly direction: Direction;
  readonly batch: number;
  /** without dropout, unless asked for, and without the softmax that the loss contains */
  readonly network: Network;
  readonly inputShape: readonly number[];
  readonly outputShape: readonly number[];
  /** the input */
  x(): Float32Array<ArrayBuffer>;
  /** dL/d output for the gradients */
  dy(): Float32Array<ArrayBuffer>;
  /** a class an image, for the training step */
  labels(): Uint32Array<ArrayBuffer>;
}

const tables: Readonly<Record<string, () => Network>> = { alexnet, 'alexnet-small': alexnetSmall, vgg16 };

/** LRN changes little unless its inputs are as large as those that images of 0 to 255 give. */
const INPUT_SCALE = { lrn: 100, network: 32, other: 1 } as const;

export function workOf({ network: name, layer, batch, direction, dropout = false }: WorkCase): Work {
  const left = ['softmax', ...(dropout ? [] : ['dropout'])];
  const whole = name === 'gemm' ? matrixProduct(batch) : without(left, tableOf(name)());
  const network = layer === undefined ? whole : oneLayer(whole, layer);
  const [input] = network.inputs;
  const inputShape = [batch, ...input.shape];
  const outputShape = inferShapes(network, batch).get(network.outputs[0])!;
  const size = (shape: readonly number[]) => shape.reduce((product, extent) => product * extent, 1);
  const kind = network.nodes.length > 1 ? 'network' : network.nodes[0].op.kind === 'lrn' ? 'lrn' : 'other';
  const classes = outputShape.at(-1)!;
  return {
    direction,
    batch,
    network,
    inputShape,
    outputShape,
    x: () => noise(size(inputShape), 1, INPUT_SCALE[kind]),
    dy: () => noise(size(outputShape), 2),
    labels: () => Uint32Array.from({ length: batch }, (_, i) => (37 * i + 5) % classes),
  };
}

/**
 * The cases of one kind of work: the matrix product of 768; or a network's distinct layers, its forward pass and its
 * training step. VGG16 is measured whole and forward only: its layers and its training take peers minutes each.
 */
export function peerCases(name: string, { batch, quick }: { batch?: readonly number[]; quick: boolean }): WorkCase[] {
  if (name === 'gemm') return [{ network: name, batch: 768, direction: 'forward' }];
  const whole = (size: number, direction: Direction): WorkCase => ({ network: name, batch: size, direction });
  if (name === 'vgg16') return (batch ?? [2]).map((size) => whole(size, 'forward'));
  return (batch ?? [10]).flatMap((size) => [
    ...layerCases(name, size).filter(({ layer }) => !quick || layer === 'conv3'),
    whole(size, 'forward'),
    whole(size, 'training step'),
  ]);
}

/** The distinct layers of a network, forward and every gradient that its training needs. */
export function layerCases(name: string, batch: number): WorkCase[] {
  const network = tableOf(name)();
  const shapes = inferShapes(network, 1);
  const seen = new Set<string>();
  const cases: WorkCase[] = [];
  for (const node of network.nodes) {
    if (!['conv2d', 'linear', 'lrn', 'maxPool', 'relu'].includes(node.op.kind)) continue;
    const weight = network.parameters.get(node.parameters['weight'] ?? '')?.shape;
    const key = JSON.stringify([node.op, shapes.get(node.inputs[0]), weight]);
    if (seen.has(key)) continue;
    seen.add(key);
    const first = node.inputs[0] === network.inputs[0].name;
    const wanted: Direction[] = ['forward', 'gradient of input', 'gradient of weight'];
    for (const direction of wanted) {
      if (direction === 'gradient of input' && first) continue;
      if (direction === 'gradient of weight' && weight === undefined) continue;
      cases.push({ network: name, layer: node.name, batch, direction });
    }
  }
  return cases;
}

function tableOf(name: string): () => Network {
  const table = tables[name];
  if (table === undefined) {
    throw new FrostlineError(`No network '${name}'; there are ${Object.keys(tables).join(', ')} and gemm.`);
  }
  return table;
}

function matrixProduct(size: number): Network {
  const parameters = { weight: 'weight' };
  const node: Node = { op: { kind: 'linear' }, name: 'gemm', inputs: ['x'], outputs: ['gemm'], parameters };
  return {
    name: 'gemm',
    inputs: [{ name: 'x', shape: [size] }],
    outputs: ['gemm'],
    nodes: [node],
    parameters: new Map([['weight', heUniform([size, size], 1, 'weight')]]),
  };
}

function without(kinds: readonly string[], network: Network): Network {
  const renamed = new Map<string, string>();
  const nodes: Node[] = [];
  for (const node of network.nodes) {
    const inputs = node.inputs.map((name) => renamed.get(name) ?? name);
    if (kinds.includes(node.op.kind)) renamed.set(node.outputs[0], inputs[0]);
    else nodes.push({ ...node, inputs });
  }
  return { ...network, nodes, outputs: network.outputs.map((name) => renamed.get(name) ?? name) };
}

function oneLayer(network: Network, name: string): Network {
  const node = network.nodes.find((candidate) => candidate.name === name);
  if (node === undefined) throw new FrostlineError(`${network.name} has no layer '${name}'.`);
  const [input] = node.inputs;
  const shape = inferShapes(network, 1).get(input)!.slice(1);
  const used = Object.values(rolesOf(node));
  return {
    name: `${network.name} ${name}`,
    inputs: [{ name: input, shape }],
    outputs: node.outputs,
    nodes: [node],
    parameters: new Map(used.map((parameter) => [parameter, network.parameters.get(parameter)!])),
  };
}

/** The weights whose change is compared: an error anywhere on the way back shows in one of them. */
export function firstAndLastWeight({ network }: Work): string[] {
  const weights = network.nodes.flatMap(({ parameters }) => parameters['weight'] ?? []);
  return [weights[0], weights.at(-1)!];
}

export function difference(after: ArrayLike<number>, before: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: after.length }, (_, i) => after[i] - before[i]);
}
