/** Published networks at full size, node by node as their exporters write them; weights are drawn as they are read. */
import { heUniform, uniformParameter } from '../../src/models/initialise.ts';
import type { Attribute, OnnxModel } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { bvlcAlexnet, float, GraphBuilder, int, ints } from '../models/zoo-graphs.ts';

/** Weights that keep the size of activations from layer to layer (He), and small biases. */
class FullSize extends GraphBuilder {
  override weight(name: string, ...dims: number[]): string {
    const value = dims.length === 1 ? uniformParameter(dims, 0.1, 1, name) : heUniform(dims, 1, name);
    this.initializers.set(name, new OnnxTensor(name, dims, 'float32', () => value.data));
    return name;
  }
}

/** The zoo's AlexNet and, pooling first, CaffeNet: the batch of 1 is baked into a Reshape. Logits 'fc8_1'. */
export const zooAlexnet = (opset: number, poolFirst = false): OnnxModel =>
  withLogits(bvlcAlexnet(opset, poolFirst, new FullSize()), 'fc8_1');

const filters = [64, 128, 256, 512, 512];
const vgg16Blocks = [2, 2, 3, 3, 3];
export const vggBlocks = { vgg16: vgg16Blocks, vgg19: [2, 2, 4, 4, 4] };

/** The zoo's VGG, as MXNet's Gluon exports it: Flatten before each Gemm, Dropout with one output, logits at the end. */
export function gluonVgg(opset: number, blocks: readonly number[]): OnnxModel {
  const g = new FullSize();
  let x = 'data';
  let channels = 3;
  let layer = 0;
  const square = (size: number, stride: number, padding: number) => ({
    kernel_shape: ints(size, size),
    strides: ints(stride, stride),
    pads: ints(padding, padding, padding, padding),
  });
  blocks.forEach((count, block) => {
    for (let i = 0; i < count; i++, layer++) {
      const name = `vgg0_conv${layer}`;
      const weights = [
        g.weight(`${name}_weight`, filters[block], channels, 3, 3),
        g.weight(`${name}_bias`, filters[block]),
      ];
      const attributes = { ...square(3, 1, 1), dilations: ints(1, 1), group: int(1) };
      x = g.node('Conv', [x, ...weights], `${name}_fwd`, attributes, `${name}_fwd`);
      x = g.node('Relu', [x], `vgg0_relu${layer}_fwd`, {}, `vgg0_relu${layer}_fwd`);
      channels = filters[block];
    }
    x = g.node('MaxPool', [x], `vgg0_pool${block}_fwd`, square(2, 2, 0), `vgg0_pool${block}_fwd`);
  });
  for (const [i, [into, out]] of [
    [25088, 4096],
    [4096, 4096],
    [4096, 1000],
  ].entries()) {
    const name = `vgg0_dense${i}`;
    x = g.node('Flatten', [x], `flatten_${60 + 5 * i}`);
    const factors = { alpha: float(1), beta: float(1), transA: int(0), transB: int(1) };
    const weights = [g.weight(`${name}_weight`, out, into), g.weight(`${name}_bias`, out)];
    x = g.node('Gemm', [x, ...weights], `${name}_fwd`, factors, `${name}_fwd`);
    if (i === 2) break;
    x = g.node('Relu', [x], `${name}_relu_fwd`);
    const ratio: Record<string, Attribute> = opset < 12 ? { ratio: float(0.5) } : {};
    const inputs = opset < 12 ? [x] : [x, g.floats(`ratio${i}`, [], [0.5])];
    x = g.node('Dropout', inputs, `vgg0_dropout${i}_fwd`, ratio);
  }
  return g.model(opset, { name: 'data', dims: [1, 3, 224, 224] }, x);
}

/** torchvision's layouts as torch exports them: AveragePool of 1 x 1, no Dropout, a symbolic batch. */
export function torchvision(opset: number, layout: 'alexnet' | 'vgg16'): OnnxModel {
  const g = new FullSize();
  let x = 'x';
  let index = 0;
  const conv = (channels: number, out: number, size: number, stride: number, padding: number) => {
    const name = `features.${index}`;
    const weights = [g.weight(`${name}.weight`, out, channels, size, size), g.weight(`${name}.bias`, out)];
    x = g.node('Conv', [x, ...weights], `/features/${name}/Conv_output_0`, {
      ...{ dilations: ints(1, 1), group: int(1), kernel_shape: ints(size, size) },
      ...{ pads: ints(padding, padding, padding, padding), strides: ints(stride, stride) },
    });
    x = g.node('Relu', [x], `/features/features.${index + 1}/Relu_output_0`);
    index += 2;
  };
  const pool = (size: number) => {
    x = g.node('MaxPool', [x], `/features/features.${index++}/MaxPool_output_0`, {
      ...{ ceil_mode: int(0), kernel_shape: ints(size, size), pads: ints(0, 0, 0, 0), strides: ints(2, 2) },
    });
  };
  if (layout === 'alexnet') {
    conv(3, 64, 11, 4, 2);
    pool(3);
    conv(64, 192, 5, 1, 2);
    pool(3);
    conv(192, 384, 3, 1, 1);
    conv(384, 256, 3, 1, 1);
    conv(256, 256, 3, 1, 1);
    pool(3);
  } else {
    vgg16Blocks.forEach((count, block) => {
      for (let i = 0; i < count; i++) conv(i > 0 ? filters[block] : (filters[block - 1] ?? 3), filters[block], 3, 1, 1);
      pool(2);
    });
  }
  x = g.node('AveragePool', [x], '/avgpool/AveragePool_output_0', { kernel_shape: ints(1, 1), strides: ints(1, 1) });
  x = g.node('Flatten', [x], '/Flatten_output_0', { axis: int(1) });
  const widths = [layout === 'alexnet' ? 9216 : 25088, 4096, 4096, 1000];
  for (let i = 0; i < 3; i++) {
    const name = `classifier.${3 * i + 1}`;
    const weights = [g.weight(`${name}.weight`, widths[i + 1], widths[i]), g.weight(`${name}.bias`, widths[i + 1])];
    const output = i === 2 ? 'logits' : `/classifier/${name}/Gemm_output_0`;
    x = g.node('Gemm', [x, ...weights], output, { alpha: float(1), beta: float(1), transB: int(1) });
    if (i < 2) x = g.node('Relu', [x], `/classifier/relu${i}/Relu_output_0`);
  }
  return g.model(opset, { name: 'x', dims: ['batch', 3, 224, 224] }, x);
}

function withLogits(model: OnnxModel, logits: string): OnnxModel {
  const outputs = [{ name: logits, dataType: 'float32' as const, dims: undefined }, ...model.graph.outputs];
  return { ...model, graph: { ...model.graph, outputs } };
}
