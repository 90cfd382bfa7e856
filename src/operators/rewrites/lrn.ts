import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { type Match, node, type Part, type Pattern, type Rewrite, single } from './match.ts';

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

/** The pool's window moves by 1 and pads nothing itself: all that LRN's sums are. */
const slidesAlone = (pool: OnnxNode) =>
  (attribute(pool, 'strides', 'ints') ?? []).every((stride) => stride === 1) &&
  (attribute(pool, 'pads', 'ints') ?? []).every((pads) => pads === 0) &&
  ['', 'NOTSET', 'VALID'].includes(attribute(pool, 'auto_pad', 'string') ?? '');

/** Zeros around the channels, half a window on each side, as far as the amounts are no computation of the file's. */
function padsHalf({ nodes, tensor }: Match, size: number): boolean {
  const pad = nodes.find(({ opType }) => opType === 'Pad');
  if (pad === undefined) return size === 1;
  if ((attribute(pad, 'mode', 'string') || 'constant') !== 'constant' || attribute(pad, 'value', 'float')) return false;
  if (pad.inputs[2] && tensor(pad.inputs[2])?.toFloat32()[0] !== 0) return false;
  const amounts = attribute(pad, 'pads', 'ints') ?? tensor(pad.inputs[1] ?? '')?.toIntegers();
  const padded = amounts?.filter((amount) => amount !== 0);
  return padded === undefined || (padded.length === 2 && padded.every((amount) => amount === (size - 1) / 2));
}

/**
 * PyTorch's exporter has no LRN: nn.LocalResponseNorm of an image becomes
 *
 *   x / (k + alpha avg_pool3d(pad(x x)))^beta
 *
 * with an axis put in before the channels and taken out again.
 */
export const decomposedLrn: Rewrite = {
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
  replace(match) {
    const { values, constants, nodes } = match;
    const pool = nodes.find(({ opType }) => opType === 'AveragePool')!;
    const kernel = pool.attributes.get('kernel_shape');
    // Over channels alone: [size, 1, 1]. The window of an even size lies otherwise in ONNX.
    if (kernel?.type !== 'ints' || kernel.value.length !== 3 || kernel.value[1] !== 1 || kernel.value[2] !== 1)
      return undefined;
    if (kernel.value[0] % 2 === 0 || !slidesAlone(pool) || !padsHalf(match, kernel.value[0])) return undefined;
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
