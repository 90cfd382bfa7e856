/** Convolutions and fully connected layers by each algorithm, and graphs that branch: derivatives as differences show them. */
import { describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { planGraph } from '../../src/graph/compile.ts';
import { tensorOf } from '../../src/graph/gradcheck/options.ts';
import { gradcheck } from '../../src/graph/gradcheck.ts';
import { describeCase, drawCase } from '../../src/graph/operation-case.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { decisionsIn } from '../../src/operators/algorithms/algorithm.ts';
import { algorithmCases, branchingCases } from '../../src/operators/gradcheck-cases.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const quick = { elements: 4, blocks: 2, directions: 1, raiseException: false };

/** The algorithms that are chosen where gradcheck plans the case. */
function chosenFor(gpu: Gpu, { inputs, build }: ReturnType<typeof drawCase>): string[] {
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, given]) => [name, tensorOf(name, given)]));
  const loss = build(tensors);
  const gradients = Object.values(tensors).filter((tensor) => tensor instanceof Parameter);
  const options = { loss, upstream: input('v', loss.shape), gradients };
  return decisionsIn(gpu, () => void planGraph(gpu, options)).map(({ selected }) => selected.algorithm.name);
}

describe.each(algorithmCases)('$cases.operation', ({ operator, algorithm, kind, cases }) => {
  it('is what computes the drawn cases, and its derivatives are right', async () => {
    const gpu = await Gpu.open({ adapter: 'software', kind, algorithms: { [operator]: algorithm } });
    try {
      const testCase = drawCase(cases, testSeed);
      expect(chosenFor(gpu, testCase)).toContain(algorithm);
      const report = await gradcheck(gpu, testCase.build, testCase.inputs, { ...quick, seed: testSeed });
      expect(report.problems, describeCase(testCase)).toEqual([]);
    } finally {
      gpu.destroy();
    }
  });
});

const gpu = useGpu();

it.each([0, 1, 2, 3, 4, 5, 6, 7])('graphs that branch: draw %i', async (index) => {
  const testCase = drawCase(branchingCases, testSeed, index);
  const report = await gradcheck(gpu(), testCase.build, testCase.inputs, { ...quick, seed: testSeed });
  expect(report.problems, describeCase(testCase)).toEqual([]);
});
