import { describe, it } from 'vitest';
import { checkCase } from '../cases/case.ts';
import { reluCases } from '../cases/relu.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const suites = { relu: reluCases };

for (const [name, cases] of Object.entries(suites)) {
  describe(`kernels: ${name} (seed ${testSeed})`, () => {
    const gpu = useGpu();
    for (const testCase of cases(testSeed)) it(testCase.name, () => checkCase(gpu(), testCase));
  });
}
