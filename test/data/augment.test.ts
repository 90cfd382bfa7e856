import { describe, expect, it } from 'vitest';
import { affineSample } from '../../src/check/reference/affine-sample.ts';
import { type AugmentPreset, augmentPresets, drawTransforms } from '../../src/data/augment.ts';

const { none, paper } = augmentPresets;
const draw = (preset: AugmentPreset, options: Partial<Parameters<typeof drawTransforms>[1]> = {}) =>
  drawTransforms(preset, { seed: 7, epoch: 0, samples: [0], height: 5, width: 9, ...options });

const close = (found: ArrayLike<number>, expected: readonly number[]) => {
  expect(found.length).toBe(expected.length);
  expected.forEach((value, i) => void expect(found[i]).toBeCloseTo(value, 5));
};

describe('transforms by hand, 5 high and 9 wide: centre (4, 2)', () => {
  it('none is the identity, to the bit', () => {
    expect([...draw(none)].map((value) => value + 0)).toEqual([1, 0, 0, 0, 1, 0]);
  });

  it('reflection exchanges x and 8 - x', () => {
    close(draw({ ...none, reflectX: 1 }), [-1, 0, 8, 0, 1, 0]);
  });

  it('translation by a third of the width and of the height looks left and up', () => {
    close(draw({ ...none, translate: [1 / 3, 1 / 3] }), [1, 0, -3, 0, 1, -5 / 3]);
  });

  it('scale 2 about the centre halves distances', () => {
    close(draw({ ...none, scale: [2, 2] }), [0.5, 0, 2, 0, 0.5, 1]);
  });

  it('rotation by 90 degrees is clockwise: what stood at the left stands at the top', () => {
    // Output (4, 0), two above the centre, shows the input at (2, 2), two to its left.
    const [a, b, c, d, e, f] = draw({ ...none, rotation: [90, 90] });
    close([a * 4 + b * 0 + c, d * 4 + e * 0 + f], [2, 2]);
  });

  it('the order is scale, rotate, reflect, translate', () => {
    const all = {
      reflectX: 1,
      translate: [1 / 9, 1 / 9],
      scale: [2, 2],
      rotation: [90, 90],
      scalePerAxis: false,
      fill: 0,
    } as const;
    const [a, b, c, d, e, f] = draw(all);
    // The input point (5, 2), one right of the centre: scaled (2, 0), rotated clockwise (0, 2), reflected (0, 2),
    // translated by (1, 5/9): it shows at (4 + 1, 2 + 2 + 5/9).
    const [x, y] = [5, 4 + 5 / 9];
    close([a * x + b * y + c, d * x + e * y + f], [5, 2]);
    // The input point (4, 3), one below: scaled (0, 2), rotated (-2, 0), reflected (2, 0), translated (3, 5/9).
    const [u, v] = [7, 2 + 5 / 9];
    close([a * u + b * v + c, d * u + e * v + f], [4, 3]);
  });
});

describe('draws', () => {
  it('depend on the seed, the epoch and the sample, not on the batch', () => {
    const batch = draw(paper, { samples: [3, 17, 4] });
    expect(draw(paper, { samples: [17] })).toEqual(batch.slice(6, 12));
    expect(draw(paper, { samples: [17], epoch: 1 })).not.toEqual(batch.slice(6, 12));
    expect(draw(paper, { samples: [17], seed: 8 })).not.toEqual(batch.slice(6, 12));
    expect(batch.slice(0, 6)).not.toEqual(batch.slice(12, 18));
  });

  it("of the paper's preset fill their ranges and are uncorrelated", () => {
    const count = 4000;
    const [height, width] = [227, 227];
    const values = drawTransforms(paper, {
      seed: 1,
      epoch: 2,
      samples: Array.from({ length: count }, (_, i) => i),
      height,
      width,
    });
    const columns: Record<string, number[]> = {
      scaleX: [],
      scaleY: [],
      angle: [],
      shiftX: [],
      shiftY: [],
      reflect: [],
    };
    for (let i = 0; i < count; i++) {
      const [a, b, c, d, e, f] = values.subarray(6 * i, 6 * i + 6);
      const reflect = Math.sign(a);
      columns.reflect.push(reflect);
      columns.scaleX.push(1 / Math.hypot(a, b));
      columns.scaleY.push(1 / Math.hypot(d, e));
      columns.angle.push((Math.atan2(b, a * reflect) * 180) / Math.PI);
      // Where the centre of the input shows, by inverting the map.
      const [u, v] = [113 - c, 113 - f];
      const det = a * e - b * d;
      columns.shiftX.push((e * u - b * v) / det - 113);
      columns.shiftY.push((a * v - d * u) / det - 113);
    }
    const half = { scaleX: 0.1, scaleY: 0.1, angle: 15, shiftX: 30, shiftY: 30 };
    const middle = { scaleX: 1, scaleY: 1, angle: 0, shiftX: 0, shiftY: 0 };
    for (const name of Object.keys(half) as (keyof typeof half)[]) {
      const scaled = columns[name].map((value) => (value - middle[name]) / half[name]);
      expect(Math.max(...scaled), name).toBeLessThan(1.0001);
      expect(Math.min(...scaled), name).toBeGreaterThan(-1.0001);
      expect(Math.max(...scaled), name).toBeGreaterThan(0.99);
      expect(Math.min(...scaled), name).toBeLessThan(-0.99);
      // Mean 0 and variance 1/3, within 5 standard errors.
      expect(Math.abs(scaled.reduce((s, x) => s + x, 0) / count), name).toBeLessThan(5 / Math.sqrt(3 * count));
      columns[name] = scaled;
    }
    expect(Math.abs(columns.reflect.reduce((s, x) => s + x, 0) / count)).toBeLessThan(5 / Math.sqrt(count));
    const names = Object.keys(columns);
    for (const one of names) {
      for (const other of names.filter((name) => name > one)) {
        const product = columns[one].reduce((s, x, i) => s + x * columns[other][i], 0) / count;
        expect(Math.abs(product), `${one} with ${other}`).toBeLessThan(5 / Math.sqrt(count));
      }
    }
  });

  it('scale both axes alike where asked', () => {
    for (let sample = 0; sample < 20; sample++) {
      const [a, , , , e] = draw({ ...none, scale: [0.5, 2] }, { samples: [sample] });
      expect(a).toBe(e);
    }
  });

  it('refuses presets that make no sense', () => {
    expect(() => draw({ ...none, reflectX: 2 })).toThrow(/reflectX is 2/);
    expect(() => draw({ ...none, scale: [0, 1] })).toThrow(/scale is 0,1/);
    expect(() => draw({ ...none, rotation: [5, -5] })).toThrow(/rotation is 5,-5/);
    expect(() => draw({ ...none, translate: [Number.NaN, 0] })).toThrow(/translate/);
    expect(() => draw({ ...none, fill: 300 })).toThrow(/fill is 300/);
  });
});

describe('the reference sampler, by hand', () => {
  const size = { height: 2, width: 3 };
  /** The grey image 10 20 30 / 40 50 60 through a transform. */
  const sampled = (transform: ArrayLike<number>, fill: number) =>
    affineSample(
      { ...size, channels: 1, outHeight: 2, outWidth: 3, channelOrder: 'rgb', fill, scale: 1, mean: [0], std: [1] },
      Uint8Array.from([10, 20, 30, 40, 50, 60].flatMap((grey) => [grey, grey, grey, 255])),
      [0],
      transform,
    );

  it('leaves an image alone under the identity', () => {
    expect(sampled(draw(none, size), 0)).toEqual([10, 20, 30, 40, 50, 60]);
  });

  it('reflects it', () => {
    expect(sampled(draw({ ...none, reflectX: 1 }, size), 0)).toEqual([30, 20, 10, 60, 50, 40]);
  });

  it('moves it by half a pixel, with the fill value in the taps outside', () => {
    expect(sampled([1, 0, -0.5, 0, 1, 0], 100)).toEqual([55, 15, 25, 70, 45, 55]);
    expect(sampled([1, 0, 0, 0, 1, 0.5], 0)).toEqual([25, 35, 45, 20, 25, 30]);
  });
});
