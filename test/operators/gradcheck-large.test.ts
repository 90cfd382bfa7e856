/**
 * Large cases: what the draws reach, on a rasteriser and on a GPU, is every text of the kernels that backward has, but for
 * those named here; and their derivatives are right on both.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { planGraph } from '../../src/graph/compile.ts';
import { tensorOf } from '../../src/graph/gradcheck/options.ts';
import { gradcheck } from '../../src/graph/gradcheck.ts';
import { describeCase, drawCase, type OperationCases } from '../../src/graph/operation-case.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { operationCases } from '../../src/operators/all.ts';
import { algorithmCases, branchingCases } from '../../src/operators/gradcheck-cases.ts';
import { largeCases } from '../../src/operators/gradcheck-large.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { testSeed } from '../support/gpu.ts';

/** Kernel and variant of what gradcheck compiles for the case. */
function textsOf(gpu: Gpu, family: OperationCases, index: number): string[] {
  const { inputs, build } = drawCase(family, 1, index);
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, given]) => [name, tensorOf(name, given)]));
  const y = build(tensors);
  const checked = Object.entries(tensors).flatMap(([name, tensor]) =>
    tensor instanceof Parameter && inputs[name].requiresGrad !== false ? [tensor] : [],
  );
  const upstream = input('v', y.shape);
  return [{ outputs: [y] }, { loss: y, upstream, gradients: checked }, { loss: y, upstream, update: true }].flatMap(
    (options) =>
      (planGraph(gpu, options).dispatches as KernelDispatch[]).map(
        ({ kernel, choice }) => `${kernel.name} ${choice.variant}`,
      ),
  );
}

/** What no derivative of a drawn case needs, by the beginnings of names. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'adam/': 'an optimizer: test/train',
  'sgdm/masked': 'masks within a parameter: test/train',
  'contraction matrix': 'needs matrix units: test/kernels/matrix.test.ts',
  'cast/copy': 'weights as halves: test/graph/half-precision.test.ts',
  'loss-scale/': 'likewise',
  'sgdm/scaled': 'likewise',
  'linear/update-scaled': 'likewise',
  'augment/': 'before the first layer',
  'correct-count/': 'counts right answers',
  'roofline/copy': 'measures the adapter',
  'roofline/multiply-add': 'likewise',
  'batch-normalization/running': 'statistics that training writes',
  'batch-normalization/coefficients coarsened': 'a value a channel: no network has 4,096',
  'softmax-loss/weights': 'the sum of the weights: no derivative',
  'contraction/sum coarsened': 'parts are for GPUs, which take a value a thread',
  'lrn/forward segments': 'values by the hundred thousand on a GPU: drawn by the kernel checks',
  'lrn/backward segments': 'likewise',
  'softmax/forward coarsened': 'rows by the thousand, shorter than a workgroup: drawn by the kernel checks',
  'softmax/backward coarsened': 'likewise',
  'log-softmax/forward coarsened': 'likewise',
  'log-softmax/backward coarsened': 'likewise',
};

describe('what is drawn', () => {
  const reached = new Set<string>();
  beforeAll(async () => {
    const add = async (
      kind: 'hardware' | undefined,
      algorithms: Readonly<Record<string, string>> | undefined,
      families: readonly OperationCases[],
      count: number,
    ) => {
      const gpu = await Gpu.open({ adapter: 'software', kind, algorithms, tuning: false, warn: () => {} });
      for (const family of families) {
        for (let i = 0; i < count; i++) for (const text of textsOf(gpu, family, i)) reached.add(text);
      }
      gpu.destroy();
    };
    for (const kind of [undefined, 'hardware'] as const) {
      await add(kind, undefined, [...operationCases, branchingCases], 5);
      await add(kind, undefined, largeCases, 80);
      for (const { operator, algorithm, cases, kind: only } of algorithmCases) {
        if (kind === only || only === undefined) await add(kind, { [operator]: algorithm }, [cases], 4);
      }
    }
  });

  it('reaches every text of the kernels', () => {
    const elsewhere = (text: string) => Object.keys(ELSEWHERE).some((start) => text.startsWith(start));
    // The plain text of what has a quicker one is the oracle of the kernel checks, which draw it.
    const all = [...allKernels.values()].flatMap(({ name, variants }) =>
      (variants.length > 1 ? variants.slice(1) : variants).map((variant) => `${name} ${variant.name}`),
    );
    expect(all.filter((text) => !reached.has(text) && !elsewhere(text))).toEqual([]);
  });

  it('leaves nothing to others that it reaches itself', () => {
    const stale = Object.keys(ELSEWHERE).filter((start) => [...reached].some((text) => text.startsWith(start)));
    expect(stale).toEqual([]);
  });
});

const quick = { elements: 2, blocks: 1, directions: 1, raiseException: false };

describe.each([undefined, 'hardware'] as const)('on a device that is planned for as %s', (kind) => {
  it.each(largeCases)('the derivatives of $operation are right', async (family) => {
    const gpu = await Gpu.open({ adapter: 'software', kind });
    try {
      const testCase = drawCase(family, testSeed);
      const report = await gradcheck(gpu, testCase.build, testCase.inputs, { ...quick, seed: testSeed });
      expect(report.problems, describeCase(testCase)).toEqual([]);
    } finally {
      gpu.destroy();
    }
  });
});
