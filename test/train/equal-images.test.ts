/** Equal pictures under other names: told where a split parts them, kept together on demand. */
import { expect, it } from 'vitest';
import { stratifiedSplit } from '../../src/data/split.ts';
import { digestsOf, sameOnBothSides, withEqualTogether } from '../../src/train/equal-images.ts';
import { bareDataset } from '../data/tools.ts';

/** One pixel an image, of these values. */
const images = (...values: number[]) => ({
  kind: 'images' as const,
  pixels: Uint8Array.from(values.flatMap((value) => [value, value, value, 255])),
  height: 1,
  width: 1,
  labels: new Uint32Array(values.length),
});

it('are told by their pixels, with the split that parts them and the classes that differ', () => {
  const data = bareDataset({ a: 3, b: 3 });
  const digests = digestsOf(images(1, 1, 2, 3, 2, 4));
  const lines = sameOnBothSides(data, digests, [{ train: [0, 2, 3, 4], test: [1, 5] }]);
  expect(lines).toEqual([
    '2 images stand more than once, pixel for pixel: a-0, a-1; a-2, b-1',
    '1 images stand under more than one class: a-2, b-1 (a and b)',
    expect.stringMatching(/the same image on both sides: 1 test images are also trained on.*--duplicates together/),
  ]);
  const apart = sameOnBothSides(data, digests, [{ train: [0, 1, 3], test: [2, 4, 5] }]);
  expect(apart.length).toBe(2);
  expect(sameOnBothSides(data, digestsOf(images(1, 2, 3, 4, 5, 6)), [])).toEqual([]);
});

it('are in one group with all that shares a group with one of them, and no split parts them', () => {
  const data = bareDataset({ a: 20, b: 20 }, (id) => (id === 'a-1' || id === 'a-2' ? 'patient' : undefined));
  // a-0 is a-1, whose patient has a-2; b-0 to b-3 are one image.
  const values = Array.from({ length: 40 }, (_, at) => (at < 2 ? 200 : at >= 20 && at < 24 ? 201 : at));
  const together = withEqualTogether(data, digestsOf(images(...values)));
  const groups = together.samples.map(({ group }) => group);
  expect(new Set(groups.slice(0, 3)).size).toBe(1);
  expect(groups[0]).toBeDefined();
  expect(new Set(groups.slice(20, 24)).size).toBe(1);
  expect(groups.filter((group) => group === undefined).length).toBe(33);
  for (let seed = 0; seed < 10; seed++) {
    const split = stratifiedSplit(together, { seed });
    expect(sameOnBothSides(together, digestsOf(images(...values)), [split]).length).toBe(1);
  }
});
