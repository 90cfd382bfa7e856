import { describe, it } from 'vitest';
import { checkCase } from '../cases/case.ts';
import { conv2dCases } from '../cases/conv2d.ts';
import { gemmCases } from '../cases/gemm.ts';
import { reluCases } from '../cases/relu.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const suites = { conv2d: conv2dCases, gemm: gemmCases, relu: reluCases };

for (const [name, cases] of Object.entries(suites)) {
  describe(`kernels: ${name} (seed ${testSeed})`, () => {
    const gpu = useGpu();
    for (const testCase of cases(testSeed)) it(testCase.name, () => checkCase(gpu(), testCase));
  });
}
