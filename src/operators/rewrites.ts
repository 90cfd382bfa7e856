/**
 * Patterns of ONNX nodes that are one operator, as exporters write them; and operators that are several. They rewrite
 * nodes into nodes, before any is read, so that reading knows one node at a time.
 */
import type { OnnxNode } from '../onnx/model.ts';
import { attribute } from './onnx/attributes.ts';
import type { KnownConstants } from './onnx/form.ts';

export interface Pattern {
  readonly opType: string;
  /** what each input must be: a pattern, a name that is bound to the value, or a test of a constant */
  readonly inputs: readonly Part[];
  readonly commutes?: true;
  readonly test?: (node: OnnxNode) => boolean;
}
/**
 * What stands between two nodes and moves no value, so that exporters put it there or not: any number of these, along
 * their first inputs.
 */
export interface Via {
  readonly via: readonly string[];
  readonly part: Part;
}
export type Part =
  | Pattern
  | Via
  | { readonly either: readonly Part[] }
  | string
  | { readonly constant: string; readonly test?: (values: Float32Array) => boolean };

export interface Match {
  /** bound values by name */
  readonly values: ReadonlyMap<string, string>;
  /** bound constants by name */
  readonly constants: ReadonlyMap<string, Float32Array>;
  /** the nodes that the pattern covers, the last one first */
  readonly nodes: readonly OnnxNode[];
}

export interface Rewrite {
  readonly name: string;
  readonly pattern: Pattern;
  /** the nodes in place of those matched, or nothing where it is none after all */
  replace(match: Match, opset: number): readonly OnnxNode[] | undefined;
}

export interface Graph {
  readonly nodes: readonly OnnxNode[];
  readonly outputs: readonly string[];
  readonly constants: KnownConstants;
  readonly opset: number;
}

/** A node, for `replace`. */
export const node = (
  opType: string,
  inputs: readonly string[],
  output: string,
  attributes: OnnxNode['attributes'] = new Map(),
  name = '',
): OnnxNode => ({ name, opType, domain: '', inputs, outputs: [output], attributes });

/** The graph with every pattern replaced, from the last node back; what lies between must be read by the pattern alone. */
export function rewritten(
  { nodes, outputs, constants, opset }: Graph,
  rewrites: readonly Rewrite[],
): readonly OnnxNode[] {
  let current = nodes;
  for (const rewrite of rewrites) {
    const makers = new Map(current.flatMap((one) => one.outputs.map((value) => [value, one] as const)));
    const readers = new Map<string, number>();
    for (const value of [...current.flatMap(({ inputs }) => inputs), ...outputs]) {
      readers.set(value, (readers.get(value) ?? 0) + 1);
    }
    const replaced = new Map<OnnxNode, readonly OnnxNode[]>();
    for (const last of current.toReversed()) {
      if (replaced.has(last)) continue;
      const match = matched(rewrite.pattern, last, makers, constants);
      const inner = match?.nodes.slice(1) ?? [];
      // A value between that others read must still be made.
      const own = (value: string) =>
        readers.get(value) ===
        match!.nodes
          .filter(({ inputs }) => inputs.includes(value))
          .flatMap(({ inputs }) => inputs.filter((one) => one === value)).length;
      if (match === undefined || !inner.every((one) => one.outputs.every(own))) continue;
      const made = rewrite.replace(match, opset);
      if (made === undefined) continue;
      for (const one of inner) replaced.set(one, []);
      replaced.set(last, made);
    }
    current = current.flatMap((one) => replaced.get(one) ?? [one]);
  }
  return current;
}

function matched(
  pattern: Pattern,
  last: OnnxNode,
  makers: ReadonlyMap<string, OnnxNode>,
  constants: KnownConstants,
): Match | undefined {
  const orders = pattern.commutes
    ? [
        [0, 1],
        [1, 0],
      ]
    : [[...pattern.inputs.keys()]];
  for (const order of orders) {
    const values = new Map<string, string>();
    const bound = new Map<string, Float32Array>();
    const covered: OnnxNode[] = [];
    /** What a way that fails has covered is not. */
    const tried = (way: () => boolean): boolean => {
      const before = covered.length;
      const fitted = way();
      if (!fitted) covered.length = before;
      return fitted;
    };
    const fits = (part: Part, value: string | undefined): boolean => {
      if (value === undefined) return false;
      if (typeof part === 'string') {
        const known = values.get(part);
        if (known === undefined) values.set(part, value);
        return (known ?? value) === value;
      }
      if ('constant' in part) {
        const found = constants.tensor(value)?.toFloat32();
        if (found === undefined || !(part.test?.(found) ?? true)) return false;
        bound.set(part.constant, found);
        return true;
      }
      if ('either' in part) return part.either.some((one) => tried(() => fits(one, value)));
      const maker = makers.get(value);
      if ('via' in part) {
        if (tried(() => fits(part.part, value))) return true;
        if (maker === undefined || maker.domain !== '' || !part.via.includes(maker.opType)) return false;
        covered.push(maker);
        return fits(part, maker.inputs[0]);
      }
      return maker !== undefined && covers(part, maker);
    };
    const covers = (part: Pattern, one: OnnxNode): boolean => {
      if (one.opType !== part.opType || one.domain !== '' || !(part.test?.(one) ?? true)) return false;
      covered.push(one);
      const given = part === pattern ? order.map((i) => one.inputs[i]) : one.inputs;
      const straight = part.inputs.every((input, i) => fits(input, given[i]));
      return (
        straight ||
        (part !== pattern && part.commutes === true && part.inputs.every((input, i) => fits(input, one.inputs[1 - i])))
      );
    };
    if (covers(pattern, last)) return { values, constants: bound, nodes: [...new Set(covered)] };
  }
  return undefined;
}

const single = (values: Float32Array) => values.length === 1;

/** The mean of squares over neighbouring channels, as a pool of a fifth dimension. */
const meanOfSquares: Pattern = {
  opType: 'AveragePool',
  inputs: [{ via: ['Pad', 'Reshape', 'Unsqueeze'], part: { opType: 'Mul', inputs: ['x', 'x'] } }],
};

/** The squeeze of a dimension that the exporter does not know to be 1; its branches, which are not read, both take `part`. */
const unknownSqueeze = (part: Part): Pattern => ({
  opType: 'If',
  inputs: [
    {
      opType: 'Equal',
      inputs: [
        { opType: 'Gather', inputs: [{ opType: 'Shape', inputs: [part] }, { constant: 'axis' }] },
        { constant: 'one' },
      ],
    },
  ],
});

/**
 * PyTorch's exporter has no LRN: nn.LocalResponseNorm of an image becomes
 *
 *   x / (k + alpha avg_pool3d(pad(x x)))^beta
 *
 * with an axis put in before the channels and taken out again.
 */
const decomposedLrn: Rewrite = {
  name: 'lrn of PyTorch',
  pattern: {
    opType: 'Div',
    inputs: [
      'x',
      {
        opType: 'Pow',
        inputs: [
          {
            opType: 'Add',
            commutes: true,
            inputs: [
              {
                opType: 'Mul',
                commutes: true,
                inputs: [
                  { via: ['Squeeze', 'Reshape'], part: { either: [meanOfSquares, unknownSqueeze(meanOfSquares)] } },
                  { constant: 'alpha', test: single },
                ],
              },
              { constant: 'bias', test: single },
            ],
          },
          { constant: 'beta', test: single },
        ],
      },
    ],
  },
  replace({ values, constants, nodes }) {
    const pool = nodes.find(({ opType }) => opType === 'AveragePool')!;
    const kernel = pool.attributes.get('kernel_shape');
    // Over channels alone: [size, 1, 1]. The window of an even size lies otherwise in ONNX.
    if (kernel?.type !== 'ints' || kernel.value.length !== 3 || kernel.value[1] !== 1 || kernel.value[2] !== 1)
      return undefined;
    if (kernel.value[0] % 2 === 0) return undefined;
    const constant = (name: string) => ({ type: 'float', value: constants.get(name)![0] }) as const;
    const attributes = new Map<string, OnnxNode['attributes'] extends ReadonlyMap<string, infer V> ? V : never>([
      ['size', { type: 'int', value: kernel.value[0] }],
      ['alpha', constant('alpha')],
      ['beta', constant('beta')],
      ['bias', constant('bias')],
    ]);
    const [last] = nodes;
    return [node('LRN', [values.get('x')!], last.outputs[0], attributes, last.name)];
  },
};

/** x Sigmoid(x): SiLU, or Swish, as files before operator set 24 have it. */
const silu: Rewrite = {
  name: 'silu',
  pattern: { opType: 'Mul', commutes: true, inputs: ['x', { opType: 'Sigmoid', inputs: ['x'] }] },
  replace: ({ values, nodes: [last] }) => [
    { ...node('Silu', [values.get('x')!], last.outputs[0], new Map(), last.name), domain: 'frostline' },
  ],
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
const hardSwishes = hardSwishPatterns.map(
  (pattern): Rewrite => ({
    name: 'hard swish',
    pattern,
    replace: ({ values, nodes: [last] }) => [
      node('HardSwish', [values.get('x')!], last.outputs[0], new Map(), last.name),
    ],
  }),
);

export const rewrites: readonly Rewrite[] = [decomposedLrn, silu, ...hardSwishes];
