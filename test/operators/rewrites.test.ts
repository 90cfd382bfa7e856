/** What a pattern of ONNX nodes stands for, and what only looks like one: import computes the nodes as they are, or refuses. */
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../src/models/import-onnx.ts';
import type { OnnxModel, OnnxNode } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { node } from '../../src/operators/rewrites/match.ts';
import { interpret } from '../models/interpret.ts';

/** Values by name; each node is computed as ONNX defines it. */
type Values = Map<string, number>;
const definitions: Readonly<Record<string, (...inputs: number[]) => number>> = {
  Relu: (x) => Math.max(x, 0),
  Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  Add: (a, b) => a + b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: (a, b) => Math.max(a, b),
  Clip: (x, low, high) => Math.min(Math.max(x, low), high),
};

const constants = { tenth: 0.1, two: 2, three: 3, five: 5, six: 6, zero: 0 };

const model = (nodes: readonly OnnxNode[], outputs: readonly string[]): OnnxModel => ({
  irVersion: 7,
  opsets: new Map([['', 13]]),
  producer: '',
  producerVersion: '',
  metadata: new Map(),
  graph: {
    name: 'test',
    nodes,
    initializers: new Map(
      Object.entries(constants).map(([name, value]) => [
        name,
        OnnxTensor.of(name, [], 'float32', Float32Array.of(value)),
      ]),
    ),
    inputs: [{ name: 'x', dataType: 'float32', dims: ['N', 2, 2, 2] }],
    outputs: outputs.map((name) => ({ name, dataType: 'float32' as const, dims: undefined })),
    sparseInitializers: [],
  },
});

const X = Float32Array.of(-7, -2.9, -1, -0.25, 0.5, 1, 2.5, 4);

function computed(nodes: readonly OnnxNode[], outputs: readonly string[]): number[][] {
  const all = Array.from(X, (x) => {
    const values: Values = new Map([...Object.entries(constants), ['x', x]]);
    for (const { opType, inputs, outputs: made } of nodes)
      values.set(made[0], definitions[opType](...inputs.map((name) => values.get(name)!)));
    return values;
  });
  return outputs.map((name) => all.map((values) => values.get(name)!));
}

/** [what it is, its nodes, what is read, the kinds of the network where it is one of ours] */
const step = (opType: string, inputs: string, output: string) => node(opType, inputs.split(' '), output);
const rectified = step('Relu', 'x', 'r');
const swish = (x: string, three: string, six: string, divisor: string) => [
  step('Add', `${x} ${three}`, 'a'),
  step('Clip', `a zero ${six}`, 'c'),
  step('Mul', 'x c', 'm'),
  step('Div', `m ${divisor}`, 'y'),
];
const patterns: readonly (readonly [string, readonly OnnxNode[], readonly string[], string?])[] = [
  ['SiLU', [step('Sigmoid', 'x', 's'), step('Mul', 's x', 'y')], ['y'], 'silu'],
  ['the sigmoid of something else', [rectified, step('Sigmoid', 'r', 's'), step('Mul', 'x s', 'y')], ['y']],
  ['something else times the sigmoid', [rectified, step('Sigmoid', 'x', 's'), step('Mul', 's r', 'y')], ['y']],
  ['a sigmoid that is read', [step('Sigmoid', 'x', 's'), step('Mul', 'x s', 'y')], ['y', 's']],
  ['a leaky ReLU', [step('Mul', 'x tenth', 'm'), step('Max', 'x m', 'y')], ['y'], 'leakyRelu'],
  ['the larger of x and 2 x', [step('Mul', 'x two', 'm'), step('Max', 'x m', 'y')], ['y']],
  [
    'the larger of x and of a share of something else',
    [rectified, step('Mul', 'r tenth', 'm'), step('Max', 'x m', 'y')],
    ['y'],
  ],
  ['a share that is read', [step('Mul', 'x tenth', 'm'), step('Max', 'x m', 'y')], ['y', 'm']],
  ['hard swish', swish('x', 'three', 'six', 'six'), ['y'], 'hardSwish'],
  ['hard swish with 2 for 3', swish('x', 'two', 'six', 'six'), ['y']],
  ['hard swish up to 5', swish('x', 'three', 'five', 'six'), ['y']],
  ['hard swish by 5', swish('x', 'three', 'six', 'five'), ['y']],
  ['hard swish of two values', [rectified, ...swish('r', 'three', 'six', 'six')], ['y']],
  ['hard swish of which the clipped value is read', swish('x', 'three', 'six', 'six'), ['y', 'c']],
];

describe('a pattern of nodes', () => {
  it.each(patterns.map(([what, nodes, outputs, kind]) => ({ what, nodes, outputs, kind })))('$what', (pattern) => {
    const { nodes, outputs, kind } = pattern;
    const network = () => importOnnx(model(nodes, outputs));
    if (kind !== undefined) expect(network().nodes.map(({ op }) => op.kind)).toEqual([kind]);
    // The larger of two activations is nothing of ours: without a pattern it is refused.
    else if (nodes.some(({ opType }) => opType === 'Max')) return expect(network).toThrow(/unsupported operator Max/);
    const found = interpret(network(), { x: X }, 1);
    computed(nodes, outputs).forEach((expected, i) => {
      expected.forEach((value, at) => {
        expect(found[i][at]).toBeCloseTo(value, 5);
      });
    });
  });
});
