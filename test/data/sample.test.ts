import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { classCounts, fashionMnistClasses } from '../../src/data/dataset.ts';
import { decodeImages } from '../../src/data/decode.ts';
import { inspectDataset } from '../../src/data/inspect.ts';
import { loadDataset } from '../../src/data/load.ts';
import { stratifiedSplit } from '../../src/data/split.ts';

const samples = join(import.meta.dirname, '..', '..', 'samples');
const shipped = () => loadDataset({ path: join(samples, 'fashion-two') });
const fashion = '/usr/share/datasets/fashion-mnist';

describe('the shipped sample', () => {
  it('holds 40 ankle boots and 160 sneakers, 28 x 28 and grey, none twice', async () => {
    const found = await inspectDataset(await shipped());
    expect(found.classes).toEqual([
      { name: 'Ankle boot', count: 40 },
      { name: 'Sneaker', count: 160 },
    ]);
    expect(found.sizes).toMatchObject({ mostCommon: { height: 28, width: 28, count: 200 }, different: 1 });
    expect(found.channels).toEqual([{ channels: 1, count: 200 }]);
    expect(found.problems).toEqual([]);
    expect(found.ignored).toEqual([]);
  });

  it("splits into the paper's numbers", async () => {
    const data = await shipped();
    const { train, test } = stratifiedSplit(data, { seed: 1 });
    expect(train).toHaveLength(150);
    expect(classCounts({ ...data, samples: test.map((index) => data.samples[index]) })).toEqual([10, 40]);
  });

  it('comes with its licence', () => {
    expect(readFileSync(join(samples, 'LICENSE-fashion-mnist.txt'), 'utf8')).toMatch(
      /MIT License[\s\S]*2017 Zalando SE/,
    );
  });

  it.skipIf(!existsSync(fashion))('is the test set to the pixel (Debian package dataset-fashion-mnist)', async () => {
    const data = await shipped();
    const source = await loadDataset({ path: fashion, split: 'test', classNames: fashionMnistClasses });
    const indices = data.samples.map(({ id }) => Number(/test-(\d{5})\.png$/.exec(id)?.[1]));
    data.samples.forEach(({ label }, i) => {
      expect(data.classes[label]).toBe(source.classes[source.samples[indices[i]].label]);
    });
    // The first of each class: no index below the last one taken is left out.
    data.classes.forEach((name, label) => {
      const taken = indices.filter((_, i) => data.samples[i].label === label).sort((a, b) => a - b);
      const first = source.samples.flatMap((sample, i) => (source.classes[sample.label] === name ? [i] : []));
      expect(taken).toEqual(first.slice(0, taken.length));
    });
    const size = { height: 28, width: 28 };
    const found = await decodeImages(data, size);
    const expected = await decodeImages(source, { ...size, indices });
    expect(Buffer.compare(found.data, expected.data)).toBe(0);
  });
});
