/**
 * Accuracy counts from logits or probabilities [rows, columns] and one label a row.
 *
 *   prediction[n] = arg max over i of  logits[n, i]        the first of equal values; a NaN is largest, as in NumPy
 *   correct       = number of rows n with prediction[n] = label[n]
 *
 * Integers: no derivative. With accumulate = 1 the count is added to, for windows of a batch and batches of a set.
 */
import { defineKernel, elementwise } from '../kernel.ts';
import { isNanFunction } from '../nan.ts';

export const predict = defineKernel({
  name: 'correct-count/predict',
  params: { rows: 'u32', columns: 'u32' },
  bindings: { logits: { access: 'read', half: true }, prediction: { access: 'write', type: 'u32' } },
  cost: ({ rows, columns }, of) => ({ flops: rows * columns, bytes: rows * (of.logits * columns + 4) }),
  variants: elementwise(
    ({ rows }) => rows,
    'p.rows',
    ({ load }) => /* wgsl */ `
  let row = p.logits_base + index * p.columns;
  var best = ${load('logits', 'row')};
  var winner = 0u;
  for (var i = 1u; i < p.columns; i++) {
    let value = ${load('logits', 'row + i')};
    if (!is_nan(best) && (value > best || is_nan(value))) {
      best = value;
      winner = i;
    }
  }
  prediction[p.prediction_base + index] = winner;`,
    isNanFunction,
  ),
});

export const correctCount = defineKernel({
  name: 'correct-count/count',
  params: { rows: 'u32', accumulate: 'u32' },
  bindings: {
    prediction: { access: 'read', type: 'u32' },
    labels: { access: 'read', type: 'u32' },
    correct: { access: 'write', type: 'u32' },
  },
  cost: ({ rows }) => ({ flops: rows, bytes: 8 * rows + 4 }),
  variants: elementwise(
    () => 1,
    '1u',
    /* wgsl */ `
  var count = 0u;
  if (p.accumulate == 1u) { count = correct[p.correct_base]; }
  for (var n = 0u; n < p.rows; n++) {
    if (prediction[p.prediction_base + n] == labels[p.labels_base + n]) { count++; }
  }
  correct[p.correct_base] = count;`,
  ),
});
