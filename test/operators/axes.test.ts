/** Refusals of operations of tensors count dimensions as their caller does: the batch is 0. */
import { expect, it } from 'vitest';
import { concat, input, pad, softmax, type Tensor, transpose } from '../../src/index.ts';

const t = (...shape: number[]): Tensor => input('x', shape);

it.each<[string, () => Tensor, string]>([
  ['an axis behind the last', () => concat([t(2, 3), t(2, 4)], 'n', 5), 'n: axis 5 of [2, 3]. Give 1 to 1: batches'],
  ['the batch', () => concat([t(2, 3), t(2, 4)], 'n', 0), 'n: axis 0 of [2, 3]. Give 1 to 1: batches, 0, cannot be'],
  [
    'other extents',
    () => concat([t(2, 3, 4), t(2, 5, 4)], 'n', 2),
    'n: joins [2, 3, 4] and [2, 5, 4] along axis 2. They may differ in that one alone.',
  ],
  ['another rank', () => concat([t(2, 3, 4), t(2, 3)], 'n'), 'n: joins [2, 3, 4] and [2, 3] along axis 1.'],
  ['axes behind the last', () => softmax(t(2, 3), 'n', [1, 9]), 'n: axes [1, 9] of input x, [2, 3]. Give [first, end]'],
  ['the batch among axes', () => softmax(t(2, 3), 'n', [0, 1]), 'n: axes [0, 1] of input x, [2, 3]. Give [first, end]'],
  [
    'an order of another dimension',
    () => transpose(t(2, 3, 4), [0, 3, 1]),
    'transpose: order [0, 3, 1] of [2, 3, 4]. Give each of 0 to 2 once.',
  ],
  ['a short order', () => transpose(t(2, 3, 4), [0, 1]), 'transpose: order [0, 1] of [2, 3, 4].'],
  [
    'numbers of padding',
    () => pad(t(2, 3, 4, 4), { before: [0, 0, 0], after: [0, 0, 0] }),
    'pad: 3 numbers before and 3 behind for [2, 3, 4, 4]. Give 4 each, 0 for the batch.',
  ],
])('%s', (_, build, message) => {
  expect(build).toThrow(message);
});

it('other batches are told as such', () => {
  expect(() => concat([t(2, 3), t(5, 3)], 'n')).toThrow(/'x' of 2 items and 'x' of 5/);
});
