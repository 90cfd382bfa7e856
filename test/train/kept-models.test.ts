import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { KeptModels } from '../../src/train/kept-models.ts';
import type { CellResult } from '../../src/train/results.ts';

const cellOf = (folder: string, f1: number, status: CellResult['status'] = 'done') =>
  ({ folder, status, metrics: { f1 }, validation: { metrics: { f1: 1 - f1 } } }) as unknown as CellResult;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'frostline-kept-'));
  for (const name of ['a', 'b', 'c']) mkdirSync(join(folder, name));
});

const write = async (file: string) => writeFileSync(file, '');
const there = () =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('model.onnx'))
    .map((name) => name[0])
    .sort();

/** Adds the cells in the order in which they ended; what is known is in the order of the plan. */
async function addAll(kept: KeptModels, plan: readonly CellResult[], ended: readonly CellResult[]) {
  for (const [i, cell] of ended.entries()) {
    const known = new Set(ended.slice(0, i + 1));
    await kept.add(
      cell,
      plan.filter((one) => known.has(one)),
      write,
    );
  }
}

describe('the networks that a grid keeps', () => {
  const [a, b, c] = [cellOf('a', 0.5), cellOf('b', 0.9), cellOf('c', 0.7)];

  it('are none, or all that were trained to their end', async () => {
    await addAll(new KeptModels(folder, undefined, 'test'), [a, b, c], [a, b, c]);
    expect(there()).toEqual([]);
    const failed = cellOf('b', 0, 'diverged');
    await addAll(new KeptModels(folder, 'all', 'test'), [a, failed, c], [a, failed, c]);
    expect(there()).toEqual(['a', 'c']);
  });

  it.each([
    ['test', 'b'],
    ['validation', 'a'],
  ] as const)('are the best one by the %s part, where that is chosen on', async (select, best) => {
    await addAll(new KeptModels(folder, 'best', select), [a, b, c], [c, b, a]);
    expect(there()).toEqual([best]);
  });

  const equal = [cellOf('a', 0.9), cellOf('b', 0.9), cellOf('c', 0.2)];
  it.each([
    ['in order', equal],
    ['in reverse', equal.toReversed()],
  ])('are the first of the plan among equals, those ending %s: in the end that one is there', async (_, ended) => {
    const kept = new KeptModels(folder, 'best', 'test');
    await addAll(kept, equal, ended);
    await kept.settle(equal);
    expect(there()).toEqual(['a']);
  });

  it('are those of other processes no more, when all is known', async () => {
    for (const cell of [a, b, c]) await write(join(folder, cell.folder!, 'model.onnx'));
    await new KeptModels(folder, 'best', 'test').settle([a, b, c]);
    expect(there()).toEqual(['b']);
  });
});
