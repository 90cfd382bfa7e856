/** Every kernel is broken in at least five ways, and its cases must notice each. FROSTLINE_MUTATION_TABLE=FILE writes the table. */
import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { generalMutations } from '../../src/check/mutate.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { kernelFamilies } from '../../src/operators/all.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { Random } from '../../src/random.ts';
import { testSeed, useGpu } from '../support/gpu.ts';
import { expectedOutcomes, type Mutation, type Outcome, tryMutation } from './mutate.ts';
import { mutations } from './mutations.ts';
import { mutationTable, type TriedMutation } from './table.ts';

const gpu = useGpu();
const tried: TriedMutation[] = [];

const kernelsOf = kernelFamilies.map((family) => ({
  family,
  kernels: new Set(family.examples(new Random(1)).map(({ kernel }) => kernel)),
}));
const subjects = [...allKernels.values()].map((kernel) => ({
  kernel,
  name: kernel.name,
  // What no operator has to itself comes last in the list, and reaches most variants with its smallest cases: it goes first.
  families: kernelsOf
    .filter(({ kernels }) => kernels.has(kernel))
    .map(({ family }) => family)
    .toReversed(),
  mutations: [...mutations[kernel.name], ...generalMutations(kernel)],
}));

async function onDevice<T>({ adapter }: Mutation, run: (device: Gpu) => Promise<T>): Promise<T> {
  if (adapter === undefined) return run(gpu());
  const device = await Gpu.open({ adapter });
  try {
    return await run(device);
  } finally {
    device.destroy();
  }
}

describe.each(subjects)('$name', ({ kernel, families, mutations: own }) => {
  it.each(own.map((mutation) => ({ what: mutation.name, mutation })))('$what', async ({ mutation }) => {
    const outcomes = await onDevice(mutation, (device) => tryFamilies(device, mutation));
    tried.push({ kernel: kernel.name, mutation, outcomes });
    expect(outcomes.length).toBeGreaterThan(0);
    for (const { variant, caughtBy } of outcomes)
      expect(caughtBy, `seed ${testSeed}, variant ${variant}`).toBeDefined();
  });

  /** Where several families run the kernel, one of them must notice; and each variant must have the phrase in some text. */
  async function tryFamilies(device: Gpu, mutation: Mutation): Promise<Outcome[]> {
    const found = new Map<string, Outcome>();
    const expected = expectedOutcomes(device, kernel, mutation);
    const noticed = (variant: string) => found.get(variant)?.caughtBy !== undefined;
    for (const family of families) {
      for (const outcome of await tryMutation(device, family, kernel, mutation, testSeed)) {
        if (found.get(outcome.variant)?.caughtBy === undefined) found.set(outcome.variant, outcome);
      }
      if (expected.every(noticed)) break;
    }
    const without = expected.filter((variant) => !found.has(variant));
    expect(without, `variants that no longer hold ${mutation.find}: let the mutation follow the text`).toEqual([]);
    return [...found.values()];
  }
});

it('notices nothing where nothing is broken', async () => {
  for (const { kernel, families } of subjects) {
    const same: Mutation = { name: 'a comment', find: '@compute', replace: '/* not broken */ @compute' };
    for (const outcome of await tryMutation(gpu(), families[0], kernel, same, testSeed)) {
      expect(outcome.caughtBy, kernel.name).toBeUndefined();
    }
  }
});

it('breaks each kernel in at least five ways', () => {
  expect(Object.keys(mutations).sort()).toEqual([...allKernels.keys()].sort());
  for (const { name, mutations: own } of subjects) expect(own.length, name).toBeGreaterThanOrEqual(5);
});

afterAll(() => {
  const file = process.env['FROSTLINE_MUTATION_TABLE'];
  if (file !== undefined) writeFileSync(file, mutationTable(tried, gpu().describe(), testSeed));
});
