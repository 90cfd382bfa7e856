/** What authors of other suites are offered: results on plain arrays, anybody's WGSL, and the examples in the docs. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { drawing } from '../../src/check/choose.ts';
import { compile } from '../../src/graph/compile.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { checkAgainstReference, checkWgsl, type Expected, exactly, sumsOf, type WgslCheck } from '../../src/index.ts';
import { checkedOperators } from '../../src/operators/all.ts';
import type { Kind } from '../../src/operators/registry.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const root = join(import.meta.dirname, '..', '..');

describe('checkAgainstReference', () => {
  it.each(checkedOperators)(
    'passes what $operator.kind computes on the device, and no value that is moved',
    async ({ operator, checks }) => {
      const [choose, random] = drawing(testSeed, 7);
      const { attributes, inputs, parameters = {} } = checks.draw(choose, random);
      const tensors = Object.entries(inputs).map(([name, { shape }]) => input(name, shape));
      const [y] = operator.build({
        name: operator.kind,
        attributes,
        inputs: tensors,
        parameters: Object.fromEntries(
          Object.entries(parameters).map(([role, { shape, values }]) => [
            role,
            new Parameter(role, shape, values as Float32Array<ArrayBuffer>, { mask: 0 }),
          ]),
        ),
      });
      const graph = await compile(gpu(), { outputs: [y], training: false });
      for (const tensor of tensors) graph.write(tensor, inputs[tensor.name].values);
      await graph.run();
      const output = await graph.read(y);
      graph.destroy();
      const question = {
        op: operator.kind as Kind,
        params: attributes as object as Record<string, unknown>,
        inputs: { ...inputs, ...parameters },
      };
      const right = await checkAgainstReference({ ...question, output });
      expect(right.problem, `seed ${testSeed}`).toBe(undefined);
      expect(right.compared).toBe(output.length);
      // A thousandth off, where values are no smaller than their terms.
      const at = output.reduce((most, value, i) => (Math.abs(value) > Math.abs(output[most]) ? i : most), 0);
      const moved = output.map((value, i) => (i === at ? value + 1e-3 * (Math.abs(value) || 1) : value));
      expect(await checkAgainstReference({ ...question, output: moved }), `seed ${testSeed}`).toMatchObject({
        passed: false,
        element: at,
        wrong: 1,
      });
    },
  );

  it('holds gradients of what is linear by pieces to the reference, at kinks to nothing', async () => {
    const question = {
      op: 'linear' as const,
      inputs: { x: { shape: [2, 2], values: [1, 2, 3, 4] }, weight: { shape: [1, 2], values: [5, 7] } },
    };
    const upstream = [10, -1];
    const gradient = { of: 'weight', upstream };
    expect(await checkAgainstReference({ ...question, gradient, output: [7, 16] })).toMatchObject({
      passed: true,
      compared: 2,
    });
    const wrong = await checkAgainstReference({ ...question, gradient, output: [7, 16.0001] });
    expect(wrong.problem).toMatch(
      /^linear: the gradient of weight: 1 of 2 values are off; the worst at 1: got 16\.0001, expected 16/,
    );
    const relu = { op: 'relu' as const, inputs: { x: { shape: [1, 3], values: [-1, 0, 2] } } };
    const found = await checkAgainstReference({
      ...relu,
      gradient: { of: 'x', upstream: [3, 4, 5] },
      output: [0, 4, 5],
    });
    expect(found).toMatchObject({ passed: true, compared: 2, kinks: 1 });
  });

  it('takes 0.1 for what the results were computed from', async () => {
    const ask = (output: ArrayLike<number>, value = 0.1) =>
      checkAgainstReference({ op: 'relu', inputs: { x: { shape: [1, 1], values: [value] } }, output });
    for (const output of [Float32Array.of(0.1), [Math.fround(0.1)], Float64Array.of(0.1)]) {
      expect((await ask(output)).problem).toBe(undefined);
    }
    expect((await ask([0.1], Math.fround(0.1))).passed).toBe(false);
  });

  it('refuses what does not fit, by name', async () => {
    const x = { shape: [1, 2], values: [1, 2] };
    const ask = (question: object) => checkAgainstReference(question as never);
    await expect(ask({ op: 'relux', inputs: { x }, output: [] })).rejects.toThrow(
      "There is no operator 'relux'. There are add,",
    );
    await expect(ask({ op: 'relu', inputs: { x }, output: [1] })).rejects.toThrow(
      'relu: the output is [1, 2], 2 values; got 1.',
    );
    await expect(ask({ op: 'relu', inputs: { x: { ...x, values: [1] } }, output: [1, 2] })).rejects.toThrow(
      'relu: x [1, 2] takes 2 values; got 1.',
    );
    await expect(ask({ op: 'relu', params: { slope: 1 }, inputs: { x }, output: [1, 2] })).rejects.toThrow(
      "relu: has an attribute 'slope'",
    );
    await expect(ask({ op: 'add', inputs: { x }, output: [1, 2] })).rejects.toThrow('add: reads x. 2 are expected');
    const gradient = { of: 'x', upstream: [1, 1] };
    await expect(ask({ op: 'softmax', inputs: { x }, output: [0, 0], gradient })).rejects.toThrow(
      'softmax: its gradient follows from no linear reference',
    );
    await expect(
      ask({ op: 'relu', inputs: { x }, output: [0, 0], gradient: { ...gradient, of: 'z' } }),
    ).rejects.toThrow("relu: there is no input 'z'. There are x.");
  });
});

describe('checkWgsl', () => {
  const count = 1000;
  const x = Float32Array.from({ length: count }, (_, i) => Math.sin(i));
  const header = (size = 64) => `
    struct Params { count: u32, factor: f32 }
    @group(0) @binding(0) var<uniform> p: Params;
    @group(0) @binding(1) var<storage, read> x: array<f32>;
    @group(0) @binding(2) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(${size})
    fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) lane: u32) {
      let i = (id.x + id.y * n.x) * ${size}u + lane;`;
  const check = (main: string, more: Partial<WgslCheck> = {}): WgslCheck => ({
    code: `${header()} ${main} }`,
    bindings: {
      p: { access: 'uniform', fields: { count: 'u32', factor: 'f32' } },
      x: { access: 'read', values: x },
      y: { access: 'write', length: count },
    },
    params: { count, factor: 3 },
    workgroups: Math.ceil(count / 64),
    reference: (inputs): Record<string, Expected> => ({
      y: sumsOf((x) => Float64Array.from(x, (value) => 3 * value), [inputs.x], 1),
    }),
    ...more,
  });
  const right = 'if (i < p.count) { y[i] = p.factor * x[i]; }';

  it('passes a right kernel in all aspects', async () => {
    const report = await checkWgsl(check(right));
    expect(report.problems).toEqual([]);
    const aspects = ['values', 'two runs', 'guards', 'unwritten', 'folding', 'denormals', 'default limits'];
    expect(report.aspects).toEqual(aspects.map((aspect) => ({ aspect })));
    expect(report.share).toBeGreaterThan(0);
  });

  it.each([
    ['a factor', 'if (i < p.count) { y[i] = 3.0001 * x[i]; }', 'values: y: 999 of 1000'],
    [
      'what is changed beyond the end',
      'if (i < p.count) { y[i] = p.factor * x[i]; } else { y[i] *= 2.0; }',
      'guards: y: wrote at 1000',
    ],
    ['no guard', 'y[i] = p.factor * x[i];', 'guards: y: wrote at 1000; it has 1000 values'],
    [
      'what is read beyond the end',
      'if (i < p.count) { y[i] = p.factor * x[i] + (p.factor - 3.0) * x[i + 1u]; }',
      'guards: y at 999 depends on what lies beyond the end of what is read',
    ],
    [
      'a value never written',
      'if (i < p.count && i != 7u) { y[i] = p.factor * x[i]; }',
      'unwritten: y at 7 depends on what lay there',
    ],
    [
      'what was there',
      'if (i < p.count) { y[i] = p.factor * x[i] + 0.0 * y[i] + select(0.0, y[i], i == 9u); }',
      'unwritten: y at 9',
    ],
    ['one row', 'let k = id.x * 64u + lane; if (k < p.count) { y[k] = p.factor * x[k]; }', 'folding: y at'],
    [
      'a denormal blown up',
      'if (i < p.count) { y[i] = p.factor * select(x[i], 1.0, abs(x[i]) < 1e-37); }',
      'denormals: y:',
    ],
  ])('names %s', async (_, main, problem) => {
    const { passed, problems } = await checkWgsl(check(main));
    expect(passed).toBe(false);
    expect(problems.join('\n')).toContain(problem);
  });

  it('names a kernel that needs more than every device has, and what nobody expects anything of', async () => {
    const wide = `var<workgroup> wide: array<f32, 5000>;\n${header()} wide[lane] = x[min(i, 9u)]; workgroupBarrier(); ${right} }`;
    const { problems } = await checkWgsl(check('', { code: wide }));
    expect(problems.join()).toMatch(/^default limits: /);
    const none = await checkWgsl(check(right, { reference: () => ({}) }));
    expect(none.problems).toEqual([
      'values: y: the reference says nothing of it',
      'denormals: y: the reference says nothing of it',
    ]);
    await expect(checkWgsl(check(right, { params: { count } }))).rejects.toThrow('params has no factor');
  });

  it('runs integers and what is changed in place, and says what it skips', async () => {
    const report = await checkWgsl({
      code: `
        @group(0) @binding(0) var<storage, read_write> n: array<u32>;
        @compute @workgroup_size(1) fn main() { for (var i = 0u; i < arrayLength(&n); i++) { n[i] += 3u; } }`,
      bindings: { n: { access: 'write', values: Uint32Array.of(1, 2, 4_000_000_000) } },
      workgroups: [1],
      reference: ({ n }) => ({ n: exactly(Array.from(n, (value) => value + 3)) }),
    });
    expect(report.problems).toEqual([]);
    expect(report.aspects.filter(({ skipped }) => skipped !== undefined).map(({ aspect }) => aspect)).toEqual([
      'guards',
      'folding',
      'denormals',
    ]);
  });
});

describe.each([
  ['own-kernels.md', 5],
  ['adding-an-operation.md', 1],
])('docs/%s', async (page, count) => {
  const text = await readFile(join(root, 'docs', page), 'utf8');
  // Whole programs: others are parts of one.
  const examples = [...text.matchAll(/```ts\n([\s\S]*?)```/g)]
    .map(([, code]) => code)
    .filter((code) => code.startsWith('import') && code.includes('console.log'));

  it.each(examples.map((code, i) => [i + 1, code] as const))(
    'example %i prints what stands under it',
    async (_, code) => {
      const folder = await mkdtemp(join(import.meta.dirname, 'example-'));
      // What is tuned is kept there.
      vi.stubEnv('FROSTLINE_CACHE', folder);
      const log = vi.spyOn(console, 'log').mockImplementation(() => {});
      try {
        await writeFile(join(folder, 'example.ts'), code.replace("from 'frostline'", "from '../../../src/index.ts'"));
        await import(/* @vite-ignore */ join(folder, 'example.ts'));
        const printed = log.mock.calls.map((words) => words.join(' '));
        const expected = [...code.matchAll(/console\.log.*\n\/\/ (.*)/g)].map(([, line]) => line.split(', ...')[0]);
        expect(printed.map((line, i) => (line.startsWith(expected[i]) ? expected[i] : line))).toEqual(expected);
      } finally {
        log.mockRestore();
        vi.unstubAllEnvs();
        await rm(folder, { recursive: true, force: true });
      }
    },
  );

  it('has an example of each', () => expect(examples).toHaveLength(count));
});
