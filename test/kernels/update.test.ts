/** Kernels that update a parameter where they finish its gradient: the bits of a gradient in memory and a pass that reads it. */
import { describe, expect, it } from 'vitest';
import type { KernelCase } from '../../src/check/case.ts';
import { drawScaling } from '../../src/check/cases/loss-scale.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { type Dispatch, Program } from '../../src/gpu/program.ts';
import type { View } from '../../src/gpu/storage.ts';
import { adam, adamMasked } from '../../src/kernels/adam/adam.ts';
import { withVectors } from '../../src/kernels/assemble.ts';
import { biasGradient } from '../../src/kernels/bias/bias.ts';
import { type Choice, choiceText, type Kernel } from '../../src/kernels/kernel.ts';
import { GUARD, GUARD_BITS, RUBBISH, type Words } from '../../src/kernels/run.ts';
import { sgdm, sgdmMasked, sgdmScaled, sgdmScaledCopied } from '../../src/kernels/sgdm/sgdm.ts';
import { packStep } from '../../src/kernels/step.ts';
import { gradientOf, type UpdateRule } from '../../src/kernels/update.ts';
import { kernelFamilies } from '../../src/operators/all.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { Random } from '../../src/random.ts';
import { testRuns, testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();

/** Of a variant: enough for each optimizer once. */
const CASES = 3 * testRuns;

interface Optimizer {
  readonly rule: UpdateRule;
  readonly pass: Kernel;
  readonly params: Readonly<Record<string, number>>;
}

const one = { mask: 1.5, decay_factor: 1 };
const decay = { decay_factor: 0.5, shrink: 0.25 };
const optimizers: readonly Optimizer[] = [
  { rule: sgdm.rule, pass: sgdm as unknown as Kernel, params: one },
  { rule: sgdmMasked.rule, pass: sgdmMasked as unknown as Kernel, params: { decay_factor: 1 } },
  { rule: sgdmScaled.rule, pass: sgdmScaled as unknown as Kernel, params: one },
  { rule: sgdmScaledCopied.rule, pass: sgdmScaledCopied as unknown as Kernel, params: one },
  { rule: adam.rule, pass: adam as unknown as Kernel, params: { mask: 1.5, ...decay } },
  { rule: adamMasked.rule, pass: adamMasked as unknown as Kernel, params: decay },
];

const kernels = [...allKernels.values()].filter(({ bindings }) => gradientOf(bindings) !== undefined);

/** Whether nothing is added to what windows before have left. */
const isWhole = ({ params, epilogues }: KernelCase) => epilogues === undefined && params['accumulate'] !== 1;

/** Cases of a kernel, some for each variant with the first configuration that they come to. */
function casesOf(device: Gpu, kernel: Kernel): { testCase: KernelCase; choice: Choice }[] {
  const all = kernelFamilies
    .flatMap((family) => family.examples(new Random(testSeed)))
    .filter((testCase) => testCase.kernel === kernel && isWhole(testCase));
  const texts = new Map<string, string>();
  return kernel.variants.flatMap(({ name }) =>
    all
      .flatMap((testCase) => {
        const choice = kernel
          .choices(device, testCase.params)
          .find((one) => one.variant === name && (testCase.applies?.(one) ?? true));
        if (choice === undefined) return [];
        if (!texts.has(name)) texts.set(name, choiceText(choice));
        return texts.get(name) === choiceText(choice) ? [{ testCase, choice }] : [];
      })
      .slice(0, CASES),
  );
}

/** Storages between guards, at places that no alignment rounds to, but vectors'. */
class Room {
  private readonly device: Gpu;
  private readonly views: View[] = [];

  constructor(device: Gpu) {
    this.device = device;
  }

  put(contents: Words | number, before = GUARD): View {
    const values = typeof contents === 'number' ? new Uint32Array(contents).fill(RUBBISH) : contents;
    const words = new Uint32Array(values.length + 2 * GUARD).fill(GUARD_BITS);
    words.set(new Uint32Array(values.buffer, values.byteOffset, values.length), before);
    const view = this.device.storage('a case', words).view(4 * before, 4 * values.length);
    this.views.push(view);
    return view;
  }

  async words(view: View): Promise<Uint32Array> {
    const all = new Uint32Array(await this.device.read(view.storage));
    const [start, end] = [view.offset / 4, (view.offset + view.bytes) / 4];
    expect(all.every((word, i) => (i >= start && i < end) || word === GUARD_BITS)).toBe(true);
    return all.slice(start, end);
  }

  release(): void {
    for (const { storage } of this.views) this.device.release(storage.buffer!);
  }
}

/** What each optimizer keeps beside the parameter, and what it reads. */
function contentsOf({ rule }: Optimizer, count: number, random: Random): Record<string, Words> {
  const normals = () => Float32Array.from({ length: count }, () => random.normal());
  const adamValues = { secondMomentum: 0.99, epsilon: 1e-3 };
  const step = packStep({ learningRate: 0.01, momentum: 0.9, weightDecay: 0.1, step: 3, seed: 1, ...adamValues });
  const { scaling } = drawScaling(random);
  const known: Record<string, () => Words> = {
    step: () => step,
    // Not skipped.
    scaling: () => scaling.map((value, i) => (i === 2 ? 0 : value)),
    mask: () => Float32Array.from({ length: count }, () => [0, 1, 10][random.integer(3)]),
    m: normals,
    v: () => normals().map(Math.abs),
    h: normals,
  };
  return Object.fromEntries(Object.keys(rule.bindings).map((name) => [name, known[name]()]));
}

interface Both {
  readonly testCase: KernelCase;
  readonly choice: Choice;
  readonly random: Random;
  readonly by: readonly Optimizer[];
}

/** Both ways, by each optimizer: the words of what each has written, at places that the kernel writes. */
async function bothWays(
  device: Gpu,
  { testCase, choice, random, by }: Both,
  broken: (dispatch: Dispatch) => Dispatch = (dispatch) => dispatch,
) {
  const { kernel, params, inputs, outputs } = testCase;
  const room = new Room(device);
  const to = gradientOf(kernel.bindings)!;
  const output = outputs[to];
  const count = typeof output === 'number' ? output : output.length;
  const declared = withVectors(kernel.bindings, kernel.variants.find(({ name }) => name === choice.variant)?.vectors);
  const read = Object.fromEntries(
    Object.entries(inputs).map(([name, values]) => [
      name,
      room.put(values, declared[name].type === 'vec4f' ? 64 : GUARD),
    ]),
  );
  const g = room.put(count);
  const dispatches: Dispatch[] = [kernel.dispatch(device, params, { ...read, [to]: g }, choice)];
  const results = by.map((optimizer) => {
    const { rule, pass, params: own } = optimizer;
    const w = Float32Array.from({ length: count }, () => random.normal());
    const contents = contentsOf(optimizer, count, random);
    const [apart, together] = [0, 1].map(() => ({
      w: room.put(w),
      ...Object.fromEntries(Object.entries(contents).map(([name, values]) => [name, room.put(values)])),
    })) as Record<string, View>[];
    dispatches.push(pass.dispatch(device, { count, ...own }, { g, ...apart }));
    const { w: parameter, ...views } = together;
    const update = { rule, params: own, views };
    dispatches.push(broken(kernel.dispatch(device, params, { ...read, [to]: parameter }, choice, { update })));
    return { rule, before: { w, ...contents } as Record<string, Words>, apart, together };
  });
  try {
    const program = await Program.prepare(device, dispatches);
    program.submit();
    device.check();
    const isWritten = Array.from(await room.words(g), (word) => word !== RUBBISH);
    const found = [];
    for (const { rule, before, apart, together } of results) {
      for (const name of Object.keys(before)) {
        const [expected, actual] = [await room.words(apart[name]), await room.words(together[name])];
        const start = new Uint32Array(before[name].buffer, before[name].byteOffset, before[name].length);
        const kept = ['step', 'scaling', 'mask'].includes(name);
        expected.forEach((word, i) => {
          if (!kept && !isWritten[i]) expected[i] = start[i];
          if (kept) expect(word).toBe(start[i]);
        });
        found.push({ what: `${rule.name}: ${name}`, expected, actual, start, kept });
      }
    }
    program.destroy();
    return found;
  } finally {
    room.release();
  }
}

const ran = new Map<string, Set<string>>();

describe.each(kernels.map((kernel) => ({ name: kernel.name, kernel })))('$name', ({ kernel }) => {
  it(`updates in the bits of two passes (seed ${testSeed})`, async () => {
    const random = new Random(testSeed);
    const tried = new Set<string>();
    for (const [i, one] of casesOf(gpu(), kernel).entries()) {
      // Two in turn: each is a text of its own.
      const by = [2 * i, 2 * i + 1].map((at) => optimizers[at % optimizers.length]);
      const found = await bothWays(gpu(), { ...one, by, random });
      const text = `${one.testCase.description} [${choiceText(one.choice)}]`;
      for (const { what, expected, actual, start, kept } of found) {
        expect(actual, `${what} of ${text}`).toEqual(expected);
        if (!kept && actual.length > 20) expect(actual, `${what} of ${text} moves`).not.toEqual(start);
      }
      for (const { rule } of by) tried.add(rule.name);
      ran.set(kernel.name, (ran.get(kernel.name) ?? new Set()).add(one.choice.variant));
    }
    expect([...tried].sort()).toEqual(optimizers.map(({ rule }) => rule.name).sort());
  });

  it('computes no more and moves less than two passes', () => {
    const { testCase, choice } = casesOf(gpu(), kernel)[0];
    const to = gradientOf(kernel.bindings)!;
    const output = testCase.outputs[to];
    const count = typeof output === 'number' ? output : output.length;
    const room = gpu().storage('any', 4 * count + 12);
    const view = room.view(0, 4 * count);
    // Those that read vectors have whole ones.
    const vectors = room.view(0, 16 * Math.ceil(count / 4));
    const views = Object.fromEntries(
      Object.entries(kernel.bindings).map(([name, { type }]) => [name, type === 'vec4f' ? vectors : view]),
    );
    for (const { rule, pass, params } of optimizers) {
      const update = { rule, params, views: Object.fromEntries(Object.keys(rule.bindings).map((n) => [n, view])) };
      const plain = kernel.dispatch(gpu(), testCase.params, views, choice).cost;
      const { cost, label } = kernel.dispatch(gpu(), testCase.params, views, choice, { update });
      const alone = pass.cost({ count, ...params });
      expect(label).toContain(`+ ${rule.name}`);
      expect(cost.flops).toBe(plain.flops + alone.flops);
      expect(cost.bytes).toBeLessThan(plain.bytes + alone.bytes);
      expect(cost.bytes).toBeGreaterThan(plain.bytes);
    }
    gpu().release(view.storage.buffer!);
  });
});

it('ran every variant that writes a gradient of singles on this adapter', () => {
  for (const { name, variants } of kernels) {
    const able = variants.filter(({ halves }) => !Array.isArray(halves)).map((variant) => variant.name);
    expect([...(ran.get(name) ?? [])].sort(), name).toEqual(able.sort());
  }
});

it.each([
  ['the place within the binding for that within the parameter', 'place - p.db_base', 'place'],
  ['the first value for all', 'let index = place - p.db_base', 'let index = 0u'],
  ["the velocity's offset left out", 'p.v_base + index', 'index'],
  ['the sign of the gradient', 'channel, sum)', 'channel, -sum)'],
])('notices %s', async (_, find, replace) => {
  const kernel = biasGradient as unknown as Kernel;
  const cases = casesOf(gpu(), kernel);
  const one = cases.find(({ testCase }) => testCase.params['channels'] > 1)!;
  const broken = (dispatch: Dispatch) => {
    expect(dispatch.source).toContain(find);
    return { ...dispatch, source: dispatch.source.replaceAll(find, replace) };
  };
  const both = { ...one, by: optimizers.slice(0, 2), random: new Random(testSeed) };
  const noticed = await bothWays(gpu(), both, broken).then(
    (found) => found.some(({ expected, actual }) => expected.some((word, i) => word !== actual[i])),
    // Written into the guards.
    () => true,
  );
  expect(noticed).toBe(true);
});

it('refuses to add to what it updates, and kernels that write no gradient', () => {
  const view = gpu().storage('any', 64).view();
  const update = { rule: sgdm.rule, params: one, views: { step: view, v: view } };
  const shape = { batch: 1, channels: 4, plane: 1 };
  expect(() =>
    biasGradient.dispatch(gpu(), { ...shape, accumulate: 1 }, { dy: view, db: view }, undefined, { update }),
  ).toThrow(/bias\/gradient adds to what it updates/);
  expect(() =>
    sgdm.dispatch(gpu(), { count: 4, ...one }, { g: view, step: view, w: view, v: view }, undefined, { update }),
  ).toThrow(/sgdm\/update cannot update by what it writes/);
  gpu().release(view.storage.buffer!);
});
