/** The check of kernels against its own users: cases that run nothing, bounds that bound nothing, claims of something else. */
import { describe, expect, it } from 'vitest';
import {
  checkKernelCases,
  checkReferences,
  checkWgsl,
  defineKernel,
  type Expected,
  exactly,
  FrostlineError,
  type KernelCase,
  perElement,
} from '../../src/index.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();
type P = { readonly count: 'u32' };
const plain = perElement<P>(({ count }) => count, 'p.count', 'y[p.y_base + index] = 1.0;');
const ones = (change: Partial<typeof plain> = {}) =>
  defineKernel({
    name: 'ones/forward',
    params: { count: 'u32' },
    bindings: { y: { access: 'write' } },
    variants: [{ ...plain, ...change }],
    cost: ({ count }) => ({ flops: 0, bytes: 4 * count }),
  });
const given = (change: object = {}): KernelCase => ({
  name: 'ones/forward',
  description: 'n=4',
  kernel: ones(),
  params: { count: 4 },
  inputs: {},
  outputs: { y: 4 },
  reference: () => ({ y: exactly([1, 1, 1, 1]) }),
  ...change,
});

describe('checkKernelCases', () => {
  it('passes a case that is right', async () => {
    expect(await checkKernelCases(gpu(), [given()])).toMatchObject([
      { choice: { variant: 'plain' }, problem: undefined },
    ]);
  });

  it.each([
    ['applies() that takes none', { applies: () => false }, /applies\(\) takes none of 1 choices .* \(plain\)/],
    ['a variant that is not supported', { kernel: ones({ supports: () => false }) }, /runs none of the variants/],
    ['more threads than there may be', { kernel: ones({ workgroupSize: () => 2000 }) }, /runs none of the variants/],
  ])('finds that nothing ran: %s', async (_, change, problem) => {
    const findings = await checkKernelCases(gpu(), [given(change), given()]);
    expect(findings.map((finding) => finding.choice.variant).sort()).toEqual(['none', 'plain']);
    expect(findings.find(({ choice }) => choice.variant === 'none')?.problem).toMatch(problem);
  });
});

const values = [9, 9, 9, 9];
const unheld: [string, unknown, string][] = [
  ['no bound', { y: { values } }, 'y.units is undefined. Give a finite number of 0 or more'],
  ['a bound of NaN', { y: { values, units: Number.NaN } }, 'y.units is NaN'],
  ['a bound below 0', { y: { values, units: -1 } }, 'y.units is -1'],
  ['no end of a bound', { y: { values, units: Number.POSITIVE_INFINITY } }, 'y.units is Infinity'],
  ['no values', { y: { units: 0 } }, 'y.values is undefined. Give a list of numbers'],
  ['too few values', { y: exactly([1, 1]) }, 'y.values is of length 2. Give 4 numbers'],
  ['too few magnitudes', { y: { values, units: 0, magnitudes: [1] } }, 'y.magnitudes is of length 1. Give 4 numbers'],
  ['nothing', undefined, 'the reference gives undefined. Give what each output must hold'],
  ['nothing of an output', { y: undefined }, 'of y the reference gives undefined'],
  [
    'an output that there is not',
    { y: exactly(values), z: exactly(values) },
    'names z, which is no output. There are y.',
  ],
];

describe.each(unheld)('a reference of %s', (_, expected, refusal) => {
  const reference = () => expected as Record<string, Expected>;

  it('is refused by checkKernelCases', async () => {
    const refused = expect(checkKernelCases(gpu(), [given({ reference })])).rejects;
    await refused.toThrow(refusal);
    await expect(checkKernelCases(gpu(), [given({ reference })])).rejects.toThrow(/^ones\/forward n=4/);
    await expect(checkKernelCases(gpu(), [given({ reference })])).rejects.toThrow(FrostlineError);
  });

  it('is refused by checkWgsl', async () => {
    const code = `
      @group(0) @binding(0) var<storage, read_write> y: array<f32>;
      @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) { y[i] = 1.0; }`;
    const check = { code, bindings: { y: { access: 'write' as const, length: 4 } }, workgroups: 1, reference };
    await expect(checkWgsl(check)).rejects.toThrow(refusal);
  });
});

describe('checkReferences', () => {
  const [at, upstream] = [
    [0.5, -1, 2],
    [1, 0.5, -2],
  ];
  const cubed = () => at.map((x, i) => 3 * x * x * upstream[i]);
  const claiming = (held: () => number[]) =>
    given({
      outputs: { y: 3 },
      reference: () => ({ y: { values: held(), units: 4 } }),
      derivative: { at, upstream, forward: (x: Float64Array) => x.map((value) => value ** 3), gradient: cubed },
    });

  it('passes a reference that is the claimed derivative', () => {
    expect(checkReferences([claiming(cubed)], 1)?.problems).toEqual([]);
  });

  it('names one that is another function than the claim', () => {
    const other = claiming(() => at.map((x, i) => 2 * x * x * upstream[i]));
    expect(checkReferences([other], 1)?.problems.join()).toMatch(
      /^ones\/forward n=4: gradient\(\) of its derivative gives values that reference\(\) gives of no output/,
    );
  });
});
