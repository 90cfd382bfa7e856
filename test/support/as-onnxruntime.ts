/** A model as this library reads it, in float64 on the CPU, against onnxruntime. */
import { expect } from 'vitest';
import { type ImportOptions, importOnnx } from '../../src/models/import-onnx.ts';
import type { Network } from '../../src/models/network.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { readModel } from '../../src/onnx/read.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { Random } from '../../src/random.ts';
import { interpret } from '../models/interpret.ts';
import { expectClose } from './compare.ts';
import { runOnnxruntime } from './onnxruntime.ts';

/** Values of a tensor between -2 and 2, not all of one sign. */
export function drawn(random: Random, ...dims: number[]): Float32Array {
  return Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 4 * random.uniform() - 2);
}

/**
 * Reads the model and expects of the outputs that it then has what onnxruntime makes of them.
 *
 * @param dims of the input, the batch first
 */
export async function expectAsOnnxruntime(
  model: OnnxModel,
  dims: readonly number[],
  seed: number,
  options: ImportOptions = {},
): Promise<Network> {
  const network = importOnnx(readModel(writeModel(model)), options);
  const [{ name, shape }] = network.inputs;
  expect(shape, `seed ${seed}`).toEqual(dims.slice(1));
  const x = drawn(new Random(seed), ...dims);
  const actual = interpret(network, { [name]: x }, dims[0]);
  const expected = await runOnnxruntime(model, new Map([[name, OnnxTensor.of(name, dims, 'float32', x)]]));
  for (const [i, output] of network.outputs.entries())
    expectClose(actual[i], expected.get(output)!.data, { absolute: 2e-5, relative: 1e-4 }, `seed ${seed}: ${output}`);
  return network;
}
