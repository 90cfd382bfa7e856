/** Every algorithm computes every convolution that it says it supports; `select` chooses in one unit. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import {
  conv2dFilterGradientReference,
  conv2dInputGradientReference,
  conv2dReference,
} from '../../src/check/reference/conv2d.ts';
import { normals } from '../../src/check/values.ts';
import { parseAlgorithms } from '../../src/gpu/algorithms.ts';
import { profileOf } from '../../src/gpu/machine.ts';
import type { Storage } from '../../src/gpu/storage.ts';
import { compile } from '../../src/graph/compile.ts';
import { apply, type ForwardEmitter, inMemory } from '../../src/graph/operation.ts';
import { input } from '../../src/graph/tensor.ts';
import { type Conv2dShape, conv2dOutput, type Direction } from '../../src/kernels/conv2d/shape.ts';
import type { Capabilities, KernelDispatch } from '../../src/kernels/kernel.ts';
import { type Algorithm, milliseconds, select, ways } from '../../src/operators/algorithms/algorithm.ts';
import { convolutionDecisions } from '../../src/operators/conv2d/algorithms/index.ts';
import { type Conv2dOptions, conv2d } from '../../src/operators/conv2d/graph.ts';
import { Random } from '../../src/random.ts';
import { choices, choicesOf } from '../support/choices.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const smallGpu = useGpu({ limits: { maxBinding: 16384, maxWorkgroups: 7 } });

function shapeOf(choose: (low: number, high: number) => number): Conv2dShape {
  const groups = choose(1, 2);
  const pointwise = choose(0, 3) === 3;
  const kernel = pointwise ? ([1, 1] as const) : ([choose(1, 5), choose(1, 5)] as const);
  const strides = choose(0, 2) === 2 ? ([choose(1, 2), choose(1, 3)] as const) : ([1, 1] as const);
  const dilation = choose(0, 3) === 3 ? 2 : 1;
  const pads = pointwise
    ? ([0, 0, 0, 0] as const)
    : ([choose(0, 1), choose(0, 1), choose(0, 1), choose(0, 1)] as const);
  const [height, width] = kernel.map((size) => dilation * (size - 1) + choose(1, 9));
  const sizes = { batch: choose(1, 5), channels: groups * choose(1, 4), height, width, filters: groups * choose(1, 5) };
  return { ...sizes, kernel, strides, pads, dilations: [dilation, dilation], groups };
}

describe.each(['forward', 'input gradient', 'filter gradient'] as Direction[])('%s', (direction) => {
  const { algorithms, measured = [] } = convolutionDecisions[direction];
  // Of those that only a measurement chooses, some that small shapes have room for.
  const some = measured.filter(({ name }) => /-[12]-at-a-time/.test(name));
  it.each([...algorithms, ...some].map(({ name }) => name))('%s', async (name) => {
    const algorithm = [...algorithms, ...some].find((one) => one.name === name)!;
    let computed = 0;
    await fc.assert(
      fc.asyncProperty(choices, fc.nat(), fc.boolean(), async (list, seed, small) => {
        const device = small ? smallGpu() : gpu();
        const shape = shapeOf(choicesOf(list));
        const problem = { name: 'c', shape, hasBias: false, differentiates: false, weightLasts: false };
        if (algorithm.obstacle(device, problem) !== undefined) return;
        computed++;
        expect(milliseconds(device, algorithm.work(device, problem))).toBeGreaterThan(0);
        const random = new Random(seed);
        const [lines, columns] = conv2dOutput(shape);
        const x = input('x', [shape.batch, shape.channels, shape.height, shape.width]);
        const dy = input('dy', [shape.batch, shape.filters, lines, columns]);
        const w = input('w', [shape.filters, shape.channels / shape.groups, ...shape.kernel]);
        const emitted = (emit: ForwardEmitter) => {
          const y = emit.value(emit.output);
          const operands: Readonly<Record<Direction, object>> = {
            forward: { x: emit.value(x), weight: w, y },
            'input gradient': { dy: emit.value(dy), weight: w, dx: y },
            'filter gradient': { x: emit.value(x), dy: emit.value(dy), dw: inMemory(y) },
          };
          (algorithm.emit as (emit: ForwardEmitter, problem: object, operands: object) => Storage)(
            emit,
            problem,
            operands[direction],
          );
        };
        const made = { forward: dy, 'input gradient': x, 'filter gradient': w }[direction];
        const all = [x, dy, w];
        const y = apply({ name: 'one', backward: null, forward: emitted }, all, made.shape);
        const graph = await compile(device, { outputs: [y] });
        const [xs, dys, ws] = all.map((tensor) => normals(random, tensor.size));
        all.forEach((tensor, i) => {
          graph.write(tensor, [xs, dys, ws][i]);
        });
        await graph.run();
        // What is measured depends on the texts of these.
        const declared = new Set(algorithm.kernels.map((kernel) => kernel.name));
        for (const dispatch of graph.dispatches) expect(declared).toContain((dispatch as KernelDispatch).kernel.name);
        const expected = {
          forward: () => conv2dReference(shape, xs, ws, undefined, dy.size),
          'input gradient': () => conv2dInputGradientReference(shape, dys, ws),
          'filter gradient': () => conv2dFilterGradientReference(shape, dys, xs, w.size),
        }[direction]();
        expectClose(await graph.read(y), expected, { absolute: 1e-3, relative: 1e-4 });
        graph.destroy();
      }),
      { seed: testSeed, numRuns: 30 },
    );
    // In parts is for discrete GPUs and long sums.
    if (!name.endsWith('parts')) expect(computed, `drawn problems that ${name} computes`).toBeGreaterThan(0);
  });
});

describe('select', () => {
  const adapter = { kind: 'software', subgroupWidth: 8, limits: {} } as unknown as Capabilities;
  const problem = { name: 'c' };
  type One = Algorithm<typeof problem, object>;
  const as = (name: string, instructions: number, supported = true): One => ({
    name,
    how: '',
    kernels: [],
    obstacle: () => (supported ? undefined : 'it does not compute it'),
    work: () => ({ instructions, movedBytes: 0, dispatches: 1 }),
    emit() {},
  });
  const among = (...algorithms: [One, ...One[]]) => ({
    purpose: 'conv2d forward' as const,
    algorithms,
    caseOf: () => 'one',
  });

  it('takes the quickest that computes it, the first of equals, and says why not the others', () => {
    const list = among(as('plain', 9e6), as('quick', 1e6), as('same', 1e6), as('none', 1, false));
    expect(select(adapter, list, problem)).toMatchObject({ algorithm: { name: 'quick' }, by: 'estimate' });
    expect(select(adapter, list, problem).others.map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
      'plain: it is slower',
      'same: it is slower',
      'none: it does not compute it',
    ]);
    expect(() => select(adapter, among(as('x', Number.NaN)), problem)).toThrow('x takes NaN ms');
  });

  it('compiles three texts more only where they save more than that takes, and where drivers take long at all', () => {
    // 1.7e7 instructions a millisecond, 0.04 ms a dispatch, 0.02 ms a text.
    const inFour = (instructions: number): One => ({
      ...as('in-four', instructions),
      work: () => ({ instructions, movedBytes: 0, dispatches: 4 }),
    });
    const chosen = (device: Capabilities, one: number, four: number) =>
      select(device, among(as('plain', one), inFour(four)), problem);
    const saving = (saved: number) => chosen(adapter, 1.7e7, 1.7e7 * (1 - 3 * 0.04 - saved)).algorithm.name;
    expect(saving(0.07)).toBe('in-four');
    expect(saving(0.05)).toBe('plain');
    const { milliseconds, others } = chosen(adapter, 1.7e7, 1.7e7 * (1 - 3 * 0.04 - 0.05));
    // What is told is the time, not what it was compared by.
    expect(milliseconds).toBeCloseTo(1.04, 10);
    expect(others[0].milliseconds).toBeCloseTo(0.99, 10);
    expect(others[0].reason).toBe('what it saves is not worth compiling its texts');
    const card = { ...adapter, kind: 'hardware' } as Capabilities;
    const { instructions, dispatch } = profileOf(card);
    expect(chosen(card, instructions, instructions * (1 - 3.01 * dispatch)).algorithm.name).toBe('in-four');
  });

  it('takes what was measured before any estimate, where it computes the problem, and tells of what is none', () => {
    const algorithms = among(as('plain', 9e6), as('quick', 1e6), as('none', 1, false));
    const list = { ...algorithms, measured: [as('extra', 99e6)] };
    const chosen = (measured: string | undefined, forced?: string) => {
      const told: string[] = [];
      const { algorithm, by } = select(
        {
          ...adapter,
          tuning: { find: () => undefined, algorithm: () => measured },
          ...(forced && { algorithms: new Map([['conv2d', forced]]) }),
          notice: (text) => told.push(text),
        },
        list,
        problem,
      );
      return [algorithm.name, by, ...told];
    };
    expect(chosen(undefined)).toEqual(['quick', 'estimate']);
    expect(chosen('plain')).toEqual(['plain', 'measurement']);
    expect(chosen('extra')).toEqual(['extra', 'measurement']);
    expect(chosen('none')).toEqual(['quick', 'estimate']);
    expect(chosen('plain', 'extra')).toEqual(['extra', 'force']);
    expect(chosen('fft')).toEqual([
      'quick',
      'estimate',
      "conv2d forward: the tuning results name 'fft', which is none of plain, quick, none, extra.",
    ]);
  });

  it('takes the one that is forced before all, and says why where it cannot', () => {
    const list = among(as('plain', 9e6), as('quick', 1e6), as('none', 1, false));
    const chosen = (forced: Record<string, string>) => {
      const told: string[] = [];
      const algorithms = new Map(Object.entries(forced));
      const device = { ...adapter, algorithms, notice: (text: string) => told.push(text) };
      return [select(device, list, problem).algorithm.name, ...told];
    };
    expect(chosen({ conv2d: 'plain' })).toEqual(['plain']);
    expect(chosen({ conv2d: 'plain', 'conv2d forward': 'quick' })).toEqual(['quick']);
    expect(chosen({ linear: 'plain' })).toEqual(['quick']);
    expect(chosen({ conv2d: 'none' })).toEqual([
      'quick',
      'conv2d forward: none is asked for, but it does not compute it. The quickest other one is used there.',
    ]);
  });

  it('chooses among ways to make all that is wanted, in one pass over the weight or in two', () => {
    const list = (joint: number) => [
      { ...as('dx', 2e6), makes: ['dx'] as const },
      { ...as('update', 3e6), makes: ['update'] as const },
      { ...as('both', joint), makes: ['dx', 'update'] as const },
      { ...as('other', 9e6), makes: ['update'] as const },
    ];
    const chosen = (joint: number, wanted: readonly ('dx' | 'update')[], forced?: string) => {
      const [first, ...rest] = ways<typeof problem, object, 'dx' | 'update'>(list(joint), wanted);
      const device = { ...adapter, ...(forced && { algorithms: new Map([['conv2d', forced]]) }) };
      return select(device, among(first, ...rest), problem).algorithm.name;
    };
    expect(chosen(4e6, ['dx', 'update'])).toBe('both');
    expect(chosen(6.5e6, ['dx', 'update'])).toBe('dx + update');
    // What nobody asked for (below the frost line) must not be written.
    expect(chosen(1, ['update'])).toBe('update');
    // A part of a way may be forced; the rest is the quickest with it.
    expect(chosen(1, ['dx', 'update'], 'other')).toBe('dx + other');
    expect(chosen(1, ['dx', 'update'], 'dx')).toBe('dx + update');
    expect(chosen(1, ['dx', 'update'], 'dx + other')).toBe('dx + other');
  });
});

describe('an algorithm that is forced', () => {
  it('runs, gives the same values, and an unknown one is refused by name', async () => {
    const told: string[] = [];
    const device = gpu();
    const x = input('x', [2, 3, 12, 12]);
    const w = input('w', [4, 3, 3, 3]);
    const random = new Random(testSeed);
    const [xs, ws] = [normals(random, x.size), normals(random, w.size)];
    const run = async (options: Conv2dOptions = {}) => {
      const y = conv2d(x, w, undefined, options);
      const graph = await compile(device, { outputs: [y] });
      graph.write(x, xs);
      graph.write(w, ws);
      await graph.run();
      const found = { values: await graph.read(y), labels: graph.dispatches.map(({ label }) => label).join(' ') };
      graph.destroy();
      return found;
    };
    const notice = vi.spyOn(device, 'notice').mockImplementation((text) => told.push(text));
    try {
      device.algorithms.set('conv2d', 'implicit-gemm');
      const plain = await run();
      expect(plain.labels).toMatch(/contraction/);
      device.algorithms.set('conv2d', 'winograd');
      const tiled = await run();
      expect(tiled.labels).toMatch(/winograd/);
      expectClose(tiled.values, plain.values, { absolute: 1e-4, relative: 1e-4 });
      expect(told).toEqual([]);
      expect((await run({ dilations: [2, 2] })).labels).not.toMatch(/winograd/);
      expect(told).toEqual([expect.stringMatching(/^conv2d forward: winograd is asked for, but no tile fits/)]);
      device.algorithms.set('conv2d forward', 'fft');
      await expect(run()).rejects.toThrow(/conv2d forward has no algorithm 'fft'\. It has implicit-gemm, .*winograd/);
    } finally {
      device.algorithms.clear();
      notice.mockRestore();
    }
  });

  it('is read from the variable and the option', () => {
    expect([...parseAlgorithms('conv2d=winograd, conv2d input gradient = direct')]).toEqual([
      ['conv2d', 'winograd'],
      ['conv2d input gradient', 'direct'],
    ]);
    expect([...parseAlgorithms('')]).toEqual([]);
    for (const text of ['winograd', 'conv2d=', '=x', 'a=b=c']) {
      expect(() => parseAlgorithms(text, '--algorithm')).toThrow(`--algorithm: '${text}' is no OPERATOR=ALGORITHM`);
    }
  });
});
