/** What is left of a grid to compute, from event to event, with and without halving. Nothing is run. */
import { describe, expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { type GridPlan, planCells } from '../../src/train/plan.ts';
import { GridWork, workOf } from '../../src/train/work.ts';
import { WorkAhead } from '../../src/train/work-ahead.ts';
import { divided, experiment, plan } from '../support/narrow-experiment.ts';

const grid: GridPlan = { ...plan, freeze: [10, 'all'], learningRates: [0.002, 0.001] };
const cellsOf = (own: GridPlan, of = experiment) => planCells(of.network, own, of.divisions, of.newParameters);
const costs = (ahead: WorkAhead) => new Map([...ahead.pieces()].map(([index, pieces]) => [index, workOf(pieces)]));

/** Cells one after another, each with epochs from and until. */
function inOrder(own: GridPlan, parts: readonly (readonly [number, number, number])[], of = experiment) {
  const cells = cellsOf(own, of);
  const work = GridWork.of(of, own, cells.length);
  return parts.map(([index, from, until]) => workOf(work.run(cells[index], from, until)));
}
const aheadOf = (own: GridPlan, only?: (index: number) => boolean, of = experiment) =>
  new WorkAhead(GridWork.of(of, own, cellsOf(own, of).length), cellsOf(own, of), own, only);

describe('the work ahead of a process', () => {
  it('is that of its cells in their order', () => {
    const all = [0, 1, 2, 3].map((index) => [index, 0, 2] as const);
    expect([...costs(aheadOf(grid))]).toEqual([...inOrder(grid, all).entries()]);
    const second = costs(aheadOf(grid, (index) => index % 2 === 1));
    const [one, three] = inOrder(grid, [all[1], all[3]]);
    expect([...second]).toEqual([
      [1, one],
      [3, three],
    ]);
    // The second cell finds what the first has left; of a shard it has to make that itself.
    expect(one).toBeGreaterThan(costs(aheadOf(grid)).get(1)!);
  });

  it('is another where a cell has a result, and goes on from what is behind', () => {
    const ahead = aheadOf(grid);
    ahead.skip(0);
    const [one, two, three] = inOrder(
      grid,
      [1, 2, 3].map((index) => [index, 0, 2]),
    );
    expect(costs(ahead)).toEqual(new Map([one, two, three].map((cost, i) => [i + 1, cost])));
    expect(workOf(ahead.begin(1))).toBe(one);
    // While it runs it is open, and not told as ahead.
    expect(costs(ahead)).toEqual(new Map([two, three].map((cost, i) => [i + 2, cost])));
    ahead.end();
    expect(costs(ahead)).toEqual(new Map([two, three].map((cost, i) => [i + 2, cost])));
  });

  it('of a cell that goes on from a checkpoint is that of its other epochs', () => {
    const ahead = aheadOf(grid);
    ahead.begin(0);
    // Four steps an epoch.
    const pieces = ahead.resume(4);
    const [rest, next] = inOrder(grid, [
      [0, 1, 2],
      [1, 0, 2],
    ]);
    expect(workOf(pieces)).toBe(rest);
    expect(workOf(ahead.behind(4))).toBe(0);
    expect(ahead.behind(6).filter(({ kind }) => kind === 'steps')).toMatchObject([{ runs: 2 }]);
    expect(costs(ahead).get(1)).toBe(next);
  });

  it('of a grid that is halved counts what goes on by its share, and what is dropped not at all', () => {
    const fit = { ...plan.fit, epochs: 4, augment: augmentPresets.none };
    const own: GridPlan = { ...grid, fit, learningRates: [0.002, 0.001, 0.0005], budget: 1, select: 'validation' };
    const of = { ...divided, divisions: 1 };
    const cells = [...cellsOf(own, of).keys()];
    expect(cells).toHaveLength(6);
    const ahead = aheadOf(own, undefined, of);
    const parts = [0, 1, 2].flatMap((r) => cells.map((index) => [index, [0, 1, 2][r], [1, 2, 4][r]] as const));
    const alone = inOrder(own, parts, of);
    // Three of six arms go on, then two.
    expect([...costs(ahead)].map(([, cost]) => cost)).toEqual(
      cells.map((i) => expect.closeTo(alone[i] + alone[6 + i] / 2 + alone[12 + i] / 3, 3)),
    );
    for (const index of cells) {
      expect(workOf(ahead.begin(index))).toBe(alone[index]);
      ahead.pause();
    }
    for (const index of [0, 2, 4]) ahead.drop(index);
    const kept = inOrder(
      own,
      [...parts.slice(0, 6), ...[6, 7].flatMap((i) => [1, 3, 5].map((c) => [c, i - 5, i === 6 ? 2 : 4] as const))],
      of,
    ).slice(6);
    expect([...costs(ahead)]).toEqual(
      [1, 3, 5].map((index, i) => [index, expect.closeTo(kept[i] + (kept[3 + i] * 2) / 3, 3)]),
    );
    // Of a cell that stood at a rung before this process began nobody tells until it goes on.
    const later = aheadOf(own, undefined, of);
    for (const index of [0, 2, 4]) later.drop(index);
    later.begin(1);
    later.resume(4);
    const stages = [1, 2].flatMap((from) => [1, 3, 5].map((index) => [index, from, 2 * from] as const));
    const rest = inOrder(own, stages, of);
    expect(costs(later)).toEqual(
      new Map([1, 3, 5].map((index, i) => [index, expect.closeTo((i > 0 ? rest[i] : 0) + (rest[3 + i] * 2) / 3, 3)])),
    );
  });
});
