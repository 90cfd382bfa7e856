/** The bound that kernels are held to: what it lets pass and what not. */
import { describe, expect, it } from 'vitest';
import { compare, exactly, sumsOf } from '../../src/check/expected.ts';

const u = 2 ** -24;

describe('an error is measured in units of 2^-24 of the terms', () => {
  it('not of the value, where terms cancel', () => {
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => [a[0] * b[0] + a[1] * b[1]];
    const expected = sumsOf(
      (...v) => dot(v[0], v[1]),
      [
        [1e15, 1e15],
        [1e15, -1e15],
      ],
      2,
    );
    expect(expected.values).toEqual([0]);
    // M = 2e30, three units are allowed.
    expect(compare([2.9 * u * 2e30], expected)).toMatchObject({ wrong: 0 });
    expect(compare([3.1 * u * 2e30], expected)).toMatchObject({ wrong: 1, at: 0 });
  });

  it('and is the largest of all values, with its index', () => {
    const found = compare([1, 2 + 8 * u, 4], { values: [1, 2, 4], units: 2 });
    expect(found).toEqual({ error: 4, at: 1, wrong: 1, count: 3 });
  });
});

describe('what is not finite', () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1];

  it('equals itself', () => {
    expect(compare(values, exactly(values))).toMatchObject({ error: 0, wrong: 0 });
  });

  it('equals nothing else', () => {
    for (const [i] of values.entries()) {
      for (const other of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]) {
        if (Object.is(values[i], other)) continue;
        const changed = values.with(i, other);
        expect(compare(changed, exactly(values)), `${other} for ${values[i]}`).toMatchObject({ wrong: 1, at: i });
        expect(compare(changed, { values, units: 1e6 }), `${other} for ${values[i]}`).toMatchObject({ wrong: 1 });
      }
    }
  });
});

describe('denormals', () => {
  it('may be taken for 0 as results', () => {
    expect(compare([0, 0], exactly([1e-40, -1e-39]))).toMatchObject({ wrong: 0 });
    expect(compare([0], exactly([2e-38]))).toMatchObject({ wrong: 1 });
  });

  it('may be taken for 0 as operands, with what they are multiplied by, and no more', () => {
    const product = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a, (value, i) => value * b[i]);
    const inputs = [
      [1e-40, 3],
      [1e20, 3],
    ];
    const expected = sumsOf((...v) => product(v[0], v[1]), inputs, 1);
    expect(compare([0, 9], expected)).toMatchObject({ wrong: 0 });
    expect(compare([1e-20, 9], expected)).toMatchObject({ wrong: 0 });
    expect(compare([3e-20, 9], expected)).toMatchObject({ wrong: 1, at: 0 });
    expect(compare([0, 0], expected)).toMatchObject({ wrong: 1, at: 1 });
  });

  it('leave both zeros equal', () => {
    expect(compare([-0, 0], exactly([0, -0]))).toMatchObject({ error: 0, wrong: 0 });
  });
});
