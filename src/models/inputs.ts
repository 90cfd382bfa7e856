import type { OnnxModel, ValueInfo } from '../onnx/model.ts';
import type { Pair } from './network.ts';

/** The graph's inputs that are no initialisers: before IR version 4 every initialiser stands among the inputs too. */
export function modelInputs({ graph }: OnnxModel): ValueInfo[] {
  return graph.inputs.filter(({ name }) => !graph.initializers.has(name));
}

/** Height and width of the first input, or undefined where the file leaves them open. */
export function declaredImageSize(model: OnnxModel): Pair | undefined {
  const [, , height, width] = modelInputs(model)[0]?.dims ?? [];
  return typeof height === 'number' && typeof width === 'number' ? [height, width] : undefined;
}
