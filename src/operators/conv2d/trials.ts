/** Convolutions alone, to measure their algorithms: loaded by those who measure. */
import { input, Parameter } from '../../graph/tensor.ts';
import { conv2dOutput, type Direction } from '../../kernels/conv2d/shape.ts';
import type { DecisionTrials, Trial, Values } from '../algorithms/trial.ts';
import type { Convolution } from './algorithms/convolution.ts';
import { convolutionDecisions } from './algorithms/index.ts';
import { conv2d } from './graph.ts';

/** x and weight are parameters that nobody trains, so that all trials of a problem share them. */
function trial(direction: Direction, { shape, hasBias, weightLasts }: Convolution, values: Values): Trial {
  const { batch, channels, height, width, filters, kernel, groups, strides, pads, dilations } = shape;
  const constant = (name: string, size: readonly number[]) =>
    new Parameter(name, size, () => values(size.reduce((a, b) => a * b)), { mask: 0 });
  const x = constant('x', [batch, channels, height, width]);
  const weight = constant('weight', [filters, channels / groups, ...kernel]);
  const bias = hasBias ? constant('bias', [filters]) : undefined;
  const y = conv2d(x, weight, bias, { strides, pads, dilations, groups });
  const parameters = [x, weight, ...(bias === undefined ? [] : [bias])];
  if (direction === 'forward') {
    return { options: { outputs: [y], keepPacked: weightLasts }, part: 'forward', parameters, inputs: [] };
  }
  const dy = input('dy', [batch, filters, ...conv2dOutput(shape)]);
  const gradients = [direction === 'input gradient' ? x : weight];
  const options = { loss: y, upstream: dy, gradients, keepPacked: weightLasts };
  return { options, part: 'backward', parameters, inputs: [[dy, values(dy.size)]] };
}

export const convolutionTrials: readonly DecisionTrials[] = (
  ['forward', 'input gradient', 'filter gradient'] satisfies Direction[]
).map((direction) => ({
  decision: convolutionDecisions[direction],
  trial: (problem: Convolution, values) => trial(direction, problem, values),
}));
