/** Activations in the spellings that exporters have for them. */
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { node, type Part, type Pattern, type Rewrite, single } from './match.ts';

/** x Sigmoid(x): SiLU, or Swish, as files before operator set 24 have it. */
export const silu: Rewrite = {
  name: 'silu',
  pattern: { opType: 'Mul', commutes: true, inputs: ['x', { opType: 'Sigmoid', inputs: ['x'] }] },
  replace: ({ values, nodes: [last] }) => [
    { ...node('Silu', [values.get('x')!], last.outputs[0], new Map(), last.name), domain: 'frostline' },
  ],
};

/** TensorFlow's max(x, a x), which is a leaky ReLU for a from 0 to 1. */
export const leakyRelu: Rewrite = {
  name: 'leaky relu',
  pattern: {
    opType: 'Max',
    commutes: true,
    inputs: [
      'x',
      {
        opType: 'Mul',
        commutes: true,
        inputs: ['x', { constant: 'slope', test: (a: Float32Array) => single(a) && a[0] >= 0 && a[0] <= 1 }],
      },
    ],
  },
  replace: ({ values, constants, nodes: [last] }) => {
    const alpha = { type: 'float', value: constants.get('slope')![0] } as const;
    return [node('LeakyRelu', [values.get('x')!], last.outputs[0], new Map([['alpha', alpha]]), last.name)];
  },
};

const is = (expected: number) => (values: Float32Array) => single(values) && values[0] === expected;

/** min(max(x + 3, 0), 6), the bounds as inputs or, before operator set 11, as attributes. */
const shiftedRelu6: Part = {
  either: [
    { opType: 'Clip', inputs: [addThree(), { constant: 'low', test: is(0) }, { constant: 'high', test: is(6) }] },
    {
      opType: 'Clip',
      inputs: [addThree()],
      test: (clip: OnnxNode) =>
        clip.inputs.length === 1 && attribute(clip, 'min', 'float') === 0 && attribute(clip, 'max', 'float') === 6,
    },
  ],
};

function addThree(): Pattern {
  return { opType: 'Add', commutes: true, inputs: ['x', { constant: 'three', test: is(3) }] };
}

const six: Part = { constant: 'six', test: is(6) };

/** As PyTorch (HardSigmoid), and papers' code (ReLU6), write it before operator set 14. */
const hardSwishPatterns: readonly Pattern[] = [
  {
    opType: 'Mul',
    commutes: true,
    inputs: [
      'x',
      {
        opType: 'HardSigmoid',
        inputs: ['x'],
        test: (gate: OnnxNode) =>
          Math.abs((attribute(gate, 'alpha', 'float') ?? 0.2) - 1 / 6) < 1e-6 &&
          (attribute(gate, 'beta', 'float') ?? 0.5) === 0.5,
      },
    ],
  },
  { opType: 'Mul', commutes: true, inputs: ['x', { opType: 'Div', inputs: [shiftedRelu6, six] }] },
  { opType: 'Div', inputs: [{ opType: 'Mul', commutes: true, inputs: ['x', shiftedRelu6] }, six] },
];
export const hardSwishes = hardSwishPatterns.map(
  (pattern): Rewrite => ({
    name: 'hard swish',
    pattern,
    replace: ({ values, nodes: [last] }) => [
      node('HardSwish', [values.get('x')!], last.outputs[0], new Map(), last.name),
    ],
  }),
);
