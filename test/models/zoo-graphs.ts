/** The graphs of published files at small width, with the traps of each operator set; written from their node lists. */
import type { Attribute, OnnxModel, OnnxNode } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { Random } from '../../src/random.ts';

export const int = (value: number): Attribute => ({ type: 'int', value });
export const ints = (...value: number[]): Attribute => ({ type: 'ints', value });
export const float = (value: number): Attribute => ({ type: 'float', value });

/** Builds ONNX models node by node. */
export class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, OnnxTensor>();
  private readonly random: Random;

  constructor(seed = 1) {
    this.random = new Random(seed);
  }

  node(
    opType: string,
    inputs: string[],
    outputs: string | string[],
    attributes: Record<string, Attribute> = {},
    name = '',
  ): string {
    const made = [outputs].flat();
    this.nodes.push({
      name,
      opType,
      domain: '',
      inputs,
      outputs: made,
      attributes: new Map(Object.entries(attributes)),
    });
    return made[0];
  }

  weight(name: string, ...dims: number[]): string {
    const size = dims.reduce((a, b) => a * b, 1);
    const scale = 1 / Math.sqrt(size / dims[0]);
    const data = Float32Array.from({ length: size }, () => this.random.normal() * scale);
    this.initializers.set(name, OnnxTensor.of(name, dims, 'float32', data));
    return name;
  }

  floats(name: string, dims: number[], values: number[]): string {
    this.initializers.set(name, OnnxTensor.of(name, dims, 'float32', Float32Array.from(values)));
    return name;
  }

  integers(name: string, ...values: number[]): string {
    const data = BigInt64Array.from(values.map(BigInt));
    this.initializers.set(name, OnnxTensor.of(name, [values.length], 'int64', data));
    return name;
  }

  model(
    opset: number,
    input: { name: string; dims: (number | string | undefined)[] },
    output: string,
    options: { initializersAsInputs?: boolean; producer?: string } = {},
  ): OnnxModel {
    const all = options.initializersAsInputs ? [...this.initializers.values()] : [];
    return {
      irVersion: options.initializersAsInputs ? 3 : 8,
      opsets: new Map([['', opset]]),
      producer: options.producer ?? 'test',
      producerVersion: '',
      metadata: new Map(),
      graph: {
        name: 'graph',
        nodes: this.nodes,
        initializers: this.initializers,
        inputs: [
          { dataType: 'float32', ...input },
          ...all.map(({ name, dims, dataType }) => ({ name, dims, dataType })),
        ],
        outputs: [{ name: output, dataType: 'float32', dims: undefined }],
        sparseInitializers: [],
      },
    };
  }
}

/**
 * The zoo's bvlcalexnet (and caffenet, which pools before it normalises) at one operator set; channels an eighth, or with
 * a builder of one's own at full size.
 */
export function bvlcAlexnet(opset: number, poolFirst = false, fullSize?: GraphBuilder): OnnxModel {
  const g = fullSize ?? new GraphBuilder(3);
  const wide = fullSize === undefined ? 1 : 8;
  const flat = 1152 * wide;
  const [hidden, classes] = fullSize === undefined ? [20, 10] : [4096, 1000];
  const conv = (x: string, i: number, dims: number[], attributes: Record<string, Attribute>) => {
    const weights = [g.weight(`conv${i}_w_0`, ...dims), g.weight(`conv${i}_b_0`, dims[0])];
    const kernel = { kernel_shape: ints(dims[2], dims[3]) };
    const y = g.node('Conv', [x, ...weights], `conv${i}_1`, { ...kernel, ...attributes });
    return g.node('Relu', [y], `conv${i}_2`);
  };
  const normalise = (x: string, i: number) =>
    g.node('LRN', [x], `norm${i}_1`, {
      size: int(5),
      alpha: float(Math.fround(1e-4)),
      beta: float(0.75),
      bias: float(1),
    });
  const pool = (x: string, i: number, ...pads: number[]) =>
    g.node('MaxPool', [x], `pool${i}_1`, { kernel_shape: ints(3, 3), strides: ints(2, 2), pads: ints(...pads) });
  const both = (x: string, i: number) =>
    poolFirst ? normalise(pool(x, i, 0, 0, 0, 0), i) : pool(normalise(x, i), i, 0, 0, 0, 0);
  const linear = (x: string, i: number, out: number, into: number) => {
    const weights = [g.weight(`fc${i}_w_0`, out, into), g.weight(`fc${i}_b_0`, out)];
    return g.node('Gemm', [x, ...weights], `fc${i}_1`, { transB: int(1), ...(opset < 7 && { broadcast: int(1) }) });
  };
  const dropout = (x: string, i: number) => {
    if (opset >= 12) {
      const ratio = g.floats(`ratio${i}`, [], [0.5]);
      return g.node('Dropout', [x, ratio], [`fc${i}_3`, `_fc${i}_mask_1`]);
    }
    const old: Record<string, Attribute> = opset < 7 ? { is_test: int(1) } : {};
    return g.node('Dropout', [x], [`fc${i}_3`, `_fc${i}_mask_1`], { ratio: float(0.5), ...old });
  };
  let x = both(conv('data_0', 1, [12 * wide, 3, 11, 11], { strides: ints(4, 4), pads: ints(0, 0, 0, 0) }), 1);
  x = both(conv(x, 2, [32 * wide, 6 * wide, 5, 5], { group: int(2), pads: ints(2, 2, 2, 2) }), 2);
  x = conv(x, 3, [48 * wide, 32 * wide, 3, 3], { pads: ints(1, 1, 1, 1) });
  x = conv(x, 4, [48 * wide, 24 * wide, 3, 3], { group: int(2), pads: ints(1, 1, 1, 1) });
  x = conv(x, 5, [32 * wide, 24 * wide, 3, 3], { group: int(2), pads: ints(1, 1, 1, 1) });
  // At 224 the exporter pads at the end for Caffe's rounding; at 227 both give 6 x 6.
  x = pool(x, 5, 0, 0, 1, 1);
  x =
    opset < 5
      ? g.node('Reshape', [x], 'pool5_2', { shape: ints(1, flat) })
      : g.node('Reshape', [x, g.integers('OC2_DUMMY_1', 1, flat)], ['pool5_2']);
  for (const [i, into] of [
    [6, flat],
    [7, hidden],
  ])
    x = dropout(g.node('Relu', [linear(x, i, hidden, into)], `fc${i}_2`), i);
  g.node('Softmax', [linear(x, 8, classes, hidden)], 'prob_1');
  return g.model(opset, { name: 'data_0', dims: [1, 3, 224, 224] }, 'prob_1', { initializersAsInputs: true });
}
