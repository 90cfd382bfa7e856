/**
 * Cases of the operations that are no operators of a network: the loss. All operations, those of src/operators among
 * them, stand in src/operators/all.ts.
 */
import { define, normal, type OperationCases } from './operation-case.ts';
import { softmaxCrossEntropy } from './ops/classification.ts';

const softmaxCrossEntropyCases = define('softmaxCrossEntropy', (choose, random) => {
  const [batch, classes] = [choose(1, 17), choose(1, 23)];
  const weighted = choose(0, 1) === 1;
  const classWeights = weighted
    ? Array.from({ length: classes }, () => Math.fround(0.5 + random.uniform()))
    : undefined;
  const values = Uint32Array.from({ length: batch }, () => random.integer(classes));
  return {
    options: { classWeights },
    inputs: { x: normal(random, [batch, classes]), labels: { shape: [batch], values } },
    build: ({ x, labels }) => softmaxCrossEntropy(x, labels, classWeights),
  };
});

export const graphCases: readonly OperationCases[] = [softmaxCrossEntropyCases];
