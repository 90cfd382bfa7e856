/** A model here and elsewhere, layer by layer: which is the first to give other numbers? */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { compile } from '../graph/compile.ts';
import type { OnnxModel } from '../onnx/model.ts';
import { OnnxTensor } from '../onnx/tensor.ts';
import { Random } from '../random.ts';
import { buildNetwork, parametersOf } from './build.ts';
import { type BoundNetwork, bindInputs, type GivenTensor } from './infer.ts';
import { inlineFunctions } from './inline-functions.ts';
import { modelInputs } from './inputs.ts';
import type { Node } from './network.ts';
import type { FloatTensor, LoadedModel } from './onnxruntime.ts';

/** Another implementation. */
export type Reference = (model: OnnxModel) => Promise<LoadedModel>;

export interface LayerDifference {
  readonly number?: number;
  readonly layer: string;
  readonly kind: Node['op']['kind'];
  /** the value's name in the file */
  readonly value: string;
  readonly shape: readonly number[];
  /** largest |here - there| */
  readonly absolute: number;
  /** largest |here - there| / (|there| + r), r the root mean square of the tensor there: sums may cancel to about 0 */
  readonly relative: number;
  /** where `relative` is largest, and both values there */
  readonly index: readonly number[];
  readonly here: number;
  readonly there: number;
  readonly departs: boolean;
}

export interface ModelDifference {
  readonly layers: readonly LayerDifference[];
  /**
   * layers whose values the reference does not make, by name: dropout that was put back, another version's other names.
   * Nothing was compared there
   */
  readonly leftOut: readonly string[];
}

export interface DiffOptions {
  /** largest relative difference that is no departure. Default 1e-4 */
  readonly rtol?: number;
  /** what the reference runs, where it is not the same model: a version with the same values by name */
  readonly referenceModel?: OnnxModel;
}

/**
 * Compares every layer's result with a reference's, in the order of the network. Values that have no counterpart are left
 * out. Several nodes of the file that are one layer here are compared by the last one's value.
 *
 * @param given all inputs of the model
 * @throws FrostlineError as `bindInputs` and the reference do, and where batch and file do not fit
 */
export async function diffLayers(
  gpu: Gpu,
  from: OnnxModel,
  given: ReadonlyMap<string, GivenTensor>,
  reference: Reference,
  { rtol = 1e-4, referenceModel: against = from }: DiffOptions = {},
): Promise<ModelDifference> {
  const [model, referenceModel] = [inlineFunctions(from), inlineFunctions(against)];
  const bound = bindInputs(model, given);
  const made = new Set(referenceModel.graph.nodes.flatMap(({ outputs }) => outputs));
  const nodes = bound.network.nodes.filter(({ outputs: [output] }) => made.has(output));
  const leftOut = bound.network.nodes.filter(({ outputs: [output] }) => !made.has(output)).map(({ name }) => name);
  if (nodes.length === 0)
    throw new FrostlineError('The two models have no value of one name: there is nothing to compare.');
  const tapped = withOutputs(
    referenceModel,
    nodes.map(({ outputs: [output] }) => output),
  );
  const loaded = await reference(tapped);
  const theirs = await runInBatches(loaded, tapped, given, bound).finally(() => loaded.release());
  const differences: LayerDifference[] = [];
  await eachValue(gpu, bound, nodes, ({ name, number, op, outputs: [output] }, shape, here) => {
    const there = theirs.get(output)!;
    if (String(there.dims) !== String(shape)) {
      throw new FrostlineError(`'${output}' (layer ${name}) has shape [${shape}] here and [${there.dims}] there.`);
    }
    const difference = largestDifference(here, there.data);
    differences.push({
      number,
      layer: name,
      kind: op.kind,
      value: output,
      shape,
      absolute: difference.absolute,
      relative: difference.relative,
      index: coordinates(shape, difference.at),
      here: here[difference.at],
      there: there.data[difference.at],
      departs: !(difference.relative <= rtol),
    });
  });
  return { layers: differences, leftOut };
}

/** Standard normal values for every input, of the sizes in the file. Without a batch the file's, or 1. */
export function randomInputs(model: OnnxModel, seed: number, batch?: number): Map<string, GivenTensor> {
  return new Map(
    modelInputs(model).map(({ name, dims = [] }, i) => {
      const [first, ...rest] = dims;
      const open = rest.find((dim) => typeof dim !== 'number');
      if (dims.length === 0 || rest.some((dim) => typeof dim !== 'number')) {
        throw new FrostlineError(
          `the model's input '${name}' has the shape [${dims.map((dim) => dim ?? '?').join(', ')}]${open === undefined ? '' : `, where ${open} is open`}. Give it a tensor with --input.`,
        );
      }
      const shape = [batch ?? (typeof first === 'number' ? first : 1), ...(rest as number[])];
      const random = new Random(seed, i);
      const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal());
      return [name, { tensor: OnnxTensor.of(name, shape, 'float32', values), source: 'random values' }];
    }),
  );
}

/** The model with these values as its outputs. */
export function withOutputs(model: OnnxModel, values: readonly string[]): OnnxModel {
  const outputs = values.map((name) => ({ name, dataType: 'float32' as const, dims: undefined }));
  return { ...model, graph: { ...model.graph, outputs } };
}

/** Runs the reference; a file that was exported for another batch takes that many items at a time. */
export async function runInBatches(
  loaded: LoadedModel,
  model: OnnxModel,
  given: ReadonlyMap<string, GivenTensor>,
  { batch, oneItem, inputs }: Omit<BoundNetwork, 'network'>,
): Promise<ReadonlyMap<string, FloatTensor>> {
  const tensors = [...given].map(([name, { tensor }]) => [name, tensor] as const);
  const declared = modelInputs(model).find(({ name }) => inputs.has(name))?.dims?.[0];
  const size = typeof declared === 'number' && !oneItem ? declared : batch;
  if (size === batch) return loaded.run(new Map(tensors));
  if (batch % size !== 0) {
    throw new FrostlineError(`The file has a batch of ${size} baked in; ${batch} items are no multiple of it.`);
  }
  const parts: (readonly [string, FloatTensor])[][] = [];
  for (let first = 0; first < batch; first += size) {
    const slice = tensors.map(
      ([name, tensor]) => [name, inputs.has(name) ? items(tensor, first, size) : tensor] as const,
    );
    parts.push([...(await loaded.run(new Map(slice)))]);
  }
  return new Map(parts[0].map(([name], i) => [name, joined(parts.map((part) => part[i][1]))]));
}

function items(tensor: OnnxTensor, first: number, count: number): OnnxTensor {
  const length = tensor.size / tensor.dims[0];
  const values = tensor.toFloat32().slice(first * length, (first + count) * length);
  return OnnxTensor.of(tensor.name, [count, ...tensor.dims.slice(1)], 'float32', values);
}

function joined(parts: readonly FloatTensor[]): FloatTensor {
  const [{ dims }] = parts;
  const length = parts[0].data.length;
  const data = new Float32Array(length * parts.length);
  parts.forEach((part, i) => {
    data.set(part.data, i * length);
  });
  return { dims: [dims[0] * parts.length, ...dims.slice(1)], data };
}

/** Runs the network and hands out each node's result, one in memory at a time. */
async function eachValue(
  gpu: Gpu,
  { network, batch, oneItem, inputs }: BoundNetwork,
  nodes: readonly Node[],
  visit: (node: Node, shape: readonly number[], values: Float32Array) => void,
): Promise<void> {
  const parameters = parametersOf(network);
  try {
    const built = buildNetwork(network, { batch, parameters });
    const tensors = nodes.map(({ outputs: [output] }) => built.values.get(output)!);
    // An identity's value is its input's; an input's is on the host.
    const computed = tensors.filter((tensor) => tensor.source !== undefined);
    const graph = await compile(gpu, { outputs: [...new Set(computed)] });
    try {
      for (const [name, tensor] of built.inputs) {
        if (computed.length > 0) graph.write(tensor, inputs.get(name)!.toFloat32() as Float32Array<ArrayBuffer>);
      }
      await graph.run();
      for (const [i, node] of nodes.entries()) {
        const { shape, source, name } = tensors[i];
        const values = source === undefined ? inputs.get(name)!.toFloat32() : await graph.read(tensors[i]);
        visit(node, oneItem ? shape.slice(1) : shape, values);
      }
    } finally {
      graph.destroy();
    }
  } finally {
    for (const parameter of parameters.values()) parameter.release(gpu);
  }
}

/**
 * The largest differences of two tensors, as in `LayerDifference`, and the place of the relative one. Equal infinities
 * and NaN are none, a NaN on one side is infinite.
 */
export function largestDifference(
  here: Float32Array,
  there: Float32Array,
): { absolute: number; relative: number; at: number } {
  let squares = 0;
  for (const value of there) if (Number.isFinite(value)) squares += value * value;
  const rms = Math.sqrt(squares / there.length);
  let [absolute, relative, at] = [0, 0, 0];
  for (let i = 0; i < here.length; i++) {
    if (here[i] === there[i] || Object.is(here[i], there[i])) continue;
    const difference = Math.abs(here[i] - there[i]);
    const share = difference / (Math.abs(there[i]) + rms);
    absolute = Math.max(absolute, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
    if (share <= relative) continue;
    if (relative < Number.POSITIVE_INFINITY) at = i;
    relative = Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
  }
  return { absolute, relative, at };
}

function coordinates(shape: readonly number[], index: number): number[] {
  const result: number[] = [];
  let rest = index;
  for (const extent of shape.toReversed()) {
    result.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return result;
}
