/**
 * Softmax and cross-entropy in one: logits x [rows, columns], one label a row, one weight a class.
 *
 *   p[n, i] = exp(x[n, i] - m[n]) / S[n],   S[n] = sum over i of exp(x[n, i] - m[n]),   m[n] = max over i of x[n, i]
 *   l[n]    = -log p[n, label[n]] = log S[n] + m[n] - x[n, label[n]]
 *   loss    = (1 / W) * sum over n of  w[label[n]] l[n],   W = sum over n of w[label[n]]      (PyTorch's weighted mean)
 *
 * l is never taken from p, which underflows: with extreme logits it stays finite and its gradient right. A NaN or
 * an infinite maximum makes the row's probabilities, and with them loss and gradient, NaN; -infinity at the label makes
 * the loss infinite.
 *
 * Derivative: dl[n]/dx[n, i] = p[n, i] - [i = label[n]], so with the loss's own gradient `upstream` (one value)
 *
 *   dx[n, i] = upstream * (w[label[n]] / W) * (p[n, i] - [i = label[n]])
 *
 * Three kernels: rows (which may run on windows of the batch), the mean over the whole batch in a fixed order, which
 * also gives W, and the gradient. Labels must be below `columns`: the host checks them.
 */
import { defineKernel, elementwise } from '../kernel.ts';
import { largerFunction, poisonFunction } from '../nan.ts';

const params = { rows: 'u32', columns: 'u32' } as const;

/** Probabilities and the unweighted loss of each row. */
export const softmaxLossForward = defineKernel({
  name: 'softmax-loss/forward',
  params,
  bindings: {
    logits: { access: 'read' },
    labels: { access: 'read', type: 'u32' },
    probabilities: { access: 'write' },
    losses: { access: 'write' },
  },
  cost: ({ rows, columns }) => ({ flops: 5 * rows * columns, bytes: 8 * rows * (columns + 1) }),
  variants: elementwise(
    ({ rows }) => rows,
    'p.rows',
    /* wgsl */ `
  let row = p.logits_base + index * p.columns;
  let out = p.probabilities_base + index * p.columns;
  var largest = logits[row];
  for (var i = 1u; i < p.columns; i++) { largest = larger(largest, logits[row + i]); }
  let spoiled = poison(largest);
  var sum = 0.0;
  for (var i = 0u; i < p.columns; i++) {
    let power = exp(logits[row + i] - largest);
    probabilities[out + i] = power;
    sum += power;
  }
  for (var i = 0u; i < p.columns; i++) { probabilities[out + i] = probabilities[out + i] / sum + spoiled; }
  losses[p.losses_base + index] = log(sum) + (largest - logits[row + labels[p.labels_base + index]]) + spoiled;`,
    largerFunction + poisonFunction,
  ),
});

/** The weighted mean of the rows' losses and the sum of the weights, one value each, added in the rows' order. */
export const softmaxLossMean = defineKernel({
  name: 'softmax-loss/mean',
  params: { rows: 'u32' },
  bindings: {
    losses: { access: 'read' },
    labels: { access: 'read', type: 'u32' },
    class_weights: { access: 'read' },
    loss: { access: 'write' },
    weight_sum: { access: 'write' },
  },
  cost: ({ rows }) => ({ flops: 3 * rows, bytes: 8 * rows + 8 }),
  variants: elementwise(
    () => 1,
    '1u',
    /* wgsl */ `
  var weighted = 0.0;
  var weights = 0.0;
  for (var n = 0u; n < p.rows; n++) {
    let weight = class_weights[p.class_weights_base + labels[p.labels_base + n]];
    weighted += weight * losses[p.losses_base + n];
    weights += weight;
  }
  loss[p.loss_base] = weighted / weights;
  weight_sum[p.weight_sum_base] = weights;`,
  ),
});

/** dL/dlogits; `upstream` is dL/dloss, one value. */
export const softmaxLossBackward = defineKernel({
  name: 'softmax-loss/backward',
  params,
  bindings: {
    probabilities: { access: 'read' },
    labels: { access: 'read', type: 'u32' },
    class_weights: { access: 'read' },
    weight_sum: { access: 'read' },
    upstream: { access: 'read' },
    dlogits: { access: 'write' },
  },
  cost: ({ rows, columns }) => ({ flops: 3 * rows * columns, bytes: 8 * rows * columns + 8 * rows }),
  variants: elementwise(
    ({ rows, columns }) => rows * columns,
    'p.rows * p.columns',
    /* wgsl */ `
  let label = labels[p.labels_base + index / p.columns];
  let is_label = select(0.0, 1.0, index % p.columns == label);
  let weight = class_weights[p.class_weights_base + label] / weight_sum[p.weight_sum_base];
  dlogits[p.dlogits_base + index] =
    upstream[p.upstream_base] * weight * (probabilities[p.probabilities_base + index] - is_label);`,
  ),
});
