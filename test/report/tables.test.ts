/** Every number in a report's tables, found again from the cells, the predictions and the verdict. */
import { parse } from 'csv-parse/sync';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareReport } from '../../src/report/compare.ts';
import { makeReport } from '../../src/report/html.ts';
import type { Supplement } from '../../src/report/supplement.ts';
import type { CellResult, FreezePoint } from '../../src/train/results.ts';
import { sampleGrid } from './grid.ts';
import { richInput } from './rich.ts';

type Row = Readonly<Record<string, string>>;

const rowsOf = ({ tables }: Supplement, name: string): Row[] =>
  parse(tables.find((table) => table.name === name)!.text, { columns: true });
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]) =>
  Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1));

/** Cells that ended well, of one freeze point at one rate. */
const doneAt = (cells: readonly CellResult[], point: string, rate: number) =>
  cells.filter(
    ({ freeze, learningRate, status }) => freeze.name === point && learningRate === rate && status === 'done',
  );
const f1Of = (cells: readonly CellResult[]) => cells.map(({ metrics }) => metrics!.f1);

describe('tables of a report', () => {
  const input = richInput();
  const { cells, freezePoints, verdict } = input.grid;
  const rates = [...new Set(cells.map(({ learningRate }) => learningRate))];
  let supplement: Supplement;
  beforeAll(async () => {
    ({ supplement } = await makeReport(input));
  });
  const cellOf = ({ freeze_name, learning_rate, split, seed }: Row) =>
    cells.find(
      (cell) =>
        cell.freeze.name === freeze_name &&
        cell.learningRate === Number(learning_rate) &&
        cell.split === split &&
        cell.seed === Number(seed),
    )!;

  it('verdict: each point with its own score, interval, share and p', () => {
    const found = rowsOf(supplement, 'verdict');
    expect(found.map(({ point }) => point)).toEqual(verdict!.points.map(({ point }) => point));
    for (const [i, { point, score, interval, p }] of verdict!.points.entries()) {
      const { in_set, share_of_wins, ...row } = found[i];
      expect([row['score'], row['low'], row['high'], row['p']].map(Number), point).toEqual([score, ...interval, p]);
      expect([Number(in_set), Number(share_of_wins)], point).toEqual([
        Number(verdict!.set.includes(point)),
        verdict!.wins[point],
      ]);
    }
    // No two of some columns alike, so that one could stand for another.
    expect(new Set(found.map(({ share_of_wins }) => share_of_wins)).size).toBeGreaterThan(3);
  });

  it('F1 over the freeze layer, and the whole grid: means over what ended well', () => {
    const rows = rowsOf(supplement, 'f1');
    expect(rows.length).toBe(freezePoints.length * rates.length);
    const grid = rowsOf(supplement, 'grid');
    for (const row of rows) {
      const own = doneAt(cells, row['freeze_name'], Number(row['learning_rate']));
      const what = `${row['freeze_name']} at ${row['learning_rate']}`;
      expect(Number(row['runs']), what).toBe(own.length);
      expect(row['freeze_number'], what).toBe(
        String(freezePoints.find(({ name }) => name === row['freeze_name'])!.number ?? ''),
      );
      const inGrid = grid.find((one) => one['freeze_name'] === row['freeze_name'])![row['learning_rate']];
      if (own.length === 0) {
        expect([row['mean_f1'], inGrid], what).toEqual(['', '']);
        continue;
      }
      expect(Number(row['mean_f1']), what).toBeCloseTo(mean(f1Of(own)), 12);
      expect(Number(inGrid), what).toBeCloseTo(mean(f1Of(own)), 12);
      expect(Number(row['mean_accuracy']), what).toBeCloseTo(mean(own.map(({ metrics }) => metrics!.accuracy)), 12);
      if (own.length > 1) expect(Number(row['sd_f1']), what).toBeCloseTo(deviation(f1Of(own)), 12);
    }
  });

  it('best and extreme: the highest mean of each rate, and all of both ends', () => {
    const rows = rowsOf(supplement, 'best-and-extreme');
    const at = (point: string, rate: number) => mean(f1Of(doneAt(cells, point, rate)));
    for (const row of rows) {
      const own = doneAt(cells, row['freeze_name'], Number(row['learning_rate']));
      for (const score of ['accuracy', 'macroPrecision', 'macroRecall', 'f1', 'meanClassF1'] as const) {
        expect(Number(row[score])).toBeCloseTo(mean(own.map(({ metrics }) => metrics![score])), 12);
      }
    }
    for (const [i, rate] of rates.entries()) {
      const means = freezePoints.map(({ name }) => at(name, rate)).filter((value) => !Number.isNaN(value));
      expect(Number(rows[i]['learning_rate'])).toBe(rate);
      expect(Number(rows[i]['f1'])).toBeCloseTo(Math.max(...means), 12);
    }
    const ends = rows.slice(rates.length).map((row) => `${row['freeze_name']} ${Number(row['learning_rate'])}`);
    expect(ends).toEqual(['none', 'fc7'].flatMap((point) => rates.map((rate) => `${point} ${rate}`)));
  });

  it('pairs: each with its own test on each split', () => {
    const expected = verdict!.pairs!.flatMap(({ first, second, difference, interval, p, pCorrected, mcnemar }) =>
      mcnemar.map(({ split, onlyFirst, onlySecond, p: own }) =>
        [first, second, difference, ...interval, p, pCorrected, split, onlyFirst, onlySecond, own].map(String),
      ),
    );
    const columns = 'first second difference low high p p_holm split only_first only_second p_mcnemar'.split(' ');
    expect(rowsOf(supplement, 'pairs').map((row) => columns.map((column) => row[column]))).toEqual(expected);
  });

  it('learning curves and confusion: of each run its own', () => {
    const losses = new Map<CellResult, number[]>();
    for (const row of rowsOf(supplement, 'learning-curves')) {
      if (row['part'] !== 'training') continue;
      const own = losses.get(cellOf(row)) ?? [];
      expect(Number(row['step'])).toBe(own.push(Number(row['loss'])));
      losses.set(cellOf(row), own);
    }
    for (const cell of cells) expect(losses.get(cell) ?? [], cell.folder).toEqual(cell.lossHistory ?? []);

    const { classes } = input.grid.dataset;
    const seen = new Map<CellResult, number>();
    for (const row of rowsOf(supplement, 'confusion')) {
      const cell = cellOf(row);
      const [is, takenFor] = [row['is'], row['taken_for']].map((name) => classes.indexOf(name));
      expect(Number(row['images']), cell.folder).toBe(cell.confusion![is][takenFor]);
      seen.set(cell, (seen.get(cell) ?? 0) + 1);
    }
    for (const cell of cells) expect(seen.get(cell) ?? 0, cell.folder).toBe(cell.confusion === undefined ? 0 : 4);
  });

  it('ROC: the area is the share of pairs that a run ranks rightly, and that below its own points', () => {
    const runs = new Map<CellResult, Row[]>();
    for (const row of rowsOf(supplement, 'roc')) runs.set(cellOf(row), [...(runs.get(cellOf(row)) ?? []), row]);
    expect(runs.size).toBeGreaterThan(10);
    for (const [cell, rows] of runs) {
      const { labels, probabilities } = input.predictions!.get(cell.folder!)!;
      const positive = input.grid.dataset.classes.indexOf(rows[0]['class']);
      const of = (is: boolean) =>
        labels.flatMap((label, i) => ((label === positive) === is ? [probabilities[i][positive]] : []));
      const wins = of(true).flatMap((a) => of(false).map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
      expect(Number(rows[0]['area']), cell.folder).toBeCloseTo(mean(wins), 12);
      const below = rows.slice(1).reduce((sum, row, i) => {
        const [x, y] = ['false_positive_rate', 'true_positive_rate'].map((name) =>
          [rows[i][name], row[name]].map(Number),
        );
        return sum + ((x[1] - x[0]) * (y[0] + y[1])) / 2;
      }, 0);
      expect(below, cell.folder).toBeCloseTo(mean(wins), 12);
    }
  });
});

it('a comparison: without a verdict each point at the rate of its highest mean F1', async () => {
  const grid = sampleGrid({ seeds: [1, 2] });
  const { supplement } = await compareReport(
    new Map([
      ['a', { grid }],
      ['b', richInput()],
    ]),
  );
  const rates = [...new Set(grid.cells.map(({ learningRate }) => learningRate))];
  const best = ({ name }: FreezePoint) =>
    Math.max(
      ...rates.map((rate) => mean(f1Of(doneAt(grid.cells, name, rate)))).filter((value) => !Number.isNaN(value)),
    );
  const rows = rowsOf(supplement, 'points').filter((row) => row['grid'] === grid.title);
  expect(rows.map(({ point }) => point)).toEqual(grid.freezePoints.map(({ name }) => name));
  for (const [i, point] of grid.freezePoints.entries()) {
    expect(Number(rows[i]['f1']), point.name).toBeCloseTo(best(point), 12);
  }
});
