import { type Broken, broken, stale } from '../../check/broken.ts';
import { logSoftmaxFamily, softmaxFamily } from '../../check/cases/softmax.ts';
import { normal } from '../../graph/operation-case.ts';
import { type ReferredCase, sized } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import { count } from '../operator.ts';
import type { SoftmaxAttributes } from './rule.ts';

/** The variants in which a thread takes a row. */
const byThread = ['plain', 'coarsened'];

/** Over all of a row, or any run of an image's dimensions but all; a dimension of 1 could be left out of the run. */
const draw: Checks<SoftmaxAttributes>['draw'] = (choose, random) => {
  if (choose(0, 1) === 0) return { attributes: {}, inputs: { x: normal(random, [choose(1, 17), choose(1, 23)]) } };
  const first = choose(0, 2);
  const axes = [first, choose(first + 1, 3)] as const;
  const x = normal(random, [choose(1, 5), choose(2, 7), choose(2, 9), choose(2, 9)]);
  return { attributes: axes[1] - first === 3 ? {} : { axes }, inputs: { x } };
};

/** SwiftShader's exp makes a number of NaN; elsewhere infinity less infinity is NaN enough. */
const whereExpLosesNan = { adapter: 'embedded' };

const rowText: Broken[] = [
  broken('the rows of another axis', 'outer * p.columns * p.stride', 'outer * p.stride'),
  broken('stride left out within the row', '+ (row - outer * p.stride)', ''),
];

/** Values in a row. */
const columns = ({ attributes: { axes }, inputs: [{ shape }] }: ReferredCase<SoftmaxAttributes>) =>
  count(axes === undefined ? shape.slice(1) : shape.slice(axes[0] + 1, axes[1] + 1));

export const softmaxChecks: Checks<SoftmaxAttributes> = {
  // exp(x - m) is off by 3 + 2 |x - m| units in the last place, and |x - m| is no more than |log y|.
  bound: sized(
    (given) => columns(given) + 24,
    ({ reference }) => Float64Array.from(reference(), (y) => (y === 0 ? 0 : y * (1 + Math.abs(Math.log(y))))),
    false,
  ),
  families: [softmaxFamily],
  draw,
  torch: 'lambda o, x: normalise(F.softmax, o, x)',
  mutations: {
    'softmax/forward': [
      ...rowText,
      broken('maximum not subtracted', /(exp\(x\[from_x \+ j \* p\.stride\]) - largest/g, '$1'),
      broken(
        'last column not in the sum',
        '    sum += power;',
        '    if (j + 1u < p.columns) { sum += power; }',
        ...byThread,
      ),
      broken('first lane not in the sum', 'sum += found[i]', 'sum += select(0.0, found[i], i != 0u)', 'workgroup'),
      { ...broken('infinite maximum hidden', ' + poison(largest)', ''), ...whereExpLosesNan },
      broken(
        'last column not normalised',
        'y[k] = y[k] / sum',
        'if (j + 1u < p.columns) { y[k] /= sum; } y[k] += 0.0',
        ...byThread,
      ),
      stale('sum += power', 'sum = power', ...byThread),
      stale('sum += found[i]', 'sum = found[i]', 'workgroup'),
      broken('only the last lane compared', 'largest = larger(largest, found[i])', 'largest = found[i]', 'workgroup'),
    ],
    'softmax/backward': [
      ...rowText,
      broken('sign of the mean', '- dot)', '+ dot)'),
      broken('mean left out', ' - dot)', ')'),
      broken('y left out', '= y[p.y_base + k] * (', '= ('),
      broken('stride left out', /row \+ j \* p\.stride/g, 'row + j'),
      stale('dot += dy', 'dot = dy'),
    ],
  },
};

export const logSoftmaxChecks: Checks<SoftmaxAttributes> = {
  bound: sized(
    (given) => columns(given) + 40,
    ({ given, reference }) => Float64Array.from(reference(), (value) => 1 + Math.log(columns(given)) + Math.abs(value)),
    false,
  ),
  families: [logSoftmaxFamily],
  draw,
  torch: 'lambda o, x: normalise(F.log_softmax, o, x)',
  mutations: {
    'log-softmax/forward': [
      ...rowText,
      broken('maximum not subtracted', 'exp(x[from_x + j * p.stride] - largest)', 'exp(x[from_x + j * p.stride])'),
      broken('maximum subtracted twice', '- largest) - shift', '- 2.0 * largest) - shift'),
      broken('sign of the logarithm', '- shift', '+ shift'),
      { ...broken('infinite maximum hidden', ' + poison(largest)', ''), ...whereExpLosesNan },
      stale('sum += exp', 'sum = exp'),
    ],
    'log-softmax/backward': [
      ...rowText,
      broken('sign', '- exp(', '+ exp('),
      broken('logarithm taken for the probability', 'exp(y[p.y_base + k])', 'y[p.y_base + k]'),
      broken('last column not in the sum', 'j < p.columns; j++) { sum', 'j + 1u < p.columns; j++) { sum'),
      stale('sum += dy', 'sum = dy'),
    ],
  },
};
