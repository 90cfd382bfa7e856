/** onnxruntime's CPU provider as an oracle, where it is installed. */
import { FrostlineError } from '../../src/errors.ts';
import {
  type FloatTensor,
  type LoadedModel,
  loadOnnxruntime,
  type Onnxruntime,
  openOnnxruntime as open,
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

/** A model, or its file, loaded there. */
export const openOnnxruntime = (model: string | OnnxModel): Promise<LoadedModel> => open(ort!, model);

/** The outputs of a model by name. */
export async function runOnnxruntime(
  model: OnnxModel,
  inputs: ReadonlyMap<string, OnnxTensor>,
): Promise<Map<string, FloatTensor>> {
  const loaded = await openOnnxruntime(model);
  return loaded.run(inputs).finally(() => loaded.release());
}
