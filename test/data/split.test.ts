import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ImageDataset } from '../../src/data/dataset.ts';
import { formatSplit, kFold, loadSplit, type Split, stratifiedSplit } from '../../src/data/split.ts';
import { Random } from '../../src/random.ts';
import { bareDataset, lay, scratch } from './tools.ts';

const countsOf = (dataset: ImageDataset, indices: readonly number[]) =>
  dataset.classes.map((_, label) => indices.filter((index) => dataset.samples[index].label === label).length);

const expectWhole = ({ train, test }: Split, count: number) =>
  expect([...train, ...test].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));

const groupsOf = (dataset: ImageDataset, indices: readonly number[]) =>
  new Set(indices.map((i) => dataset.samples[i].group));

describe('a stratified split', () => {
  it("has the paper's shape: 160 + 40 images give 150 for training and 40 + 10 for testing", () => {
    const data = bareDataset({ benign: 160, melanoma: 40 });
    const split = stratifiedSplit(data, { seed: 1 });
    expectWhole(split, 200);
    expect(countsOf(data, split.train)).toEqual([120, 30]);
    expect(countsOf(data, split.test)).toEqual([40, 10]);
  });

  it.each([
    [0.75, [3, 2, 5], [2, 1, 4]],
    [0.5, [3, 2, 5], [2, 1, 3]],
    [0.99, [3, 2, 5], [2, 1, 4]],
    [0.01, [3, 2, 5], [1, 1, 1]],
    [0.7, [10, 10, 10], [7, 7, 7]],
  ])('fraction %f of %j is %j, at least one on either side', (trainFraction, counts, expected) => {
    const data = bareDataset({ a: counts[0], b: counts[1], c: counts[2] });
    expect(countsOf(data, stratifiedSplit(data, { trainFraction, seed: 5 }).train)).toEqual(expected);
  });

  it('is the same for a seed, another for another, and does not depend on the order of the samples', () => {
    const data = bareDataset({ a: 30, b: 9 });
    const ids = (split: Split, from: ImageDataset) => split.train.map((i) => from.samples[i].id).sort();
    const first = ids(stratifiedSplit(data, { seed: 3 }), data);
    const reversed = { ...data, samples: [...data.samples].reverse() };
    expect(ids(stratifiedSplit(reversed, { seed: 3 }), reversed)).toEqual(first);
    expect(ids(stratifiedSplit(data, { seed: 4 }), data)).not.toEqual(first);
  });

  it('draws every sample about as often as its share', () => {
    const data = bareDataset({ a: 12, b: 8 });
    const drawn = new Array<number>(20).fill(0);
    for (let seed = 0; seed < 400; seed++) for (const i of stratifiedSplit(data, { seed }).train) drawn[i]++;
    // 300 expected; 5 standard deviations of a binomial are 43.
    for (const n of drawn) expect(Math.abs(n - 300)).toBeLessThan(43);
  });

  it('refuses classes that are too small by name, and fractions that are none', () => {
    const data = bareDataset({ many: 9, one: 1, none: 0 });
    expect(() => stratifiedSplit(data, { seed: 1 })).toThrow(/too few images.*'one' \(1\), 'none' \(0\)/);
    for (const trainFraction of [0, 1, 75, Number.NaN]) {
      expect(() => stratifiedSplit(data, { seed: 1, trainFraction })).toThrow(/trainFraction is/);
    }
  });
});

describe('a split by group', () => {
  it('puts no group on both sides and stays near the fractions', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = new Random(seed);
      const data = bareDataset({ a: 90, b: 60, c: 30 }, () => `patient ${random.integer(40)}`);
      const split = stratifiedSplit(data, { seed });
      expectWhole(split, 180);
      const test = groupsOf(data, split.test);
      expect(
        [...groupsOf(data, split.train)].filter((group) => test.has(group)),
        `seed ${seed}`,
      ).toEqual([]);
      countsOf(data, split.train).forEach((n, label) => {
        expect(Math.abs(n / [90, 60, 30][label] - 0.75), `seed ${seed}, class ${label}`).toBeLessThan(0.1);
      });
    }
  });

  it('takes samples without a group as groups of their own', () => {
    const data = bareDataset({ a: 8, b: 8 }, (id) => (/-[01]$/.test(id) ? `pair ${id[0]}` : undefined));
    const split = stratifiedSplit(data, { seed: 2, trainFraction: 0.5 });
    expect(countsOf(data, split.train)).toEqual([4, 4]);
    for (const [first, second] of [
      [0, 1],
      [8, 9],
    ]) {
      expect(split.train.includes(first)).toBe(split.train.includes(second));
    }
  });

  it('refuses a class in a single group, and groups that leave a side without a class', () => {
    const single = bareDataset({ a: 4, b: 4 }, (id) => (id.startsWith('b') ? 'one' : id));
    expect(() => stratifiedSplit(single, { seed: 1 })).toThrow(/too few groups.*'b' \(1\)/);
    // Three classes in three groups, each pair of classes in one: two parts cannot both hold all three.
    const tangled: ImageDataset = {
      ...bareDataset({ a: 2, b: 2, c: 2 }),
      samples: ['ab', 'ca', 'ab', 'bc', 'bc', 'ca'].map((group, i) => ({
        id: String(i),
        label: Math.floor(i / 2),
        group,
        source: { file: '' },
      })),
    };
    expect(() => stratifiedSplit(tangled, { seed: 1 })).toThrow(/cannot be divided by group/);
  });
});

describe('cross-validation', () => {
  it('tests each sample once, with shares that differ by one at most', () => {
    const data = bareDataset({ a: 23, b: 10 });
    const folds = kFold(data, { folds: 5, seed: 8 });
    expect(folds.flatMap(({ test }) => test).sort((a, b) => a - b)).toEqual(Array.from({ length: 33 }, (_, i) => i));
    for (const fold of folds) {
      expectWhole(fold, 33);
      const [a, b] = countsOf(data, fold.test);
      expect([4, 5]).toContain(a);
      expect(b).toBe(2);
    }
    expect(() => kFold(data, { folds: 1, seed: 8 })).toThrow(/folds is 1/);
    expect(() => kFold(data, { folds: 11, seed: 8 })).toThrow(/'b' \(10\)/);
  });

  it('keeps groups together', () => {
    const data = bareDataset({ a: 40, b: 40 }, (id) => `p${Number(id.slice(2)) % 20}`);
    for (const { train, test } of kFold(data, { folds: 4, seed: 8 })) {
      expect(countsOf(data, test)).toEqual([10, 10]);
      const trained = groupsOf(data, train);
      expect([...groupsOf(data, test)].some((group) => trained.has(group))).toBe(false);
    }
  });
});

describe('a saved split', () => {
  const setUp = async () => {
    const data = bareDataset({ a: 8, b: 4 });
    const split = stratifiedSplit(data, { seed: 3 });
    const path = join(scratch(), 'split.json');
    writeFileSync(path, formatSplit(split, data, 3));
    return { data, split, path };
  };

  it('comes back, by id, whatever the order of the samples', async () => {
    const { data, split, path } = await setUp();
    expect(await loadSplit(path, data)).toEqual(split);
    const reversed = { ...data, samples: [...data.samples].reverse() };
    expect((await loadSplit(path, reversed)).train).toEqual(split.train.map((i) => 11 - i).reverse());
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      format: 'frostline split 1',
      dataset: 'bare',
      seed: 3,
    });
  });

  it('is refused for a data set that it does not fit', async () => {
    const { data, path } = await setUp();
    const { samples } = data;
    await expect(loadSplit(path, { ...data, samples: samples.slice(1) })).rejects.toThrow(/it has no sample 'a-0'/);
    const more = [...samples, { ...samples[0], id: 'new' }];
    await expect(loadSplit(path, { ...data, samples: more })).rejects.toThrow(/1 samples stand on neither side.*'new'/);
    const relabelled = samples.map((sample) => ({ ...sample, label: 1 }));
    await expect(loadSplit(path, { ...data, samples: relabelled })).rejects.toThrow(/is of class 'b', not 'a'/);
    const grouped = samples.map((sample) => ({ ...sample, group: 'same' }));
    await expect(loadSplit(path, { ...data, samples: grouped })).rejects.toThrow(/group 'same' stands on both sides/);
  });

  it('is refused when it is none, or when a sample stands twice', async () => {
    const { data, path } = await setUp();
    const saved = JSON.parse(readFileSync(path, 'utf8'));
    saved.test.a.push(saved.train.a[0]);
    const twice = join(lay(scratch(), { 'twice.json': JSON.stringify(saved) }), 'twice.json');
    await expect(loadSplit(twice, data)).rejects.toThrow(/stands twice, in train and test/);
    const none = join(lay(scratch(), { 'none.json': '{"train": [1]}' }), 'none.json');
    await expect(loadSplit(none, data)).rejects.toThrow(/is no saved split/);
    await expect(loadSplit(`${path}.gone`, data)).rejects.toThrow(/ENOENT/);
  });
});
