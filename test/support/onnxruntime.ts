/** onnxruntime's CPU provider as an oracle, where it is installed. */
import { FrostlineError } from '../../src/errors.ts';
import {
  type FloatTensor,
  loadOnnxruntime,
  type Onnxruntime,
  runOnnxruntime as run,
} from '../../src/models/onnxruntime.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import type { OnnxTensor } from '../../src/onnx/tensor.ts';

const ort = load();
export const hasOnnxruntime = ort !== undefined;

function load(): Onnxruntime | undefined {
  try {
    return loadOnnxruntime();
  } catch (error) {
    if (error instanceof FrostlineError) return undefined;
    throw error;
  }
}

/** The outputs of a model by name. */
export function runOnnxruntime(
  model: OnnxModel,
  inputs: ReadonlyMap<string, OnnxTensor>,
): Promise<Map<string, FloatTensor>> {
  return run(ort!, model, inputs);
}
