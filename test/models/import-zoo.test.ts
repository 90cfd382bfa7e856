import { describe, expect, it } from 'vitest';
import { replaceClassifier } from '../../src/models/classifier.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { freezePoints, freezeThrough } from '../../src/models/layers.ts';
import type { Network } from '../../src/models/network.ts';
import { inferShapes } from '../../src/models/shapes.ts';
import { alexnet, alexnetSmall, vgg16 } from '../../src/models/tables.ts';
import { readModel } from '../../src/onnx/read.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { Random } from '../../src/random.ts';
import { interpret } from './interpret.ts';
import { bvlcAlexnet, float, GraphBuilder, int, ints } from './zoo-graphs.ts';

const opsets = [3, 6, 7, 8, 9, 12];
const numbers = [2, 6, 10, 12, 14, 17, 20, 23];
const kinds = (network: Network) => network.nodes.map(({ op }) => op.kind);

function image(seed: number, ...dims: number[]): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal());
}

describe("the zoo's AlexNet", () => {
  it.each(opsets)('at operator set %i is the same network, with MATLAB numbers', (opset) => {
    const network = importOnnx(readModel(writeModel(bvlcAlexnet(opset))));
    const reference = alexnet({ classes: 10 });
    expect(network.nodes.map(({ op, number }) => [op.kind, number])).toEqual(
      reference.nodes.map(({ op, number }) => [op.kind, number]),
    );
    expect(freezePoints(network).map(({ number }) => number)).toEqual(numbers);
    expect(freezePoints(network).map(({ name }) => name)).toEqual(freezePoints(reference).map(({ name }) => name));
    expect(network.inputs).toEqual([{ name: 'data_0', shape: [3, 224, 224] }]);
    expect(network.nodes[2].op).toEqual({ kind: 'lrn', size: 5, alpha: 1e-4, beta: 0.75, bias: 1 });
    const shapes = inferShapes(network, 10);
    expect(shapes.get('pool5_1')).toEqual([10, 32, 6, 6]);
    expect(shapes.get('prob_1')).toEqual([10, 10]);
  });

  it('runs unchanged at 227', () => {
    const shapes = inferShapes(importOnnx(bvlcAlexnet(9), { inputSize: [227, 227] }), 2);
    expect([1, 2, 5].map((i) => shapes.get(`pool${i}_1`)!.slice(2))).toEqual([
      [27, 27],
      [13, 13],
      [6, 6],
    ]);
  });

  it('at another size is refused at the layer that cannot take it', () => {
    expect(() => importOnnx(bvlcAlexnet(9), { inputSize: [260, 260] })).toThrow(/Reshape.*pool5_2.*1152.*input size/);
  });

  it('CaffeNet pools before it normalises, under the same numbers', () => {
    const network = importOnnx(bvlcAlexnet(9, true));
    expect(kinds(network).slice(0, 8)).toEqual([
      'conv2d',
      'relu',
      'maxPool',
      'lrn',
      'conv2d',
      'relu',
      'maxPool',
      'lrn',
    ]);
    expect(freezePoints(network).map(({ number }) => number)).toEqual(numbers);
  });

  it('dropout: off leaves the numbers as they are', () => {
    const off = importOnnx(bvlcAlexnet(9), { dropout: 'off' });
    expect(off.nodes.filter(({ op }) => op.kind === 'dropout').map(({ op }) => op)).toEqual([
      { kind: 'dropout', ratio: 0 },
      { kind: 'dropout', ratio: 0 },
    ]);
    expect(freezePoints(off).map(({ number }) => number)).toEqual(numbers);
  });
});

describe("MATLAB's export", () => {
  function matlab(meanDims: number[], mean: number[]): Network {
    const g = new GraphBuilder(4);
    g.floats('data_Mean', meanDims, mean);
    let x = g.node('Sub', ['data', 'data_Mean'], 'data_Sub', {}, 'data_Sub');
    x = g.node(
      'Conv',
      [x, g.weight('conv1_W', 5, 3, 3, 3), g.weight('conv1_B', 5)],
      'conv1',
      { kernel_shape: ints(3, 3) },
      'conv1',
    );
    x = g.node('GlobalAveragePool', [x], 'pool', {}, 'pool');
    x = g.node('Conv', [x, g.weight('fc8_W', 4, 5, 1, 1)], 'fc8', { kernel_shape: ints(1, 1) }, 'fc8');
    x = g.node('Transpose', [x], 'prob_in', { perm: ints(0, 2, 3, 1) }, 'prob_Transpose_before');
    x = g.node('Softmax', [x], 'prob_soft', { axis: int(3) }, 'prob');
    x = g.node('Transpose', [x], 'prob', { perm: ints(0, 3, 1, 2) }, 'prob_Transpose_after');
    return importOnnx(g.model(9, { name: 'data', dims: ['BatchSize', 3, 7, 6] }, x));
  }

  it('has a mean subtraction before layer 2, a symbolic batch, and a softmax between transposes', () => {
    const network = matlab([1, 3, 1, 1], [10, 20, 30]);
    expect(network.nodes.map(({ name, number }) => [name, number])).toEqual([
      ['data_Sub', undefined],
      ['conv1', 2],
      ['pool', 3],
      ['fc8', 4],
      ['prob_Transpose_before', undefined],
      ['prob', 5],
      ['prob_Transpose_after', undefined],
    ]);
    expect(network.nodes[0].op).toEqual({ kind: 'affine', scale: [1], shift: [-10, -20, -30] });
    const [y] = interpret(network, { data: image(1, 2, 3, 7, 6) }, 2);
    expect(y.slice(0, 4).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
  });

  it('a mean image is kept element by element, unless its channels are constant', () => {
    const mean = Array.from(image(2, 3, 7, 6));
    expect(matlab([1, 3, 7, 6], mean).nodes[0].op).toEqual({ kind: 'affine', scale: [1], shift: mean.map((m) => -m) });
    const flat = Array.from({ length: 126 }, (_, i) => Math.floor(i / 42));
    expect(matlab([3, 7, 6], flat).nodes[0].op).toEqual({ kind: 'affine', scale: [1], shift: [-0, -1, -2] });
  });

  it('gets a new classifier in front of its transposed softmax', () => {
    const { network, newParameters } = replaceClassifier(matlab([1, 3, 1, 1], [1, 2, 3]), ['a', 'b'], 1);
    expect(newParameters).toEqual(['fc8_W', 'fc8.bias']);
    expect(inferShapes(network, 3).get('prob')).toEqual([3, 2, 1, 1]);
    const again = importOnnx(readModel(writeModel(exportOnnx(network))));
    expect(again.labels).toEqual(['a', 'b']);
    const x = { data: image(1, 2, 3, 7, 6) };
    expect(interpret(again, x, 2)).toEqual(interpret(network, x, 2));
  });

  it('gets no new classifier where its output is a map of classes', () => {
    const network = matlab([1, 3, 1, 1], [1, 2, 3]);
    const nodes = network.nodes.map((node) =>
      node.name === 'pool' ? { ...node, op: { kind: 'relu' as const } } : node,
    );
    expect(() => replaceClassifier({ ...network, nodes: nodes.slice(0, 4), outputs: ['fc8'] }, ['a', 'b'], 1)).toThrow(
      /2 classes in its last learnable layer, 'fc8', .* gives \[2, 5, 4\] an item; one value a class/,
    );
  });
});

describe('export', () => {
  it.each([
    ['alexnet-small', () => alexnetSmall({ classes: ['a', 'b', 'c'], seed: 5 })],
    [
      "the zoo's AlexNet",
      () => importOnnx(readModel(writeModel(bvlcAlexnet(6))), { inputSize: [227, 227], labels: ['x'] }),
    ],
  ])('of %s comes back exactly', (_, make) => {
    const network = make();
    const again = importOnnx(readModel(writeModel(exportOnnx(network))));
    expect(JSON.parse(JSON.stringify({ ...again, parameters: null }))).toEqual(
      JSON.parse(JSON.stringify({ ...network, parameters: null })),
    );
    expect([...again.parameters.keys()].sort()).toEqual([...network.parameters.keys()].sort());
    for (const [name, { shape, data }] of network.parameters) {
      expect(again.parameters.get(name)!.shape, name).toEqual(shape);
      expect(again.parameters.get(name)!.data, name).toEqual(data);
    }
  });

  it('takes new values of parameters', () => {
    const network = alexnetSmall({ classes: 2 });
    const value = new Float32Array(16).fill(3);
    const again = importOnnx(readModel(writeModel(exportOnnx(network, new Map([['conv1.bias', value]])))));
    expect(again.parameters.get('conv1.bias')!.data).toEqual(value);
    expect(() => exportOnnx(network, new Map([['conv9.bias', value]]))).toThrow(/no parameter 'conv9.bias'/);
    expect(() => exportOnnx(network, new Map([['conv2.bias', value]]))).toThrow(/'conv2.bias'.*16 values, 32/);
  });
});

describe('layer tables', () => {
  it('AlexNet: names and numbers of all 24 layers after the input, and the sizes at 227', () => {
    const network = alexnet();
    const named = network.nodes.filter(({ number }) => number).map(({ name, number }) => `${number} ${name}`);
    expect(named.join(' | ')).toBe(
      '2 conv1 | 3 relu1 | 4 norm1 | 5 pool1 | 6 conv2 | 7 relu2 | 8 norm2 | 9 pool2 | 10 conv3 | 11 relu3 | 12 conv4 | ' +
        '13 relu4 | 14 conv5 | 15 relu5 | 16 pool5 | 17 fc6 | 18 relu6 | 19 drop6 | 20 fc7 | 21 relu7 | 22 drop7 | 23 fc8 | 24 prob',
    );
    const shapes = inferShapes(network, 10);
    expect(['conv1', 'pool1', 'pool2', 'pool5', 'prob'].map((name) => shapes.get(name))).toEqual([
      [10, 96, 55, 55],
      [10, 96, 27, 27],
      [10, 256, 13, 13],
      [10, 256, 6, 6],
      [10, 1000],
    ]);
    const size = [...network.parameters.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(size).toBe(60_965_224);
  });

  it('VGG16: learnable layers and size', () => {
    const network = vgg16();
    expect(
      freezePoints(network)
        .map(({ number, name }) => `${number} ${name}`)
        .join(' '),
    ).toBe(
      '2 conv1_1 4 conv1_2 7 conv2_1 9 conv2_2 12 conv3_1 14 conv3_2 16 conv3_3 19 conv4_1 21 conv4_2 23 conv4_3 ' +
        '26 conv5_1 28 conv5_2 30 conv5_3 33 fc6 36 fc7 39 fc8',
    );
    const size = [...network.parameters.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(size).toBe(138_357_544);
    expect(network.nodes.at(-1)).toMatchObject({ name: 'prob', number: 40 });
  });

  it('the small AlexNet has the same layers, 2 x 2 after its last pool, and under 4 MiB', () => {
    const network = alexnetSmall({ classes: 8 });
    expect(network.nodes.map(({ name, number }) => [name, number])).toEqual(
      alexnet().nodes.map(({ name, number }) => [name, number]),
    );
    expect(inferShapes(network, 1).get('pool5')).toEqual([1, 32, 2, 2]);
    expect(writeModel(exportOnnx(network)).length).toBeLessThan(2 ** 20);
  });

  it('parameters are drawn by seed and name: uniform, of the right spread, without echoes', () => {
    const one = alexnetSmall({ seed: 1 }).parameters;
    expect(alexnetSmall({ seed: 1 }).parameters.get('conv3.weight')!.data).toEqual(one.get('conv3.weight')!.data);
    expect(alexnetSmall({ seed: 2 }).parameters.get('conv3.weight')!.data).not.toEqual(one.get('conv3.weight')!.data);
    const { data } = one.get('conv3.weight')!;
    const limit = Math.sqrt(6 / (32 * 9));
    expect(Math.max(...data)).toBeLessThanOrEqual(limit);
    expect(Math.max(...data)).toBeGreaterThan(0.99 * limit);
    expect(Math.min(...data)).toBeLessThan(-0.99 * limit);
    const mean = data.reduce((a, b) => a + b) / data.length;
    const variance = data.reduce((sum, value) => sum + value ** 2, 0) / data.length;
    expect(Math.abs(mean)).toBeLessThan(4 * (limit / Math.sqrt(3 * data.length)));
    expect(variance / (limit ** 2 / 3)).toBeCloseTo(1, 1);
    const other = one.get('conv4.weight')!.data;
    expect(new Set([...data, ...other].map((value) => value / limit)).size).toBeGreaterThan(
      0.99 * (data.length + other.length),
    );
  });

  it('given weights must fit', () => {
    const weights = new Map([['conv1.bias', { shape: [4], data: new Float32Array(4) }]]);
    expect(() => alexnetSmall({ weights })).toThrow(/'conv1.bias' is given with shape \[4\], \[16\]/);
  });
});

describe('freezing', () => {
  const network = alexnetSmall({ classes: 2 });

  it('freezes every learnable layer up to and including the one named', () => {
    expect([...freezeThrough(network, 'none')]).toEqual([]);
    expect([...freezeThrough(network, 6)]).toEqual(['conv1.weight', 'conv1.bias', 'conv2.weight', 'conv2.bias']);
    expect(freezeThrough(network, '6')).toEqual(freezeThrough(network, 'conv2'));
    expect(freezeThrough(network, 'all')).toEqual(freezeThrough(network, 20));
    expect(freezeThrough(network, 'all').has('fc8.weight')).toBe(false);
  });

  it.each([
    [7, /layer 'relu2' \(relu\) has no parameters. Give none, all, or one of 2 \(conv1\), 6 \(conv2\)/],
    ['conv9', /no such layer/],
    [99, /no such layer/],
  ])('refuses %s', (layer, message) => {
    expect(() => freezeThrough(network, layer)).toThrow(message);
  });
});

describe('a new classifier', () => {
  it('is Glorot uniform with zero bias, by seed; all else stays', () => {
    const old = alexnetSmall({ classes: 10 });
    const { network, newParameters } = replaceClassifier(old, ['cat', 'dog', 'eel'], 7);
    expect(newParameters).toEqual(['fc8.weight', 'fc8.bias']);
    const { shape, data } = network.parameters.get('fc8.weight')!;
    expect(shape).toEqual([3, 128]);
    const limit = Math.sqrt(6 / (128 + 3));
    const largest = Math.max(...data.map(Math.abs));
    expect(largest <= limit && largest > 0.95 * limit).toBe(true);
    expect(network.parameters.get('fc8.bias')!.data).toEqual(new Float32Array(3));
    expect(network.parameters.get('fc7.weight')).toBe(old.parameters.get('fc7.weight'));
    expect(network.labels).toEqual(['cat', 'dog', 'eel']);
    expect(inferShapes(network, 4).get('prob')).toEqual([4, 3]);
    expect(replaceClassifier(old, ['a', 'b', 'c'], 8).network.parameters.get('fc8.weight')!.data).not.toEqual(data);
  });

  it('needs two classes', () => {
    expect(() => replaceClassifier(alexnetSmall(), ['one'], 1)).toThrow(/1 classes.*at least 2/);
  });
});

describe('fully connected layers', () => {
  const x = image(9, 2, 6);

  it('Gemm with alpha, beta and an untransposed weight is folded into plain parameters', () => {
    const g = new GraphBuilder(8);
    g.node('Gemm', ['x', g.weight('w', 6, 4), g.weight('b', 1, 4)], 'y', { alpha: float(0.5), beta: float(3) }, 'fc');
    const network = importOnnx(g.model(11, { name: 'x', dims: [1, 6] }, 'y'));
    const [w, b] = ['w', 'b'].map((name) => g.initializers.get(name)!.toFloat32());
    const expected = Array.from({ length: 8 }, (_, i) => {
      const [n, o] = [Math.floor(i / 4), i % 4];
      let sum = 0;
      for (let k = 0; k < 6; k++) sum += 0.5 * x[n * 6 + k] * w[k * 4 + o];
      return sum + 3 * b[o];
    });
    for (const [i, value] of interpret(network, { x }, 2)[0].entries()) expect(value).toBeCloseTo(expected[i], 5);
    expect(network.parameters.get('w')!.shape).toEqual([4, 6]);
  });

  it('a weight that two layers read in two layouts becomes two parameters', () => {
    const g = new GraphBuilder(8);
    g.node('Gemm', ['x', g.weight('w', 6, 6)], 'h', { transB: int(1) }, 'one');
    g.node('Gemm', ['h', 'w'], 'y', {}, 'two');
    const { nodes, parameters } = importOnnx(g.model(11, { name: 'x', dims: [1, 6] }, 'y'));
    expect(nodes.map(({ parameters }) => parameters['weight'])).toEqual(['w', 'w@two']);
    expect(parameters.get('w@two')!.data[1]).toBe(parameters.get('w')!.data[6]);
  });
});

describe('refusals name the node, what was found and the way out', () => {
  function one(
    opType: string,
    inputs: string[],
    attributes = {},
    dims: (number | string)[] = [1, 4, 6, 6],
    opset = 13,
  ) {
    const g = new GraphBuilder(1);
    g.weight('w', 8, 2, 3, 3);
    g.weight('w1', 8, 4, 3);
    g.weight('m', 5, 7);
    g.weight('b', 3);
    g.integers('pads', 1, 0, 0, 0, 0, 0, 0, 0);
    const outputs = ['BatchNormalization', 'Dropout', 'MaxPool', 'Split'].includes(opType) ? ['y', 'second'] : 'y';
    g.node(opType, inputs, outputs, attributes, 'here');
    return () => importOnnx(g.model(opset, { name: 'x', dims }, 'y'));
  }

  it.each([
    ['an operator', one('Tanh', ['x']), /'here' \(Tanh\) is of the unsupported operator Tanh. Supported are Add, /],
    ['a channel mismatch', one('Conv', ['x', 'w']), /'here'.*4 channels.*'w' \[8, 2, 3, 3\] with 1 groups needs 2/],
    ['groups that do not divide', one('Conv', ['x', 'w'], { group: int(3) }), /3 groups for 4 channels in and 8 out/],
    ['one spatial dimension', one('Conv', ['x', 'w1']), /'w1' of shape \[8,4,3\].*one and three spatial/],
    ['another kernel_shape', one('Conv', ['x', 'w'], { kernel_shape: ints(5, 5) }), /kernel_shape \[5,5\]/],
    [
      'a bias of another length',
      one('Conv', ['x', 'w', 'b'], { group: int(2) }),
      /bias 'b' of shape \[3\]. \[8\] is expected/,
    ],
    ['a computed weight', one('Conv', ['x', 'x']), /no constant weight: 'x' is computed/],
    [
      'a matrix of another size',
      one('Gemm', ['x', 'm'], { transB: int(1) }, [1, 9]),
      /'x' of shape \[9\].*\[5, 7\] needs 7/,
    ],
    ['a transposed batch', one('Gemm', ['x', 'm'], { transA: int(1) }, [1, 7]), /transA = 1/],
    [
      'a kernel larger than the image',
      one('MaxPool', ['x'], { kernel_shape: ints(9, 9) }),
      /6 x 6, too small for kernel \[9,9\]/,
    ],
    [
      'padding as large as the kernel',
      one('MaxPool', ['x'], { kernel_shape: ints(2, 2), pads: ints(2, 0, 0, 0) }),
      /a window sees only padding/,
    ],
    ['a softmax over the batch', one('Softmax', ['x'], { axis: int(0) }), /'here'.*normalises over the batch/],
    ['batches joined', one('Concat', ['x', 'x'], { axis: int(0) }), /'here'.*joins batches/],
    ['a padded batch', one('Pad', ['x', 'pads']), /'here'.*pads the batch by \[1,0\]/],
    ['a value nobody makes', one('Add', ['x', 'ghost']), /reads 'ghost', which no earlier node makes/],
    ['a transpose of the batch', one('Transpose', ['x'], { perm: ints(1, 0, 2, 3) }), /'here'.*moves the batch/],
    [
      'an open size',
      one('Relu', ['x'], {}, ['n', 3, 'height', 'width']),
      /\[n, 3, height, width\].*Give the input's size/,
    ],
    ['an attribute of another type', one('LRN', ['x'], { size: float(5) }), /'size' is of type float, int is expected/],
  ])('%s', (_, run, message) => {
    expect(run).toThrow(message);
  });

  it("MaxPool's places, when they are read", () => {
    const g = new GraphBuilder(1);
    g.node('MaxPool', ['x'], ['p', 'places'], { kernel_shape: ints(2, 2) }, 'here');
    g.node('Cast', ['places'], 'y', { to: int(1) });
    expect(() => importOnnx(g.model(13, { name: 'x', dims: [1, 1, 4, 4] }, 'y'))).toThrow(/hands on the places/);
  });

  it('nodes nobody reads may be anything', () => {
    const g = new GraphBuilder(1);
    g.node('Tanh', ['x'], 'unused');
    g.node('Relu', ['x'], 'y');
    expect(kinds(importOnnx(g.model(13, { name: 'x', dims: [1, 4] }, 'y')))).toEqual(['relu']);
  });

  it('metadata that frostline did not write', () => {
    const model = exportOnnx(alexnetSmall({ classes: 2 }));
    const broken = { ...model, metadata: new Map([['frostline.preprocessing', '{"size": 3}']]) };
    expect(() => importOnnx(broken)).toThrow(/metadata 'frostline.preprocessing'/);
  });
});
