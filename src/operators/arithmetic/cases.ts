import { type Broken, broken, parameter, stale } from '../../check/broken.ts';
import { binaryFamily } from '../../check/cases/tensors.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { absolute, eachValue, sized, sums } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { None } from '../operator.ts';

const binaryText = (symbol: string, wrong: string): Broken[] => [
  broken('another operator', `left ${symbol} right`, `left ${wrong} right`),
  broken('a for b', 'let right = b[p.b_base', 'let right = left + 0.0 * b[p.b_base'),
  broken('operands exchanged in their strides', 'at.i5 * p.b_5', 'at.i5 * p.a_5'),
  broken('the first axis left out', 'at.i0 * p.a_0', '0u'),
  broken("an inner axis' coordinate for another's", 'at.i3 * p.b_3', 'at.i2 * p.b_3'),
  broken('a broadcast axis read along', 'q4 - q3 * p.y_3', 'q4'),
];

/** Each operand has each of the image's dimensions, or 1. The second keeps away from 0: it may divide. */
const checksOf = (
  formula: string,
  bound: Checks<None>['bound'],
  mutations: Checks<None>['mutations'],
): Checks<None> => ({
  bound,
  families: [binaryFamily],
  draw(choose, random) {
    const shape = image(choose);
    const operand = () => shape.map((size, axis) => (axis > 0 && choose(0, 3) === 3 ? 1 : size));
    const [a, b] = [normal(random, operand()), normal(random, operand())];
    const away = (b.values as Float32Array<ArrayBuffer>).map((value) => value + Math.sign(value));
    return { attributes: {}, inputs: { a, b: { ...b, values: away } } };
  },
  torch: `lambda o, a, b: ${formula}`,
  mutations,
});

export const add = checksOf(
  'a + b',
  sums(() => 1),
  {
    'binary/add': binaryText('+', '-'),
    'binary/broadcast-gradient': [
      broken('last repetition left out', 'r < p.repeats', 'r + 1u < p.repeats'),
      parameter('scale left out', 'scale', '1.0'),
      broken('accumulation lost', 'p.accumulate == 1u', 'false'),
      broken('stale start', 'p.accumulate == 1u', 'true'),
      broken('the same element again', 'first + again.i0', 'first + 0u * again.i0'),
      stale('sum += g', 'sum = g'),
    ],
  },
);
const differences = sized<None>(
  () => 2,
  ({ arrays: [a, b], reference }) => reference([absolute(a), Float64Array.from(b, (value) => -Math.abs(value))]),
);

export const subtract = checksOf('a - b', differences, {
  'binary/subtract': binaryText('-', '+'),
});
export const multiply = checksOf(
  'a * b',
  sums(() => 1),
  {
    'binary/multiply': binaryText('*', '+'),
  },
);
export const divide = checksOf(
  'a / b',
  eachValue(() => 5),
  {
    'binary/divide': binaryText('/', '*'),
  },
);
