/**
 * Softmax, cross-entropy and its gradient in one: logits x [rows, columns], one label a row, one weight a class.
 *
 *   p[n, i] = exp(x[n, i] - m[n]) / S[n],   S[n] = sum over i of exp(x[n, i] - m[n]),   m[n] = max over i of x[n, i]
 *   l[n]    = -log p[n, label[n]] = log S[n] + m[n] - x[n, label[n]]
 *   loss    = (1 / W) * sum over n of  w[label[n]] l[n],   W = sum over n of w[label[n]]      (PyTorch's weighted mean)
 *
 * l is never taken from p, which underflows: with extreme logits it stays finite and its gradient right. A NaN or
 * an infinite maximum makes the row's gradient, and with it the loss, NaN; -infinity at the label makes the loss infinite.
 *
 * Derivative: dl[n]/dx[n, i] = p[n, i] - [i = label[n]], so
 *
 *   dloss/dx[n, i] = (w[label[n]] / W) * (p[n, i] - [i = label[n]])
 *
 * Label smoothing e (Szegedy et al. 2016; with weights as PyTorch has it) asks of C classes for a share e / C of all:
 *
 *   loss_e         = (1 - e) loss + (e / C) (1 / W) * sum over n, c of  w[c] (log S[n] + m[n] - x[n, c])
 *   dloss_e/dx[n, i] = (1 - e) dloss/dx[n, i] + (e / C) (1 / W) (p[n, i] * sum over c of w[c]  -  w[i])
 *
 * W is known from the labels alone. So the row that has its maximum and its sum writes its gradient at once, and p is
 * never kept: the logits are read and the gradient is written, once. A loss that is not the end of a graph scales it.
 *
 * Rows go in parts of PART, one workgroup each, and `losses` has one value a part. Of one part it is the loss, and W is
 * summed on the way. Several parts are three kernels: W first, which each part would else sum anew (`softmax-loss/weights`,
 * then `summed` 1), and the sum of their losses in the parts' order at last (../bias). Windows of a large batch are parts,
 * too: `first` is the window's first row among all `batch` rows, whose labels are all there. Labels must be below
 * `columns`: the host checks them.
 *
 * workgroup: a lane takes a row; weights and losses are summed over the workgroup in a fixed order.
 * teams: 32 lanes take a row together, for GPUs: of a batch of ten a lane a row leaves a GPU's one core to ten lanes.
 */
import { profileOf } from '../../gpu/machine.ts';
import { serialAccesses } from '../estimate.ts';
import { type Capabilities, defineKernel, type Params, perElement, type Variant } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { largerFunction, poisonFunction } from '../nan.ts';
import { workgroupSum } from '../workgroup-sum.ts';

const params = {
  rows: 'u32',
  columns: 'u32',
  /** of `labels`: the row at which these begin, and how many there are in all */
  first: 'u32',
  batch: 'u32',
  /** 1: `weight_sum` holds W; else it is not looked at */
  summed: 'u32',
  /** e; at 0 nothing of it is computed */
  smoothing: 'f32',
} as const;
type P = Params<typeof params>;

/** Rows of a part. */
const PART = 64;

/** Values of `losses` that so many rows give. */
export const lossParts = (rows: number) => Math.ceil(rows / PART);

const WEIGHT = /* wgsl */ `
fn weight_of(n: u32) -> f32 { return class_weights[p.class_weights_base + labels[p.labels_base + n]]; }`;

/** A class's part of what label smoothing asks for: of the sum of weights, and of the loss by all classes. */
const spreadText = ({ load }: Memory) => /* wgsl */ `
      let weight_i = class_weights[p.class_weights_base + i];
      all_weights += weight_i;
      spread += weight_i * (log(sum) + (largest - ${load('logits', 'start + i')}));`;

/** One value of the row's gradient. */
const gradientText = ({ load }: Memory) => /* wgsl */ `
    let probability = exp(${load('logits', 'start + i')} - largest) / sum;
    var gradient = weight / weights * (probability - select(0.0, 1.0, i == label)) + spoiled;
    if (p.smoothing > 0.0) {
      let others = probability * all_weights - class_weights[p.class_weights_base + i];
      gradient = (1.0 - p.smoothing) * gradient + share / weights * others;
    }
    dlogits[to + i] = gradient;`;

/** The row's loss, before the division by W. */
const lossText = ({ load }: Memory) => /* wgsl */ `
  let loss = weight * (log(sum) + (largest - ${load('logits', 'start + label')}) + spoiled);
  if (p.smoothing > 0.0) { return (1.0 - p.smoothing) * loss + share * spread; }
  return loss;`;

/** weighted_loss(n, weights): w l of row n; writes its gradient, where `weights` is the sum of all rows'. */
const row = (withGradient: boolean) => (memory: Memory) =>
  /* wgsl */ `${largerFunction}${poisonFunction}${WEIGHT}
fn weighted_loss(n: u32, weights: f32) -> f32 {
  let start = p.logits_base + n * p.columns;
  var largest = ${memory.load('logits', 'start')};
  for (var i = 1u; i < p.columns; i++) { largest = larger(largest, ${memory.load('logits', 'start + i')}); }
  let spoiled = poison(largest);
  var sum = 0.0;
  for (var i = 0u; i < p.columns; i++) { sum += exp(${memory.load('logits', 'start + i')} - largest); }
  let label = labels[p.labels_base + p.first + n];
  let weight = class_weights[p.class_weights_base + label];
  let share = p.smoothing / f32(p.columns);
  var all_weights = 0.0;
  var spread = 0.0;
  if (p.smoothing > 0.0) {
    for (var i = 0u; i < p.columns; i++) {${spreadText(memory)}
    }
  }${
    withGradient
      ? /* wgsl */ `
  let to = p.dlogits_base + n * p.columns;
  for (var i = 0u; i < p.columns; i++) {${gradientText(memory)}
  }`
      : ''
  }${lossText(memory)}
}`;

/** Passes over a row: for the maximum, the sum and, with a gradient, that; with smoothing, over weights and logits again. */
const accesses = (p: P, withGradient: boolean) =>
  p.columns * ((withGradient ? 4 : 2) + (p.smoothing > 0 ? (withGradient ? 3 : 2) : 0)) + 4;

/** Lanes of a team, and teams of a workgroup. */
const TEAM = 32;
const TEAMS = 8;

/** Every lane of a team sums, or compares, what the team's lanes found, in their order: all of them have the same bits. */
const teamFunctions = (withGradient: boolean, memory: Memory) => /* wgsl */ `${largerFunction}${poisonFunction}${WEIGHT}
var<workgroup> found: array<f32, ${TEAM * TEAMS}>;
fn team_largest(lane: u32, own: f32) -> f32 {
  workgroupBarrier();
  found[lane] = own;
  workgroupBarrier();
  let first = lane - lane % ${TEAM}u;
  var largest = found[first];
  for (var i = 1u; i < ${TEAM}u; i++) { largest = larger(largest, found[first + i]); }
  return largest;
}
fn team_sum(lane: u32, own: f32) -> f32 {
  workgroupBarrier();
  found[lane] = own;
  workgroupBarrier();
  let first = lane - lane % ${TEAM}u;
  var sum = 0.0;
  for (var i = 0u; i < ${TEAM}u; i++) { sum += found[first + i]; }
  return sum;
}
// w l of row n, by all lanes of a team; every lane calls it, with a row that there is.
fn weighted_loss(n: u32, lane: u32, counts: bool, weights: f32) -> f32 {
  let own = lane % ${TEAM}u;
  let start = p.logits_base + n * p.columns;
  var largest = ${memory.load('logits', 'start')};
  for (var i = own; i < p.columns; i += ${TEAM}u) { largest = larger(largest, ${memory.load('logits', 'start + i')}); }
  largest = team_largest(lane, largest);
  let spoiled = poison(largest);
  var sum = 0.0;
  for (var i = own; i < p.columns; i += ${TEAM}u) { sum += exp(${memory.load('logits', 'start + i')} - largest); }
  sum = team_sum(lane, sum);
  let label = labels[p.labels_base + p.first + n];
  let weight = class_weights[p.class_weights_base + label];
  let share = p.smoothing / f32(p.columns);
  var all_weights = 0.0;
  var spread = 0.0;
  if (p.smoothing > 0.0) {
    for (var i = own; i < p.columns; i += ${TEAM}u) {${spreadText(memory)}
    }
    all_weights = team_sum(lane, all_weights);
    spread = team_sum(lane, spread);
  }${
    withGradient
      ? /* wgsl */ `
  let to = p.dlogits_base + n * p.columns;
  for (var i = own; i < select(0u, p.columns, counts); i += ${TEAM}u) {${gradientText(memory)}
  }`
      : ''
  }${lossText(memory)}
}`;

const teams = (withGradient: boolean): Variant<typeof params> => ({
  name: 'teams',
  configurations: [{ lanes: TEAM }],
  workgroupSize: () => TEAM * TEAMS,
  workgroups: ({ rows }) => lossParts(rows),
  estimate: (p, _, capabilities) =>
    // A rasteriser in software has no lanes to spare.
    !profileOf(capabilities).overlaps
      ? Number.MAX_VALUE
      : serialAccesses(
          lossParts(p.rows) * TEAM * TEAMS,
          Math.ceil(Math.min(p.rows, PART) / TEAMS) * (accesses(p, withGradient) / TEAM + 3 * TEAM) +
            2 * labelsForWeights(p),
          capabilities,
        ),
  text: (_, memory) => ({
    declarations: /* wgsl */ `${teamFunctions(withGradient, memory)}
var<workgroup> row_losses: array<f32, ${PART}>;`,
    main: /* wgsl */ `
  // A folded dispatch may hold more workgroups than parts. They must reach the barriers: they write nothing.
  let exists = workgroup * ${PART}u < p.rows;
  let first = select(0u, workgroup * ${PART}u, exists);
  let count = min(${PART}u, p.rows - first);
  var weights = 0.0;
  if (p.summed == 1u) { weights = weight_sum[p.weight_sum_base]; }
  else { for (var n = 0u; n < p.batch; n++) { weights += weight_of(n); } }
  for (var round = 0u; round < (count + ${TEAMS - 1}u) / ${TEAMS}u; round++) {
    let row = round * ${TEAMS}u + lane / ${TEAM}u;
    let counts = exists && row < count;
    let loss = weighted_loss(first + min(row, count - 1u), lane, counts, weights);
    if (lane % ${TEAM}u == 0u) { row_losses[row] = select(0.0, loss, counts); }
  }
  workgroupBarrier();
  if (lane == 0u && exists) {
    var loss = 0.0;
    for (var n = 0u; n < count; n++) { loss += row_losses[n]; }
    losses[p.losses_base + workgroup] = loss / weights;
  }`,
  }),
});

const variantsOf = (withGradient: boolean): readonly [Variant<typeof params>, ...Variant<typeof params>[]] => [
  {
    ...perElement<typeof params>(
      ({ rows }) => lossParts(rows),
      `(p.rows + ${PART - 1}u) / ${PART}u`,
      /* wgsl */ `
  var weights = 0.0;
  if (p.summed == 1u) { weights = weight_sum[p.weight_sum_base]; }
  else { for (var n = 0u; n < p.batch; n++) { weights += weight_of(n); } }
  var loss = 0.0;
  let end = min((index + 1u) * ${PART}u, p.rows);
  for (var n = index * ${PART}u; n < end; n++) { loss += weighted_loss(n, weights); }
  losses[p.losses_base + index] = loss / weights;`,
      row(withGradient),
    ),
    estimate: (p: P, _: unknown, capabilities: Capabilities) =>
      serialAccesses(
        lossParts(p.rows),
        Math.min(p.rows, PART) * accesses(p, withGradient) + 2 * labelsForWeights(p),
        capabilities,
      ),
  },
  {
    name: 'workgroup',
    configurations: [{ threads: PART }],
    workgroupSize: ({ threads }) => threads,
    workgroups: ({ rows }) => lossParts(rows),
    estimate: (p, { threads }, capabilities) =>
      serialAccesses(
        lossParts(p.rows) * threads,
        accesses(p, withGradient) + 2 * Math.ceil(labelsForWeights(p) / threads) + 4 * Math.log2(threads),
        capabilities,
      ),
    text: ({ threads }, memory) => ({
      declarations: workgroupSum(threads) + row(withGradient)(memory),
      main: /* wgsl */ `
  var weights = 0.0;
  if (p.summed == 1u) { weights = weight_sum[p.weight_sum_base]; }
  else {
    var own = 0.0;
    for (var n = lane; n < p.batch; n += ${threads}u) { own += weight_of(n); }
    weights = workgroup_sum(lane, own);
  }
  var loss = 0.0;
  if (index < p.rows) { loss = weighted_loss(index, weights); }
  // Whoever is quick must not overwrite the first sum before the others have read it.
  workgroupBarrier();
  let losses_of_part = workgroup_sum(lane, loss);
  if (lane == 0u && index < p.rows) { losses[p.losses_base + workgroup] = losses_of_part / weights; }`,
    }),
  },
  teams(withGradient),
];

const operands = {
  logits: { access: 'read', half: true },
  labels: { access: 'read', type: 'u32' },
  class_weights: { access: 'read' },
  weight_sum: { access: 'read' },
} as const;

/** Of labels that are read for W alone, where that is not known. */
const labelsForWeights = ({ batch, summed }: P) => (summed === 1 ? 0 : batch);

/** The loss alone. */
export const softmaxLoss = defineKernel({
  name: 'softmax-loss/loss',
  params,
  bindings: { ...operands, losses: { access: 'write' } },
  cost: (p, of) => ({
    flops: 4 * p.rows * p.columns + lossParts(p.rows) * labelsForWeights(p),
    bytes: of.logits * p.rows * p.columns + 4 * (p.rows + labelsForWeights(p) + p.columns + lossParts(p.rows)),
  }),
  variants: variantsOf(false),
});

/** The loss, and its derivative by the logits. */
export const softmaxLossGradient = defineKernel({
  name: 'softmax-loss/gradient',
  params,
  bindings: { ...operands, losses: { access: 'write' }, dlogits: { access: 'write' } },
  cost: (p, of) => ({
    flops: 8 * p.rows * p.columns + lossParts(p.rows) * labelsForWeights(p),
    bytes:
      of.logits * p.rows * p.columns +
      4 * (p.rows * (p.columns + 1) + labelsForWeights(p) + p.columns + lossParts(p.rows)),
  }),
  variants: variantsOf(true),
});

/** W, for a loss in parts. */
export const softmaxLossWeights = defineKernel({
  name: 'softmax-loss/weights',
  params: { batch: 'u32' },
  bindings: { labels: operands.labels, class_weights: operands.class_weights, weight_sum: { access: 'write' } },
  cost: ({ batch }) => ({ flops: batch, bytes: 8 * batch + 4 }),
  variants: [
    {
      ...perElement<{ readonly batch: 'u32' }>(
        () => 1,
        '1u',
        /* wgsl */ `
  var weights = 0.0;
  for (var n = 0u; n < p.batch; n++) { weights += weight_of(n); }
  weight_sum[p.weight_sum_base] = weights;`,
        WEIGHT,
      ),
      estimate: ({ batch }, _, capabilities) => serialAccesses(1, 2 * batch, capabilities),
    },
    {
      name: 'workgroup',
      configurations: [{ threads: 64 }, { threads: 256 }],
      workgroupSize: ({ threads }) => threads,
      workgroups: () => 1,
      estimate: ({ batch }, { threads }, capabilities) =>
        serialAccesses(threads, 2 * Math.ceil(batch / threads) + 4 * Math.log2(threads), capabilities),
      text: ({ threads }) => ({
        declarations: workgroupSum(threads) + WEIGHT,
        main: /* wgsl */ `
  var own = 0.0;
  for (var n = lane; n < p.batch; n += ${threads}u) { own += weight_of(n); }
  let weights = workgroup_sum(lane, own);
  if (lane == 0u) { weight_sum[p.weight_sum_base] = weights; }`,
      }),
    },
  ],
});
