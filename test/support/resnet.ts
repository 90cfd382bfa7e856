/** A ResNet in small, as a file of it is read: its statistics are those of some training. */
import { importOnnx } from '../../src/models/import-onnx.ts';
import type { Network } from '../../src/models/network.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { readModel } from '../../src/onnx/read.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { Random } from '../../src/random.ts';
import { float, GraphBuilder, int, ints } from '../models/zoo-graphs.ts';

/** Two blocks behind a first convolution, the second of which halves the image and has a convolution beside it. */
export function narrowResnetModel(seed: number): OnnxModel {
  const g = new GraphBuilder(seed);
  const random = new Random(seed, 1);
  const values = (count: number, make: (normal: number) => number) =>
    Array.from({ length: count }, () => make(random.normal()));
  const conv = (x: string, name: string, from: number, to: number, size: number, stride = 1) => {
    const pad = (size - 1) / 2;
    const convolved = g.node('Conv', [x, g.weight(`${name}.weight`, to, from, size, size)], `${name}/y`, {
      kernel_shape: ints(size, size),
      strides: ints(stride, stride),
      pads: ints(pad, pad, pad, pad),
    });
    const norm = name.replace('conv', 'bn').replace('downsample.0', 'downsample.1');
    const parameters = [
      g.floats(
        `${norm}.weight`,
        [to],
        values(to, (v) => 1 + 0.2 * v),
      ),
      g.floats(
        `${norm}.bias`,
        [to],
        values(to, (v) => 0.1 * v),
      ),
      g.floats(
        `${norm}.running_mean`,
        [to],
        values(to, (v) => 0.2 * v),
      ),
      g.floats(
        `${norm}.running_var`,
        [to],
        values(to, (v) => 0.5 + Math.abs(v)),
      ),
    ];
    return g.node(
      'BatchNormalization',
      [convolved, ...parameters],
      `${norm}/y`,
      { epsilon: float(Math.fround(1e-5)), momentum: float(0.875) },
      `/${norm}/BatchNormalization`,
    );
  };
  const relu = (x: string) => g.node('Relu', [x], `${x}/relu`);
  const block = (x: string, name: string, from: number, to: number, stride: number) => {
    const inner = relu(conv(x, `${name}.conv1`, from, to, 3, stride));
    const outer = conv(inner, `${name}.conv2`, to, to, 3);
    const beside = stride === 1 ? x : conv(x, `${name}.downsample.0`, from, to, 1, stride);
    return relu(g.node('Add', [outer, beside], `${name}/sum`));
  };
  let x = relu(conv('x', 'conv1', 3, 6, 3));
  x = block(x, 'layer1', 6, 6, 1);
  x = block(x, 'layer2', 6, 8, 2);
  x = g.node('Flatten', [g.node('GlobalAveragePool', [x], 'pooled')], 'flat', { axis: int(1) });
  const y = g.node('Gemm', [x, g.weight('fc.weight', 4, 8), g.floats('fc.bias', [4], [0.1, -0.1, 0, 0.2])], 'y', {
    transB: int(1),
  });
  return g.model(13, { name: 'x', dims: ['n', 3, 9, 8] }, y);
}

/** As a file of it is read: attributes are the decimals that they were written from. */
export const narrowResnet = (seed: number): Network => importOnnx(readModel(writeModel(narrowResnetModel(seed))));
