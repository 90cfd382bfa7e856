/** When a finite loss counts as diverged, and that the numbers of the message belong together. */
import { describe, expect, it } from 'vitest';
import { divergenceOf } from '../../src/train/diverged.ts';

describe('a run whose loss is finite', () => {
  it('diverged where its end is more than a hundred times its start', () => {
    expect(divergenceOf([0.7, 1, 71, 71, 71, 71, 71])).toMatch(
      /ended at 71\.0, 101 times where it began \(0\.700\)\. Use a/,
    );
    expect(divergenceOf([0.7, 1, 69, 69, 69, 69, 69])).toBeUndefined();
    expect(divergenceOf([])).toBeUndefined();
  });

  it('is not judged by one batch at its end', () => {
    expect(divergenceOf([0.7, 0.7, 0.7, 0.7, 0.7, 300])).toBeUndefined();
  });

  it('is counted from 0.1 where it began below', () => {
    expect(divergenceOf([0.02, 9, 9, 9, 9, 9])).toBeUndefined();
    expect(divergenceOf([0.02, 12, 12, 12, 12, 12])).toMatch(
      /ended at 12\.0, 120 times 0\.1, from which a start of 0\.0200 is counted\./,
    );
  });
});
