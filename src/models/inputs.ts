import type { OnnxModel, ValueInfo } from '../onnx/model.ts';
import { imageLayout } from './image-layout.ts';
import { inlineFunctions } from './inline-functions.ts';
import type { Pair } from './network.ts';

/** The graph's inputs that are no initialisers: before IR version 4 every initialiser stands among the inputs too. */
export function modelInputs({ graph }: OnnxModel): ValueInfo[] {
  return graph.inputs.filter(({ name }) => !graph.initializers.has(name));
}

/** Height and width of the first input, however its images lie, or undefined where the file leaves them open. */
export function declaredImageSize(model: OnnxModel): Pair | undefined {
  const [input] = modelInputs(model);
  if (input?.dims === undefined) return undefined;
  const { graph } = inlineFunctions(model);
  const integersOf = (value: string) => {
    const tensor = graph.initializers.get(value);
    return tensor?.dataType === 'int64' ? tensor.toIntegers() : undefined;
  };
  const layout = imageLayout(graph.nodes, input.name, input.dims, { integersOf });
  const [height, width] = layout === 'NHWC' ? input.dims.slice(1) : input.dims.slice(2);
  return typeof height === 'number' && typeof width === 'number' ? [height, width] : undefined;
}
