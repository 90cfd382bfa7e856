/** The end of a classifier: the loss, the predicted class, the count of correct predictions. */
import { checkArguments, NUMBERS, orNothing } from '../../arguments.ts';
import { Storage } from '../../gpu/storage.ts';
import { affineBackward } from '../../kernels/affine/affine.ts';
import { biasGradient } from '../../kernels/bias/bias.ts';
import { correctCount, predict } from '../../kernels/correct-count/correct-count.ts';
import {
  lossParts,
  softmaxLoss,
  softmaxLossGradient,
  softmaxLossWeights,
} from '../../kernels/softmax-loss/softmax-loss.ts';
import { checkOptions, type OptionNames } from '../../options.ts';
import { apply, type ForwardEmitter, refuse, shapeText } from '../operation.ts';
import { checkTensors, type Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';

/** Rows and columns of [N, C], also of [N, C, 1, 1]. @throws FrostlineError for any other, [N] too */
function matrix(name: string, x: Tensor): { items: number; columns: number } {
  checkTensors(name, { logits: x });
  const [items, columns] = x.shape;
  // Of [N] there would be one class, which is always right.
  if (items * columns !== x.size) {
    const remedy = `Give [N, classes]${x.shape.length > 2 ? ': flatten it before' : ''}.`;
    refuse(name, `input ${x.name} has shape ${shapeText(x.shape)}`, remedy);
  }
  return { items, columns };
}

/** What the loss is asked for beside its weights. */
export interface LossOptions {
  /** the share of a label that is spread over all classes, from 0 to below 1. Default 0 */
  readonly labelSmoothing?: number;
}

const LOSS_OPTIONS: OptionNames<LossOptions> = {
  labelSmoothing: {
    is: (value) => typeof value === 'number' && value >= 0 && value < 1,
    words: 'a number from 0 to below 1',
  },
};

/**
 * Mean cross-entropy of the softmax of `logits` [N, C] against `labels` [N] (u32), one value. With class weights the
 * mean is weighted: sum of w_y l / sum of w_y (PyTorch's CrossEntropyLoss). `labelSmoothing` e, from 0 to below 1, asks
 * for a share e spread over all classes, weighted as there.
 */
export function softmaxCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  classWeights?: readonly number[],
  name = 'loss',
  options: LossOptions = {},
): Tensor {
  const { labelSmoothing = 0 } = checkOptions(name, options, LOSS_OPTIONS);
  checkTensors(name, { labels });
  checkArguments(name, { 'the class weights': [classWeights, orNothing(NUMBERS)] });
  const { items, columns } = matrix(name, logits);
  if (labels.type !== 'u32' || labels.size !== items) {
    refuse(name, `labels ${labels.name} ${shapeText(labels.shape)} of ${labels.type}`, `Give ${items} values of u32.`);
  }
  const rowBytes = 4 * columns;
  const rowWindows = (emit: ForwardEmitter) => windows(emit.gpu, items, [rowBytes], `${name}: one row`);
  /** The gradient of the loss by the logits, which forward makes. */
  const gradientOf = (emit: ForwardEmitter) => emit.saved('gradient', logits.bytes);
  const weights = Float32Array.from(classWeights ?? Array.from({ length: columns }, () => 1));
  if (weights.length !== columns || !weights.every((value) => value > 0 && Number.isFinite(value))) {
    refuse(name, `class weights ${shapeText(Array.from(weights))}`, `Give ${columns} positive numbers.`);
  }
  return apply(
    {
      name: 'softmaxCrossEntropy',
      integers: [1],
      below: { 1: columns },
      forward(emit) {
        const all = rowWindows(emit);
        const parts = all.map(({ count }) => lossParts(count));
        const total = parts.reduce((sum, count) => sum + count);
        const loss = emit.value(emit.output);
        const losses = total === 1 ? loss : new Storage(`${name} of parts`, 4 * total);
        const summed = total === 1 ? 0 : 1;
        const ofAll = {
          labels: emit.value(labels).view(),
          class_weights: emit.constant(`${name} class weights`, weights).view(),
        };
        const weightSum = summed === 0 ? ofAll.class_weights : new Storage(`${name} sum of weights`, 4).view();
        if (summed === 1) emit.run(softmaxLossWeights, { batch: items }, { ...ofAll, weight_sum: weightSum });
        let first = 0;
        for (const [i, window] of all.entries()) {
          const params = {
            rows: window.count,
            columns,
            first: window.first,
            batch: items,
            summed,
            smoothing: labelSmoothing,
          };
          const views = {
            logits: rows(emit.value(logits), rowBytes, window),
            ...ofAll,
            weight_sum: weightSum,
            losses: rows(losses, 4, { first, count: parts[i] }),
          };
          if (emit.differentiated) {
            emit.run(softmaxLossGradient, params, { ...views, dlogits: rows(gradientOf(emit), rowBytes, window) });
          } else {
            emit.run(softmaxLoss, params, views);
          }
          first += parts[i];
        }
        if (losses !== loss) {
          const sum = { batch: total, channels: 1, plane: 1, accumulate: 0 };
          emit.run(biasGradient, sum, { dy: losses.view(), db: loss.view() });
        }
      },
      backward(emit) {
        if (emit.outputGradientIsOne) {
          emit.passOn(0, gradientOf(emit));
          return;
        }
        const dlogits = emit.gradient(0);
        if (dlogits === undefined) return;
        for (const window of rowWindows(emit)) {
          emit.run(
            affineBackward,
            { batch: window.count, channels: 1, plane: columns, scale_step: 0 },
            {
              dy: rows(gradientOf(emit), rowBytes, window),
              scale: emit.outputGradient.view(),
              dx: rows(dlogits, rowBytes, window),
            },
          );
        }
      },
    },
    [logits, labels],
    [1],
    name,
  );
}

/** The first of the largest values of each row, [N] of u32. It has no derivative. */
export function argMax(logits: Tensor, name = 'prediction'): Tensor {
  const { items, columns } = matrix(name, logits);
  return apply(
    {
      name: 'argMax',
      forward(emit) {
        for (const window of windows(emit.gpu, items, [4 * columns], `${name}: one row`)) {
          const views = {
            logits: rows(emit.value(logits), 4 * columns, window),
            prediction: rows(emit.value(emit.output), 4, window),
          };
          emit.run(predict, { rows: window.count, columns }, views);
        }
      },
      backward: null,
    },
    [logits],
    [items],
    name,
    'u32',
  );
}

/** How many predictions equal their labels, one u32. It has no derivative. */
export function countCorrect(prediction: Tensor, labels: Tensor, name = 'correct'): Tensor {
  checkTensors(name, { prediction, labels });
  if (labels.type !== 'u32' || labels.size !== prediction.size) {
    refuse(name, `${labels.size} labels of ${labels.type} for ${prediction.size} predictions`, 'Give one u32 each.');
  }
  return apply(
    {
      name: 'countCorrect',
      integers: [0, 1],
      forward(emit) {
        emit.run(
          correctCount,
          { rows: prediction.size, accumulate: 0 },
          {
            prediction: emit.value(prediction).view(),
            labels: emit.value(labels).view(),
            correct: emit.value(emit.output).view(),
          },
        );
      },
      backward: null,
    },
    [prediction, labels],
    [1],
    name,
    'u32',
  );
}
