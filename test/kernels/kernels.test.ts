import { describe, it } from 'vitest';
import { augmentCases } from '../cases/augment.ts';
import { checkCase } from '../cases/case.ts';
import { clipCases } from '../cases/clip.ts';
import { concatCases } from '../cases/concat.ts';
import { conv2dCases } from '../cases/conv2d.ts';
import { addCases, affineCases, biasCases } from '../cases/elementwise.ts';
import { gemmCases } from '../cases/gemm.ts';
import { lrnCases } from '../cases/lrn.ts';
import { averagePoolCases, maxPoolCases } from '../cases/pooling.ts';
import { reluCases } from '../cases/relu.ts';
import { correctCountCases, softmaxCases, softmaxLossCases } from '../cases/softmax.ts';
import { binaryCases, padCases, transposeCases } from '../cases/tensors.ts';
import { dropoutCases, sgdmCases } from '../cases/training.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const suites = {
  conv2d: conv2dCases,
  gemm: gemmCases,
  add: addCases,
  affine: affineCases,
  augment: augmentCases,
  avgpool: averagePoolCases,
  bias: biasCases,
  binary: binaryCases,
  clip: clipCases,
  concat: concatCases,
  'correct-count': correctCountCases,
  dropout: dropoutCases,
  lrn: lrnCases,
  maxpool: maxPoolCases,
  pad: padCases,
  relu: reluCases,
  sgdm: sgdmCases,
  softmax: softmaxCases,
  'softmax-loss': softmaxLossCases,
  transpose: transposeCases,
};

for (const [name, cases] of Object.entries(suites)) {
  describe(`kernels: ${name} (seed ${testSeed})`, () => {
    const gpu = useGpu();
    for (const testCase of cases(testSeed)) it(testCase.name, () => checkCase(gpu(), testCase));
  });
}

describe(`kernels in dispatches folded into two dimensions (seed ${testSeed})`, () => {
  // 15 workgroups in a dimension: rows that do not come out even, threads and workgroups beyond the last element.
  const gpu = useGpu({ limits: { maxWorkgroups: 15 } });
  for (const cases of [affineCases, augmentCases, biasCases, lrnCases]) {
    for (const testCase of cases(testSeed)) it(testCase.name, () => checkCase(gpu(), testCase));
  }
});
