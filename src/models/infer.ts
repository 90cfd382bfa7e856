/** Running any supported ONNX graph on tensors, every input by its name. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { compile } from '../graph/compile.ts';
import type { OnnxModel } from '../onnx/model.ts';
import { buildNetwork, parametersOf } from './build.ts';
import { importOnnx } from './import-onnx.ts';
import { modelInputs } from './inputs.ts';
import type { Network, Pair } from './network.ts';

/** A tensor as the user gives it. */
export interface GivenTensor {
  /** Such as float32; one of ONNX's names. */
  readonly type: string;
  readonly shape: readonly number[];
  toFloat32(): Float32Array;
  /** Where it comes from, for messages. */
  readonly source: string;
}

export interface ResultTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** Types whose values become float32; integers are refused, for nothing says how they should be scaled. */
const floats = ['float32', 'float16', 'bfloat16', 'float64'];

/**
 * The network of a model, for these inputs: sizes that the file leaves open are the tensors'.
 *
 * @param inputSize height and width of the first input in place of the file's
 * @throws FrostlineError when an input is missing, unknown, or of another type or shape than the model declares
 */
export function networkForInputs(
  model: OnnxModel,
  given: ReadonlyMap<string, GivenTensor>,
  inputSize?: Pair,
): { network: Network; batch: number } {
  const declared = modelInputs(model);
  const names = declared.map(({ name }) => name).join(', ');
  for (const [name, { source }] of given) {
    if (declared.some((input) => input.name === name)) continue;
    const why = model.graph.initializers.has(name)
      ? `'${name}' is a parameter, its values are in the model`
      : `the model has no input '${name}'`;
    throw new FrostlineError(`${source}: ${why}. Its inputs are ${names}.`);
  }
  const inputShapes: Record<string, readonly number[]> = {};
  for (const [i, { name, dims, dataType }] of declared.entries()) {
    const tensor = given.get(name);
    if (tensor === undefined) continue;
    const sized = dims?.map((dim, axis) =>
      i === 0 && inputSize && dims.length === 4 && axis >= 2 ? inputSize[axis - 2] : dim,
    );
    checkType(name, tensor, dataType);
    checkShape(name, tensor, sized);
    inputShapes[name] = tensor.shape.slice(1);
  }
  const network = importOnnx(model, { inputShapes });
  const missing = network.inputs.find(({ name }) => !given.has(name));
  if (missing !== undefined) {
    throw new FrostlineError(
      `the input '${missing.name}' [N, ${missing.shape.join(', ')}] is not given. Give every input of the model: ${names}.`,
    );
  }
  const [first, ...others] = network.inputs.map(({ name }) => ({ name, ...given.get(name)! }));
  const other = others.find(({ shape }) => shape[0] !== first.shape[0]);
  if (other !== undefined) {
    throw new FrostlineError(
      `${first.source} holds ${first.shape[0]} items for '${first.name}', ${other.source} ${other.shape[0]} for ` +
        `'${other.name}'. The first dimension of every input is the batch: make them equal.`,
    );
  }
  return { network, batch: first.shape[0] };
}

function checkType(name: string, tensor: GivenTensor, declared: string | undefined): void {
  if (declared !== undefined && !floats.includes(declared)) {
    throw new FrostlineError(
      `the model's input '${name}' takes ${declared}; only inputs of floating-point numbers are supported.`,
    );
  }
  if (tensor.type === 'float32' || tensor.type === declared) return;
  throw new FrostlineError(
    `${tensor.source} holds ${tensor.type}, the input '${name}' takes ${declared ?? 'float32'}. ` +
      "Convert it, for example with array.astype('<f4').",
  );
}

function checkShape(
  name: string,
  { shape, source }: GivenTensor,
  declared: readonly (number | string | undefined)[] | undefined,
): void {
  const fits =
    shape.length >= 1 &&
    shape.every((size) => size >= 1) &&
    (declared === undefined ||
      (declared.length === shape.length &&
        // The first dimension is the batch, whatever the exporter baked in.
        declared.every((dim, axis) => axis === 0 || typeof dim !== 'number' || dim === shape[axis])));
  if (fits) return;
  const expected = declared?.map((dim, axis) => (axis === 0 ? 'N' : (dim ?? '?'))).join(', ') ?? 'N, ...';
  throw new FrostlineError(
    `${source} has the shape [${shape.join(', ')}], the input '${name}' takes [${expected}] with N of at least 1.`,
  );
}

/**
 * Runs the network once on a batch, in inference mode.
 *
 * @returns every output of the network, in its order; the first dimension is the batch
 */
export async function infer(
  gpu: Gpu,
  network: Network,
  batch: number,
  given: ReadonlyMap<string, GivenTensor>,
): Promise<ResultTensor[]> {
  const parameters = parametersOf(network);
  try {
    const { inputs, outputs } = buildNetwork(network, { batch, parameters });
    const graph = await compile(gpu, { outputs });
    try {
      for (const [name, tensor] of inputs) {
        graph.write(tensor, given.get(name)!.toFloat32() as Float32Array<ArrayBuffer>);
      }
      const results = await graph.run(outputs);
      return results.map((bytes, i) => ({
        name: network.outputs[i],
        shape: outputs[i].shape,
        data: new Float32Array(bytes),
      }));
    } finally {
      graph.destroy();
    }
  } finally {
    for (const parameter of parameters.values()) parameter.release(gpu);
  }
}
