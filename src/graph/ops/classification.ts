/** The end of a classifier: softmax, the loss, the predicted class, the count of correct predictions. */
import { correctCount, predict } from '../../kernels/correct-count/correct-count.ts';
import { softmaxBackward, softmaxForward } from '../../kernels/softmax/softmax.ts';
import { softmaxLossBackward, softmaxLossForward, softmaxLossMean } from '../../kernels/softmax-loss/softmax-loss.ts';
import { apply, refuse, shapeText } from '../operation.ts';
import type { Tensor } from '../tensor.ts';

/** Rows and columns of [N, C], also of [N, C, 1, 1]. */
function matrix(name: string, x: Tensor): { rows: number; columns: number } {
  const [rows, columns = 1] = x.shape;
  if (rows * columns !== x.size) {
    refuse(name, `input ${x.name} has shape ${shapeText(x.shape)}`, 'Give [N, classes]: flatten it before.');
  }
  return { rows, columns };
}

/** Probabilities of each row, [N, C]. */
export function softmax(x: Tensor, name = 'softmax'): Tensor {
  const params = matrix(name, x);
  return apply(
    {
      name: 'softmax',
      forward(emit) {
        emit.run(softmaxForward, params, { x: emit.value(x).view(), y: emit.value(emit.output).view() });
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        const views = { y: emit.value(emit.output).view(), dy: emit.outputGradient.view(), dx: dx.view() };
        emit.run(softmaxBackward, params, views);
      },
    },
    [x],
    x.shape,
    name,
  );
}

/**
 * Mean cross-entropy of the softmax of `logits` [N, C] against `labels` [N] (u32), one value. With class weights the
 * mean is weighted: sum of w_y l / sum of w_y (PyTorch's CrossEntropyLoss).
 */
export function softmaxCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  classWeights?: readonly number[],
  name = 'loss',
): Tensor {
  const { rows, columns } = matrix(name, logits);
  if (labels.type !== 'u32' || labels.size !== rows) {
    refuse(name, `labels ${labels.name} ${shapeText(labels.shape)} of ${labels.type}`, `Give ${rows} values of u32.`);
  }
  const weights = Float32Array.from(classWeights ?? Array.from({ length: columns }, () => 1));
  if (weights.length !== columns || !weights.every((value) => value > 0 && Number.isFinite(value))) {
    refuse(name, `class weights ${shapeText(Array.from(weights))}`, `Give ${columns} positive numbers.`);
  }
  return apply(
    {
      name: 'softmaxCrossEntropy',
      forward(emit) {
        const losses = emit.saved('losses', 4 * rows).view();
        const labelsView = emit.value(labels).view();
        emit.run(
          softmaxLossForward,
          { rows, columns },
          {
            logits: emit.value(logits).view(),
            labels: labelsView,
            probabilities: emit.saved('probabilities', logits.bytes).view(),
            losses,
          },
        );
        emit.run(
          softmaxLossMean,
          { rows },
          {
            losses,
            labels: labelsView,
            class_weights: emit.constant(`${name} class weights`, weights).view(),
            loss: emit.value(emit.output).view(),
            weight_sum: emit.saved('weight sum', 4).view(),
          },
        );
      },
      backward(emit) {
        const dlogits = emit.gradient(0);
        if (dlogits === undefined) return;
        emit.run(
          softmaxLossBackward,
          { rows, columns },
          {
            probabilities: emit.saved('probabilities', logits.bytes).view(),
            labels: emit.value(labels).view(),
            class_weights: emit.constant(`${name} class weights`, weights).view(),
            weight_sum: emit.saved('weight sum', 4).view(),
            upstream: emit.outputGradient.view(),
            dlogits: dlogits.view(),
          },
        );
      },
    },
    [logits, labels],
    [1],
    name,
  );
}

/** The first of the largest values of each row, [N] of u32. It has no derivative. */
export function argMax(logits: Tensor, name = 'prediction'): Tensor {
  const { rows, columns } = matrix(name, logits);
  return apply(
    {
      name: 'argMax',
      forward(emit) {
        const views = { logits: emit.value(logits).view(), prediction: emit.value(emit.output).view() };
        emit.run(predict, { rows, columns }, views);
      },
      backward: null,
    },
    [logits],
    [rows],
    name,
    'u32',
  );
}

/** How many predictions equal their labels, one u32. It has no derivative. */
export function countCorrect(prediction: Tensor, labels: Tensor, name = 'correct'): Tensor {
  if (labels.type !== 'u32' || labels.size !== prediction.size) {
    refuse(name, `${labels.size} labels of ${labels.type} for ${prediction.size} predictions`, 'Give one u32 each.');
  }
  return apply(
    {
      name: 'countCorrect',
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
