/** Convolutions by each algorithm, and graphs that branch: derivatives as differences show them. */
import { describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { gradcheck } from '../../src/graph/gradcheck.ts';
import { describeCase, drawCase } from '../../src/graph/operation-case.ts';
import type { Direction } from '../../src/kernels/conv2d/shape.ts';
import { convolutionDecisions, selectConvolution } from '../../src/operators/conv2d/algorithms/index.ts';
import { algorithmCases, branchingCases } from '../../src/operators/gradcheck-cases.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const quick = { elements: 4, blocks: 2, directions: 1, raiseException: false };

describe.each(algorithmCases)('$cases.operation', ({ algorithm, kind, cases }) => {
  it('is what computes the drawn cases, and its derivatives are right', async () => {
    const gpu = await Gpu.open({ adapter: 'software', kind, algorithms: { conv2d: algorithm } });
    try {
      const testCase = drawCase(cases, testSeed);
      const [x, weight] = [testCase.inputs['x'].shape, testCase.inputs['weight'].shape];
      const pads = testCase.options['pads'] as readonly [number, number, number, number];
      const [batch, channels, height, width] = x;
      const [filters, , kernelHeight, kernelWidth] = weight;
      const kernel = [kernelHeight, kernelWidth] as const;
      const one = [1, 1] as const;
      const sizes = { batch, channels, height, width, filters, kernel };
      const shape = { ...sizes, pads, strides: one, dilations: one, groups: 1 };
      const chosen = (Object.keys(convolutionDecisions) as Direction[]).map((direction) => {
        const problem = { name: 'c', shape, hasBias: 'bias' in testCase.inputs, gated: false, weightLasts: false };
        return selectConvolution(gpu, direction, problem).algorithm.name;
      });
      expect(chosen).toContain(algorithm);
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
