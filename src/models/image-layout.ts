/** How the images of a graph lie, told by what the graph does to them, not by the place of a 3 among the sizes. */
import type { Dim, OnnxNode } from '../onnx/model.ts';
import { attribute } from '../operators/onnx/attributes.ts';
import type { KnownConstants } from '../operators/onnx/form.ts';

/** Each value by itself, or nothing of the order of dimensions: what is done to images before the first layer. */
const anyLayout = new Set([
  ...['Identity', 'Cast', 'Add', 'Sub', 'Mul', 'Div', 'Neg', 'Clip', 'Min', 'Max', 'Pad', 'Dropout'],
  ...['Relu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'HardSwish', 'Sqrt', 'Pow', 'Abs'],
]);

/** Channels are the second dimension. */
const channelsFirst = new Set([
  ...['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'LpPool'],
  ...['LRN', 'BatchNormalization', 'InstanceNormalization', 'GroupNormalization', 'SpaceToDepth', 'Resize'],
]);

/**
 * 'NHWC' where the graph turns the images [N, H, W, C] that it is given before its first layer, as files from Keras and
 * TensorFlow do; undefined where they lie [N, C, H, W]. Where the graph does not tell, the sizes do: 1 or 3 last and not
 * first.
 *
 * @param dims of the input, the batch first
 */
export function imageLayout(
  nodes: readonly OnnxNode[],
  input: string,
  dims: readonly Dim[],
  constants: Pick<KnownConstants, 'integersOf'>,
): 'NHWC' | undefined {
  if (dims.length !== 4) return undefined;
  const readers = new Map<string, OnnxNode[]>();
  for (const node of nodes) {
    for (const value of node.inputs) {
      const before = readers.get(value);
      if (before === undefined) readers.set(value, [node]);
      else before.push(node);
    }
  }
  const waiting = [input];
  const seen = new Set(waiting);
  for (const value of waiting) {
    for (const node of readers.get(value) ?? []) {
      const told = layoutBy(node, dims, constants);
      if (told !== undefined) return told === 'NHWC' ? 'NHWC' : undefined;
      if (!anyLayout.has(node.opType)) continue;
      for (const output of node.outputs) {
        if (!seen.has(output)) waiting.push(output);
        seen.add(output);
      }
    }
  }
  const isImage = (size: Dim) => size === 1 || size === 3;
  return isImage(dims[3]) && !isImage(dims[1]) ? 'NHWC' : undefined;
}

function layoutBy(
  node: OnnxNode,
  [, height, width, channels]: readonly Dim[],
  constants: Pick<KnownConstants, 'integersOf'>,
): 'NHWC' | 'NCHW' | undefined {
  if (node.domain !== '') return undefined;
  if (channelsFirst.has(node.opType)) return 'NCHW';
  if (node.opType === 'Transpose') {
    const perm = String(attribute(node, 'perm', 'ints'));
    return perm === '0,3,1,2' ? 'NHWC' : undefined;
  }
  // One channel is moved by a Reshape as well.
  if (node.opType !== 'Reshape' || channels !== 1 || height === 1) return undefined;
  const shape = constants.integersOf(node.inputs[1] ?? '');
  if (shape?.length !== 4 || shape[1] !== 1) return undefined;
  const fits = (size: Dim, asked: number) => asked === -1 || typeof size !== 'number' || asked === size;
  return fits(height, shape[2]) && fits(width, shape[3]) ? 'NHWC' : undefined;
}
