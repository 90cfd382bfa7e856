/** `checkMutations` and `mutateKernel`, as an author of other kernels calls them: what is noticed, what survives, what is refused. */
import { describe, expect, it } from 'vitest';
import {
  checkKernelCases,
  checkMutations,
  defineKernel,
  elementwise,
  type KernelCase,
  mutateKernel,
} from '../../src/index.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const params = { count: 'u32' } as const;

/** y = 2 |x| */
const doubled = defineKernel({
  name: 'own/doubled',
  params,
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: ({ count }) => ({ flops: count, bytes: 8 * count }),
  variants: elementwise<typeof params>(
    ({ count }) => count,
    'p.count',
    '  y[p.y_base + index] = 2.0 * abs(x[p.x_base + index]);',
  ),
});

const caseOf = (...x: number[]): KernelCase => ({
  name: doubled.name,
  description: `of ${x}`,
  kernel: doubled,
  params: { count: x.length },
  inputs: { x: Float32Array.from(x) },
  outputs: { y: x.length },
  reference: () => ({ y: { values: x.map((value) => 2 * Math.abs(value)), units: 1 } }),
});
const both = caseOf(1, -3);

const factor = { name: 'factor', find: '2.0 * ', replace: '3.0 * ' };
const sign = { name: 'sign', find: 'abs(x[p.x_base + index])', replace: 'x[p.x_base + index]' };
const tried = (cases: KernelCase[], ...mutations: object[]) =>
  checkMutations(gpu(), cases, { [doubled.name]: mutations as never });

describe('checkMutations', () => {
  it('says of each variant which case noticed, and how; the general ones among them', async () => {
    const outcomes = await tried([both], factor, sign);
    const names = ['factor', 'sign', 'offset of the view x left out', 'offset of the view y left out'];
    expect(outcomes.map(({ mutation, variant }) => `${mutation}, ${variant}`)).toEqual([
      ...names.flatMap((name) => [`${name}, plain`, `${name}, coarsened`]),
      'the last thread idle, plain',
    ]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ kernel: 'own/doubled', caughtBy: 'own/doubled of 1,-3', cases: 0 });
      expect(outcome.problem).toMatch(/^y: \d of 2 values are off/);
    }
  });

  it('lets survive what no case tells from the right one, and counts the cases', async () => {
    const survivors = async (cases: KernelCase[]) =>
      (await tried(cases, factor, sign))
        .filter(({ caughtBy }) => caughtBy === undefined)
        .map(({ mutation, variant, cases: count, problem }) => [mutation, variant, count, problem]);
    expect(await survivors([caseOf(1), caseOf(2, 3)])).toEqual([
      ['sign', 'plain', 2, undefined],
      ['sign', 'coarsened', 2, undefined],
    ]);
    // The case that notices comes third.
    expect(await survivors([caseOf(1), caseOf(2, 3), both])).toEqual([]);
    const noticed = await tried([caseOf(1), caseOf(2, 3), both], sign);
    expect(noticed[0]).toMatchObject({ mutation: 'sign', cases: 2, caughtBy: 'own/doubled of 1,-3' });
  });

  it('counts a variant that no case reaches as a survivor of no cases', async () => {
    const plain = { ...both, applies: ({ variant }: { variant: string }) => variant === 'plain' };
    const outcomes = await tried([plain], factor);
    expect(outcomes.filter(({ mutation }) => mutation === 'factor')).toMatchObject([
      { variant: 'plain', caughtBy: 'own/doubled of 1,-3' },
      { variant: 'coarsened', caughtBy: undefined, cases: 0 },
    ]);
  });

  it('tries a mutation in the variants that it names, and on the adapter that it names', async () => {
    const outcomes = await tried([both], { ...factor, variants: ['plain'] }, { ...sign, adapter: 'another' });
    const own = outcomes.filter(({ mutation }) => mutation === 'factor' || mutation === 'sign');
    expect(own.map(({ mutation, variant }) => [mutation, variant])).toEqual([['factor', 'plain']]);
    const here = await tried([both], { ...sign, adapter: gpu().kind });
    expect(here.filter(({ mutation }) => mutation === 'sign').length).toBe(2);
  });

  it('breaks nothing while a case fails already: everything would look noticed', async () => {
    const wrong = { ...both, reference: () => ({ y: { values: [2, 7], units: 1 } }) };
    await expect(tried([wrong], factor)).rejects.toThrow(
      /before anything is broken, own\/doubled of 1,-3 fails in plain: y: 1 of 2 values are off.*Mend the kernel or the case/,
    );
  });

  it.each([
    ['a phrase that stands nowhere', { find: '4.0 * ' }, "'factor': 4.0 *  stands in no text of own/doubled"],
    ['a phrase that stands twice', { find: 'workgroup_id' }, /'workgroup_id' stands \d times\. Give a longer phrase/],
    ['a variant that there is not', { variants: ['tiled'] }, "no variant 'tiled'. There are plain, coarsened."],
    ['what does not compile', { replace: 'two * ' }, /mutation 'factor':[\s\S]*Give one that compiles/],
    ['a pattern without g', { find: /2\.0/ }, 'a pattern with the flag g'],
    ['a replacement that is none', { replace: undefined }, '{ name, find, replace }'],
  ])('refuses %s', async (_, change, message) => {
    await expect(tried([both], { ...factor, ...change })).rejects.toThrow(message);
  });

  it('refuses a kernel that no case runs', async () => {
    await expect(checkMutations(gpu(), [both], { 'own/double': [factor] })).rejects.toThrow(
      "no case runs 'own/double'. There are cases of own/doubled.",
    );
  });
});

describe('mutateKernel', () => {
  it('gives the kernel with another text, and leaves the kernel as it is', async () => {
    const problems = async (kernel: KernelCase['kernel']) =>
      (await checkKernelCases(gpu(), [{ ...both, kernel }])).map(({ problem }) => problem !== undefined);
    const right = await problems(doubled);
    expect(right).toEqual(right.map(() => false));
    const wrong = await problems(mutateKernel(doubled, sign));
    expect(wrong).toEqual(right.map(() => true));
    expect(await problems(doubled)).toEqual(right);
  });
});
