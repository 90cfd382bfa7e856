/** Fully connected layers as networks have them, drawn to measure the choice of algorithms on. */
import { input, Parameter } from '../../graph/tensor.ts';
import type { Random } from '../../random.ts';
import { type FreshLayer, type FreshLayers, oneOf, upTo } from '../algorithms/trial.ts';
import { relu } from '../relu/graph.ts';
import { linear } from './graph.ts';

function draw(random: Random): FreshLayer {
  const batch = upTo(random, 1, 64);
  // Behind convolutions of some places a layer has many inputs; of a classifier, few outputs.
  const inputs = random.integer(4) === 0 ? upTo(random, 16, 9216) : 16 * upTo(random, 2, 576);
  const outputs = oneOf(random, upTo(random, 2, 1000), 8 * upTo(random, 4, 512));
  const hasBias = random.integer(4) > 0;
  // What is below may be frozen: then nobody needs the input's gradient.
  const lowest = random.integer(5) === 0;
  const after = random.integer(2) === 0;
  return {
    text: [
      `${batch} x ${inputs} to ${outputs}`,
      ...(hasBias ? ['bias'] : []),
      ...(lowest ? ['the lowest that is trained'] : after ? ['after a ReLU'] : []),
    ].join(', '),
    flops: 2 * batch * inputs * outputs,
    bytes: 4 * inputs * outputs,
    step() {
      const source = input('x', [batch, inputs]);
      const parameter = (name: string, size: readonly number[]) =>
        new Parameter(name, size, () => new Float32Array(size.reduce((a, b) => a * b)));
      const weight = parameter('weight', [outputs, inputs]);
      const bias = hasBias ? parameter('bias', [outputs]) : undefined;
      const y = linear(after && !lowest ? relu(source) : source, weight, bias);
      const upstream = input('dy', y.shape);
      return {
        options: { loss: y, upstream, gradients: lowest ? [] : [source], update: true },
        parameters: [weight, ...(bias === undefined ? [] : [bias])],
      };
    },
  };
}

export const freshLinear: FreshLayers = { operator: 'linear', draw };
