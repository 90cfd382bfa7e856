import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import type { KnownConstants } from '../onnx/form.ts';
import { node, type Part, type Pattern, type Rewrite, single } from './match.ts';

const two = (values: Float32Array) => single(values) && values[0] === 2;

const squares: Part = {
  either: [
    { opType: 'Mul', inputs: ['x', 'x'] },
    { opType: 'Pow', inputs: ['x', { constant: 'two', test: two }] },
  ],
};

/** The mean of squares over neighbouring channels, as a pool of a fifth dimension. */
const meanOfSquares: Pattern = {
  opType: 'AveragePool',
  inputs: [{ via: ['Pad', 'Reshape', 'Unsqueeze', 'Identity'], part: squares }],
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

const denominator: Pattern = {
  opType: 'Add',
  commutes: true,
  inputs: [
    {
      opType: 'Mul',
      commutes: true,
      inputs: [
        {
          via: ['Squeeze', 'Reshape', 'Identity'],
          part: { either: [meanOfSquares, unknownSqueeze(meanOfSquares)] },
        },
        { constant: 'alpha', test: single },
      ],
    },
    { constant: 'bias', test: single },
  ],
};

const power: Pattern = { opType: 'Pow', inputs: [denominator, { constant: 'beta', test: single }] };

/**
 * PyTorch's exporters have no LRN: nn.LocalResponseNorm of an image becomes
 *
 *   x / (k + alpha avg_pool3d(pad(x x)))^beta
 *
 * with an axis put in before the channels and taken out again. It is ONNX's where the padding is: (size - 1) / 2 zeros
 * on each side. Of an even size PyTorch's window lies one channel earlier than ONNX's, and stays what it is.
 */
const replace =
  (sign: 1 | -1): Rewrite['replace'] =>
  ({ values, constants, nodes, known }) => {
    const pool = nodes.find(({ opType }) => opType === 'AveragePool')!;
    const size = channelWindow(pool);
    if (size === undefined || size % 2 === 0 || !padsChannels(nodes, known, (size - 1) / 2)) return undefined;
    const constant = (name: string, factor = 1) =>
      ({ type: 'float', value: factor * constants.get(name)![0] }) as const;
    const attributes: OnnxNode['attributes'] = new Map<
      string,
      ReturnType<typeof constant> | { type: 'int'; value: number }
    >([
      ['size', { type: 'int', value: size }],
      ['alpha', constant('alpha')],
      ['beta', constant('beta', sign)],
      ['bias', constant('bias')],
    ]);
    const [last] = nodes;
    return [node('LRN', [values.get('x')!], last.outputs[0], attributes, last.name)];
  };

/** The number of channels that a pool of [size, 1, 1] takes, one step after the other, without padding of its own. */
function channelWindow(pool: OnnxNode): number | undefined {
  const kernel = attribute(pool, 'kernel_shape', 'ints') ?? [];
  const others = (name: string, value: number) => (attribute(pool, name, 'ints') ?? []).every((one) => one === value);
  const plain =
    others('strides', 1) &&
    others('pads', 0) &&
    others('dilations', 1) &&
    (attribute(pool, 'auto_pad', 'string') ?? 'NOTSET') === 'NOTSET';
  return plain && kernel.length === 3 && kernel[1] === 1 && kernel[2] === 1 ? kernel[0] : undefined;
}

/** Whether all pads together are so many zeros before and behind the channels, the third dimension from the end. */
function padsChannels(nodes: readonly OnnxNode[], constants: KnownConstants, width: number): boolean {
  const pads = nodes.filter(({ opType }) => opType === 'Pad');
  const amounts = pads.map((pad) => attribute(pad, 'pads', 'ints') ?? constants.integersOf(pad.inputs[1] ?? ''));
  const zeros = pads.every(
    (pad) =>
      (attribute(pad, 'mode', 'string') ?? 'constant') === 'constant' &&
      (attribute(pad, 'value', 'float') ?? 0) === 0 &&
      !pad.inputs[3] &&
      (!pad.inputs[2] || constants.tensor(pad.inputs[2])?.toFloat32()[0] === 0),
  );
  // Amounts that the file computes of shapes are taken for PyTorch's.
  if (!zeros || amounts.some((one) => one !== undefined && one.length !== 10)) return false;
  if (amounts.includes(undefined)) return true;
  const sums = Array.from({ length: 10 }, (_, i) => amounts.reduce((sum, one) => sum + one![i], 0));
  return sums.every((sum, i) => sum === (i === 2 || i === 7 ? width : 0));
}

const patterns: readonly { readonly pattern: Pattern; readonly sign: 1 | -1 }[] = [
  { pattern: { opType: 'Div', inputs: ['x', power] }, sign: 1 },
  { pattern: { opType: 'Mul', commutes: true, inputs: ['x', power] }, sign: -1 },
];

export const decomposedLrns: readonly Rewrite[] = patterns.map(({ pattern, sign }) => ({
  name: 'lrn of PyTorch',
  pattern,
  replace: replace(sign),
}));
