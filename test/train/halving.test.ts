/** Successive halving: who goes on, what is told, and that the cells that end are the full grid's. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoppedError } from '../../src/train/checkpoint.ts';
import { runGrid } from '../../src/train/grid.ts';
import { armKey, judgeRung, rungEpochs, scoreAfter, shareOfSteps, whatHalvingCosts } from '../../src/train/halving.ts';
import type { GridPlan } from '../../src/train/plan.ts';
import { rehearseGrid } from '../../src/train/rehearsal.ts';
import type { CellResult, GridResult } from '../../src/train/results.ts';
import { useGpu } from '../support/gpu.ts';
import { divided, experiment, plan } from '../support/narrow-experiment.ts';

const arm = (rate: number) => ({
  freeze: { number: null, name: 'none' },
  learningRate: rate,
  newLayerRate: 10 * rate,
});

describe('halving', () => {
  it('has rungs at twice as many epochs each, and takes the steps that they leave', () => {
    expect([rungEpochs(4, 12), rungEpochs(4, 8), rungEpochs(1, 6), rungEpochs(5, 5)]).toEqual([
      [4, 8],
      [4],
      [1, 2, 4],
      [],
    ]);
    // 16 arms: 4 epochs of 16, 4 of 8, 4 of 4, of 12 of 16.
    expect(shareOfSteps(16, [4, 8], 12)).toBeCloseTo((4 * 16 + 4 * 8 + 4 * 4) / (12 * 16), 12);
    expect(shareOfSteps(3, [1], 2)).toBeCloseTo((3 + 2) / 6, 12);
  });

  it('keeps the better half, rounded up, by mean F1 over the runs, then by loss; a failed run is last', () => {
    const score = (f1: number, loss = 1) => ({ f1, loss });
    const runs = [
      { arm: arm(1), score: score(0.9) },
      { arm: arm(1), score: score(0.5) },
      { arm: arm(2), score: score(0.7, 0.4) },
      { arm: arm(2), score: score(0.7, 0.8) },
      { arm: arm(3), score: score(1) },
      { arm: arm(3), score: undefined },
    ];
    const { arms } = judgeRung(4, runs);
    // Both have 0.7; the second has the smaller loss.
    expect(arms.map(({ learningRate, f1, kept }) => [learningRate, f1, kept])).toEqual([
      [2, 0.7, true],
      [1, 0.7, true],
      [3, undefined, false],
    ]);
  });

  it('judges a run that was stopped early by the epoch that it kept', () => {
    const records = [0.5, 0.9, 0.6, 0.2].map((f1, epoch) => ({
      ...{ epoch, f1, validationLoss: 1 - f1, accuracy: f1 },
      best: f1 >= 0.5 && epoch < 2,
    }));
    expect(scoreAfter(records, 3, false)?.f1).toBe(0.6);
    expect(scoreAfter(records, 3, true)?.f1).toBe(0.9);
    expect(scoreAfter(records, 8, false)?.f1).toBe(0.2);
    expect(scoreAfter(undefined, 3, false)).toBeUndefined();
  });

  it('tells of a full grid what it would have lost: a late bloomer, and nothing where the order stays', () => {
    const cell = (rate: number, curve: readonly number[], test: number, seed: number): CellResult =>
      ({
        ...arm(rate),
        ...{ split: '1', seed, status: 'done' },
        epochs: curve.map((f1, epoch) => ({ epoch, f1, validationLoss: 1 - f1, accuracy: f1, best: true })),
        validation: { metrics: { f1: curve.at(-1) } },
        metrics: { f1: test },
      }) as unknown as CellResult;
    const cells = [
      ...[cell(1, [0.5, 0.6, 0.7, 0.8], 0.78, 1), cell(2, [0.3, 0.3, 0.5, 0.95], 0.9, 1)],
      ...[cell(1, [0.5, 0.6, 0.7, 0.8], 0.7, 2), cell(2, [0.3, 0.3, 0.5, 0.6], 0.5, 2)],
    ];
    const { alone: costs, together } = whatHalvingCosts(cells, { budget: 2, epochs: 4, earlyStopping: false });
    expect(costs.map(({ best, found, tau }) => [best.learningRate, found.learningRate, tau])).toEqual([
      [2, 1, -1],
      [1, 1, 1],
    ]);
    expect(costs.map(({ regret }) => Number(regret.toFixed(12)))).toEqual([0.12, 0]);
    // Over both runs the first arm has .8 on the validation part, the second .775.
    expect([together.best.learningRate, together.found.learningRate, together.regret]).toEqual([1, 1, 0]);
  });
});

describe('a grid with a budget', () => {
  const gpu = useGpu();
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'frostline-halving-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Two points at two rates, two splits, four epochs: rungs after one and two. */
  const full: GridPlan = {
    ...plan,
    freeze: [10, 'all'],
    learningRates: [0.0005, 0.004],
    select: 'validation',
    fit: { ...plan.fit, epochs: 4 },
  };
  const halved = { ...full, budget: 1 };
  const bits = ({ folder, lossHistory, metrics, epochs, validation }: CellResult) => ({
    ...{ folder, lossHistory, metrics, epochs, validation },
  });

  it('ends the better arms in the bits of the full grid, stopped as often as may be, and tells the rest', async () => {
    const one = { ...divided, divisions: 1 };
    const whole = await runGrid(gpu(), one, full, { h: 1 }, join(folder, 'whole'));
    const out = join(folder, 'halved');
    let result: GridResult | undefined;
    let stops = 0;
    const rehearse = () => rehearseGrid(gpu(), one, halved, { h: 1 }, out);
    for (; result === undefined; stops++) {
      const stop = new AbortController();
      const hooks = { stop: stop.signal, onStep: () => stop.abort() };
      result = await runGrid(gpu(), one, halved, { h: 1 }, out, hooks).catch((error) => {
        if (!(error instanceof StoppedError)) throw error;
        return undefined;
      });
      // All four stand at the first rung: two go on for an epoch of four steps, and one of these for two.
      if (stops === 3) expect(await rehearse()).toMatchObject({ steps: [8, 8], finished: 0, elsewhere: 0 });
    }
    expect(await rehearse()).toMatchObject({ cells: [], finished: 1, elsewhere: 0, work: 0 });
    expect(stops).toBeGreaterThan(5);
    const { cells, halving, dropped = [], leftOut } = result;
    // Two of four arms go on after an epoch, one after two.
    expect(halving!.rungs.map(({ epochs, arms }) => [epochs, arms.map(({ kept }) => kept)])).toEqual([
      [1, [true, true, false, false]],
      [2, [true, false]],
    ]);
    expect([cells.length, dropped.length, halving!.share]).toEqual([1, 3, (4 + 2 * 1 + 2) / (4 * 4)]);
    for (const cell of cells) {
      expect(bits(cell)).toEqual(bits(whole.cells.find((other) => other.folder === cell.folder)!));
    }
    // By the full grid's own records: what is kept has the best mean validation F1 after the rung's epochs.
    for (const { epochs, arms } of halving!.rungs) {
      for (const judged of arms) {
        const own = whole.cells.find((cell) => armKey(cell) === armKey(judged))!;
        expect(judged.f1).toBe(own.epochs![epochs - 1].f1);
      }
      const kept = arms.filter((arm) => arm.kept).map(({ f1 }) => f1!);
      expect(Math.min(...kept)).toBeGreaterThanOrEqual(Math.max(...arms.flatMap(({ f1, kept }) => (kept ? [] : f1!))));
    }
    const lost = ['conv3', 'fc7'].filter((name) => !cells.some(({ freeze }) => freeze.name === name));
    expect(leftOut!.map(({ point }) => point)).toEqual(lost);
    const files = await readdir(out, { recursive: true });
    expect(files.filter((file) => /checkpoint\.bin|claim-/.test(file))).toEqual([]);

    // Without the budget the same folder becomes the full grid.
    const rest = await runGrid(gpu(), one, full, { h: 1 }, out);
    expect(rest.cells.map(bits)).toEqual(whole.cells.map(bits));
    expect([rest.halving, rest.dropped]).toEqual([undefined, undefined]);
  });

  it('is shared by two runs at once', async () => {
    const out = join(folder, 'shared');
    const [one, other] = await Promise.all([1, 2].map(() => runGrid(gpu(), divided, halved, { h: 1 }, out)));
    expect(other.cells).toEqual(one.cells);
    expect(other.halving).toEqual(one.halving);
    const merged = await runGrid(gpu(), divided, halved, { h: 1 }, out, { only: () => false });
    expect(merged).toEqual({ ...one, startedAt: expect.any(String) });
  });

  it.each([
    ['nothing to drop by', experiment, { ...halved, select: 'test' }, /there is none\. Give --validation-fraction/],
    ['no epochs left', divided, { ...full, budget: 4 }, /runs have 4\. Give fewer/],
    ['several phases', divided, { ...halved, strategies: [{ kind: 'gradual' }] }, /several phases/],
  ] as const)('refuses %s', async (_, on, refused, message) => {
    await expect(runGrid(gpu(), on, refused as GridPlan, { h: 1 }, join(folder, 'refused'))).rejects.toThrow(message);
  });
});
