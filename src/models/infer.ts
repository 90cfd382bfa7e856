/** Running any supported ONNX graph on tensors, every input by its name. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { compile } from '../graph/compile.ts';
import type { Dim, OnnxModel, ValueInfo } from '../onnx/model.ts';
import { OnnxTensor } from '../onnx/tensor.ts';
import { buildNetwork, parametersOf } from './build.ts';
import { imageLayout } from './image-layout.ts';
import { importOnnx } from './import-onnx.ts';
import { inlineFunctions } from './inline-functions.ts';
import { modelInputs } from './inputs.ts';
import { liveNodes as neededNodes, readsOf } from './live-nodes.ts';
import type { Network, Pair } from './network.ts';
import { Constants } from './onnx-constants.ts';

/** A tensor as the user gives it. */
export interface GivenTensor {
  readonly tensor: OnnxTensor;
  /** Where it comes from, for messages. */
  readonly source: string;
}

export interface ResultTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

export interface BoundNetwork {
  readonly network: Network;
  readonly batch: number;
  /** The graph mixes the items of its batch: it is read as one item, and shapes are without a batch. */
  readonly oneItem?: boolean;
  /** Values of the network's inputs; what stands in the place of a weight has become a parameter. */
  readonly inputs: ReadonlyMap<string, OnnxTensor>;
}

export interface BindOptions {
  /** height and width of the first input in place of the file's */
  readonly inputSize?: Pair;
  /** names of the outputs that are wanted, where not all are */
  readonly outputs?: readonly string[];
}

/** Types whose values become float32; integers are refused, for nothing says how they should be scaled. */
const floats = ['float32', 'float16', 'bfloat16', 'float64'];

/**
 * The network of a model, for these inputs: sizes that the file leaves open are the tensors'. Inputs that the graph
 * uses as weights, biases or shapes are taken as constants, as is a new value for an initialiser that the file lists
 * among its inputs.
 *
 * @throws FrostlineError when an input is missing, unknown, or of another type or shape than the model declares
 */
export function bindInputs(
  from: OnnxModel,
  given: ReadonlyMap<string, GivenTensor>,
  { inputSize, outputs }: BindOptions = {},
): BoundNetwork {
  const model = inlineFunctions(from);
  const { graph } = model;
  const needed = neededNodes(graph.nodes, outputs ?? graph.outputs.map(({ name }) => name));
  const names = modelInputs(model).map(({ name }) => name);
  const missing = names.find((name) => !given.has(name) && needed.some((node) => readsOf(node).includes(name)));
  if (missing !== undefined) {
    throw new FrostlineError(`the input '${missing}' is not given. The model's inputs are ${names.join(', ')}.`);
  }
  const initializers = new Map(graph.initializers);
  const inputs = new Map<string, OnnxTensor>();
  for (const [name, { tensor, source }] of given) {
    const declared = graph.inputs.find((input) => input.name === name);
    if (declared === undefined) {
      const why = initializers.has(name) ? 'is a constant of the model' : 'is no input of the model';
      throw new FrostlineError(`${source}: '${name}' ${why}. Its inputs are ${names.join(', ')}.`);
    }
    if (initializers.has(name) || isConstant(name, model, given)) {
      checkShape(declared, given.get(name)!, declared.dims, 0);
      initializers.set(name, new OnnxTensor(name, tensor.dims, tensor.dataType, () => tensor.data));
      continue;
    }
    const dims = name === names[0] ? resized(model, declared, inputSize) : declared.dims;
    checkType(declared, given.get(name)!);
    checkShape(declared, given.get(name)!, dims, 1);
    inputs.set(name, tensor);
  }
  const bound = { ...model, graph: { ...graph, initializers } };
  try {
    return { ...batchFirst(bound, given, inputs, outputs), inputs };
  } catch (error) {
    if (!(error instanceof FrostlineError)) throw error;
    // Softmax over the batch, products of whole matrices: the same numbers, the graph taken as it stands.
    const network = oneItem(bound, inputs, outputs);
    if (network === undefined) throw error;
    return { network, batch: 1, oneItem: true, inputs };
  }
}

/** The sizes of the first input with another height and width, wherever they stand. */
function resized(model: OnnxModel, { name, dims }: ValueInfo, size: Pair | undefined): ValueInfo['dims'] {
  if (size === undefined || dims?.length !== 4) return dims;
  const first = imageLayout(model.graph.nodes, name, dims, new Constants(model.graph.initializers)) === 'NHWC' ? 1 : 2;
  return dims.map((dim, axis) => size[axis - first] ?? dim);
}

/** The network whose activations all have the batch first, and the batch of these inputs. */
function batchFirst(
  model: OnnxModel,
  given: ReadonlyMap<string, GivenTensor>,
  inputs: ReadonlyMap<string, OnnxTensor>,
  outputs: readonly string[] | undefined,
): { network: Network; batch: number } {
  const inputShapes = Object.fromEntries([...inputs].map(([name, { dims }]) => [name, dims.slice(1)]));
  const network = importOnnx(model, { inputShapes, outputs, asItStands: true });
  const [first, ...others] = network.inputs.map(({ name }) => ({ name, batch: inputs.get(name)!.dims[0] }));
  const other = others.find(({ batch }) => batch !== first.batch);
  if (other !== undefined) {
    throw new FrostlineError(
      `${given.get(first.name)!.source} holds ${first.batch} items for '${first.name}', ` +
        `${given.get(other.name)!.source} ${other.batch} for '${other.name}'. ` +
        'The first dimension of every input is the batch: make them equal.',
    );
  }
  return { network, batch: first.batch };
}

/** The network of the graph as one item, or undefined where that is refused too. */
function oneItem(
  model: OnnxModel,
  inputs: ReadonlyMap<string, OnnxTensor>,
  outputs: readonly string[] | undefined,
): Network | undefined {
  const inputShapes = Object.fromEntries([...inputs].map(([name, { dims }]) => [name, dims]));
  try {
    return importOnnx(model, { inputShapes, outputs, batchFirst: false, asItStands: true });
  } catch (error) {
    if (error instanceof FrostlineError) return undefined;
    throw error;
  }
}

/** Operators of two or more operands that may be activations, whichever comes first. */
const combining = ['Add', 'Sub', 'Mul', 'Div', 'Sum', 'Concat'];

/**
 * Whether the graph reads an input only where weights, biases, shapes and other constants stand: beside what depends on
 * another input. Inputs of one rank and batch whose elements are combined or joined are activations, and so are batches
 * of matrices; which of the two operands they are does not matter.
 */
function isConstant(name: string, model: OnnxModel, given: ReadonlyMap<string, GivenTensor>): boolean {
  const readers = model.graph.nodes.filter(({ inputs }) => inputs.includes(name));
  if (readers.length === 0) return false;
  const dependent = dependents(model, name);
  const own = given.get(name)!.tensor.dims;
  const batch = given.get(modelInputs(model)[0].name)?.tensor.dims[0];
  return readers.every(({ opType, inputs }) => {
    const others = inputs.filter((value) => value !== name && dependent.has(value));
    // The sole input of a node, or one beside constants alone: what the graph computes of it is no constant.
    if (others.length === 0) return false;
    if (!combining.includes(opType)) return inputs[0] !== name && (opType !== 'MatMul' || isMatrix(inputs[0], own));
    return others.every((value) => isBroadcast(opType, own, given.get(value)?.tensor.dims));
  });

  /** Of a product's second operand: whether it is one matrix for all items. */
  function isMatrix(left: string, right: readonly number[]): boolean {
    const dims = given.get(left)?.tensor.dims;
    return right.length === 2 || (dims !== undefined && (right.length !== dims.length || right[0] !== dims[0]));
  }

  /** Whether a value stands beside activations of these dimensions, where they are known, as the same for all items. */
  function isBroadcast(opType: string, dims: readonly number[], other: readonly number[] | undefined): boolean {
    // What is joined is an activation, and so is what has a batch of its own.
    if (other === undefined) return opType !== 'Concat' && (dims.length < 2 || dims[0] !== batch);
    if (dims.length !== other.length) return dims.length < other.length;
    return opType !== 'Concat' && dims[0] !== other[0] && dims[0] === 1;
  }
}

/** The values that depend on an input of the graph other than this one, those inputs among them. */
function dependents(model: OnnxModel, name: string): Set<string> {
  const found = new Set(modelInputs(model).flatMap((input) => (input.name === name ? [] : [input.name])));
  for (const { inputs, outputs } of model.graph.nodes) {
    if (inputs.some((value) => found.has(value))) for (const output of outputs) found.add(output);
  }
  return found;
}

function checkType({ name, dataType: declared }: ValueInfo, { tensor, source }: GivenTensor): void {
  if (declared !== undefined && !floats.includes(declared)) {
    throw new FrostlineError(
      `the model's input '${name}' takes ${declared}; only inputs of floating-point numbers are supported.`,
    );
  }
  if (tensor.dataType === 'float32' || tensor.dataType === declared) return;
  throw new FrostlineError(
    `${source} holds ${tensor.dataType}, the input '${name}' takes ${declared ?? 'float32'}. ` +
      "Convert it, for example with array.astype('<f4').",
  );
}

/** @param free how many of the first dimensions may be any: the batch, whatever the exporter baked in */
function checkShape(
  { name }: ValueInfo,
  { tensor, source }: GivenTensor,
  declared: readonly Dim[] | undefined,
  free: number,
): void {
  const shape = tensor.dims;
  const fits =
    shape.length >= free &&
    shape.every((size) => size >= 1) &&
    (declared === undefined ||
      (declared.length === shape.length &&
        declared.every((dim, axis) => axis < free || typeof dim !== 'number' || dim === shape[axis])));
  if (fits) return;
  const expected = declared?.map((dim, axis) => (axis < free ? 'N' : (dim ?? '?'))).join(', ') ?? 'N, ...';
  throw new FrostlineError(
    `${source} has the shape [${shape.join(', ')}], the input '${name}' takes [${expected}], each at least 1.`,
  );
}

/**
 * Runs the network once on a batch, in inference mode.
 *
 * @returns every output of the network, in its order; the first dimension is the batch
 */
export async function infer(
  gpu: Gpu,
  { network, batch, oneItem, inputs: values }: BoundNetwork,
): Promise<ResultTensor[]> {
  const parameters = parametersOf(network);
  try {
    const { inputs, outputs } = buildNetwork(network, { batch, parameters });
    const graph = await compile(gpu, { outputs });
    try {
      for (const [name, tensor] of inputs) {
        graph.write(tensor, values.get(name)!.toFloat32() as Float32Array<ArrayBuffer>);
      }
      const results = await graph.run(outputs);
      return results.map((bytes, i) => ({
        name: network.outputs[i],
        shape: oneItem ? outputs[i].shape.slice(1) : outputs[i].shape,
        data: new Float32Array(bytes),
      }));
    } finally {
      graph.destroy();
    }
  } finally {
    for (const parameter of parameters.values()) parameter.release(gpu);
  }
}
