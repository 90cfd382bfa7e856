import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { writeFilesAtomically } from '../../src/files.ts';
import { repeatCommand } from '../../src/report/command.ts';
import { resultsCsv } from '../../src/report/csv.ts';
import { f1Figure } from '../../src/report/figures/f1.ts';
import { duration, freezeLabel, freezePhrase, imageRate, rate } from '../../src/report/format.ts';
import { halvingLines } from '../../src/report/halving-text.ts';
import { makeReport, reportHtml } from '../../src/report/html.ts';
import { html } from '../../src/report/markup.ts';
import { readGrid, readResults } from '../../src/report/read.ts';
import { paperTable, summarise } from '../../src/report/summary.ts';
import { terminalTable } from '../../src/report/terminal.ts';
import { writeReport } from '../../src/report/write.ts';
import type { GridResult } from '../../src/train/results.ts';
import { alexnetPoints, cell, sampleGrid } from './grid.ts';

const [none, conv1, , , , , , all] = alexnetPoints;

/** Three freeze points, two rates, numbers to be checked by eye: a diagonal of 9/10, 7/10 and so on. */
function smallGrid(cells: GridResult['cells']): GridResult {
  const points = [none, conv1, all];
  return { ...sampleGrid({ points, rates: [0.0001, 0.0002] }), freezePoints: points, cells };
}
const half = (right: number) => [
  [right, 10 - right],
  [10 - right, right],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-report-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('format', () => {
  it('writes rates, times and freeze points shortly', () => {
    expect([0.000025, 0.000025 * 10, 1e-4 * 3, 0.02, 1e-7].map(rate)).toEqual([
      '0.000025',
      '0.00025',
      '0.0003',
      '0.02',
      '1e-7',
    ]);
    expect([0.2042, 9.96, 1234.4].map(imageRate)).toEqual(['0.20 images/s', '10 images/s', '1,234 images/s']);
    expect([0.44, 59.6, 92, 3600, 7290].map(duration)).toEqual([
      '0.4 s',
      '1 min 0 s',
      '1 min 32 s',
      '1 h 0 min',
      '2 h 1 min',
    ]);
    expect([none, conv1, all].map(freezeLabel)).toEqual(['none', '2 conv1', '20 fc7 (all)']);
    expect(freezePhrase(conv1)).toBe('layers frozen through 2 (conv1)');
  });
});

describe('html', () => {
  it('escapes what is inserted, and only that', () => {
    const name = `<b> & "x'`;
    expect(html`<p title="${name}">${html`<i>${1}</i>`}${[name, undefined, false]}</p>`.text).toBe(
      '<p title="&#60;b&#62; &#38; &#34;x&#39;"><i>1</i>&#60;b&#62; &#38; &#34;x&#39;</p>',
    );
  });
});

describe('summarise', () => {
  it('finds the best; ties go to accuracy, then to the deeper freeze', () => {
    const tied = [cell(none, 1e-4, half(9)), cell(conv1, 1e-4, half(9)), cell(all, 1e-4, half(7))];
    expect(summarise(smallGrid(tied)).best?.freeze).toEqual(conv1);
    const clear = [...tied, cell(none, 2e-4, half(10))];
    expect(summarise(smallGrid(clear)).best).toMatchObject({
      freeze: none,
      series: { label: '0.0002' },
      mean: { f1: 1 },
    });
  });

  it('averages over seeds, with the sample standard deviation, and leaves out what failed', () => {
    const summary = summarise(
      smallGrid([
        cell(none, 1e-4, half(9), { seed: 2 }),
        cell(none, 1e-4, half(7), { seed: 1 }),
        cell(none, 1e-4, undefined, { seed: 3 }),
      ]),
    );
    const [entry] = summary.entries;
    expect(entry.cells.map((c) => c.seed)).toEqual([1, 2, 3]);
    expect(entry.mean!.accuracy).toBeCloseTo(0.8, 12);
    expect(entry.deviation!.accuracy).toBeCloseTo(0.1 * Math.SQRT2, 12);
    expect([summary.done.length, summary.failed.length, summary.repeated]).toEqual([2, 1, true]);
  });

  it("keeps a new layer's rate that is not the usual multiple apart from the columns", () => {
    const summary = summarise(
      smallGrid([
        ...[none, conv1, all].map((point) => cell(point, 1e-4, half(8))),
        cell(all, 1e-4, half(9), { newLayerRate: 0.02 }),
      ]),
    );
    expect(summary.series.map((s) => s.label)).toEqual(['0.0001']);
    expect(summary.extraSeries.map((s) => s.label)).toEqual(['0.02 of the new layer']);
    const grid = smallGrid(summary.entries.flatMap(({ cells }) => cells));
    const shown = terminalTable(grid, { columns: 120, color: false });
    expect(shown).toMatch(/also 20 fc7 \(all\), rate 0.02 of the new layer: 0.900/);
    expect(shown).toMatch(/as above, 20 fc7 \(all\), rate 0.001 of the new layer: 0.800/);
    const table = paperTable(summary);
    expect(table.best.map((e) => e.freeze.name)).toEqual(['fc7']);
    expect(table.none).toHaveLength(1);
    expect(table.all).toHaveLength(2);
  });
});

it('tells what a budget dropped, in the head, the terminal and a table', async () => {
  const arms = [conv1, none, all].map((freeze, i) => ({
    ...{ freeze, learningRate: 1e-4, newLayerRate: 1e-3, f1: 0.9 - 0.1 * i, loss: 0.2 + i },
    kept: i < 2,
  }));
  const droppedCell = { ...arms[2], folder: 'cells/x', split: '1', seed: 1, epochs: 4 };
  const grid = {
    ...smallGrid([cell(none, 1e-4, half(9)), cell(conv1, 1e-4, half(8))]),
    halving: { rungs: [{ epochs: 4, arms }], share: 7 / 9 },
    dropped: [droppedCell],
  };
  expect(halvingLines(grid)).toEqual([
    'after 4 epochs 2 of 3 points and rates went on, from a validation F1 of 0.800 on',
    "1 cell not trained to the end: 78 % of the full grid's steps; the verdict compares those that were",
  ]);
  const { html: page, supplement } = await makeReport({ grid });
  expect(page).toContain('What was not trained to the end');
  expect(page).toContain('2 of 3 cells done in');
  expect(page).toContain(', 1 dropped');
  expect(
    supplement.tables
      .find(({ name }) => name === 'halving')!
      .text.trim()
      .split('\n').length,
  ).toBe(4);
});

describe('momenta and strategies', () => {
  it('tells momenta of a grid apart, and names none where there is one', () => {
    const of = (momenta: readonly number[]) =>
      summarise(
        smallGrid(momenta.flatMap((momentum) => [none, all].map((point) => cell(point, 1e-4, half(8), { momentum })))),
      );
    expect(of([0.99]).series.map(({ label }) => label)).toEqual(['0.0001']);
    const both = of([0.9, 0.99]);
    expect(both.series.map(({ label }) => label)).toEqual(['0.0001, momentum 0.99', '0.0001, momentum 0.9']);
    expect(both.entries.map(({ cells }) => cells.length)).toEqual([1, 1, 1, 1]);
  });

  it('joins freeze points that were trained alike, and no others', async () => {
    const block = { number: null, name: 'only conv3' };
    const gradual = { ...conv1, method: 'gradual' };
    const points = [none, conv1, all, block, { ...none, method: 'gradual' }, gradual];
    const grid = { ...smallGrid(points.map((point) => cell(point, 1e-4, half(8)))), freezePoints: points };
    const svg = await f1Figure(summarise(grid), { width: 830, narrow: false }, { label: 'shirt', f1: 0.5 });
    const marks = /<g class="mark-line role-mark[^"]*"[^>]*>(.*?)<\/g>/gs;
    const lines = [...svg.matchAll(marks)].flatMap(([, inside]) => [...inside.matchAll(/ d="([^"]*)"/g)]);
    const corners = lines.map(([, path]) => path.split(/[ML]/).length - 1);
    // Three depths at once, two gradually; the block by itself has no line to draw.
    expect(corners.filter((count) => count > 1).sort()).toEqual([2, 3]);
  });
});

describe('resultsCsv', () => {
  it('has a line a cell at full precision, and neutralises formulas', () => {
    const grid = smallGrid([
      cell(none, 1e-4, half(9)),
      cell(conv1, 1e-4, undefined, { error: '=1+1, "quoted"\nsecond line' }),
    ]);
    const rows: Record<string, string>[] = parse(resultsCsv(grid), { columns: true });
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({ freeze_number: '', freeze_name: 'none', learning_rate: '0.0001', status: 'done' });
    expect(Number(rows[0].f1)).toBe(0.9);
    expect(JSON.parse(rows[0].confusion)).toEqual(half(9));
    expect(rows[1]).toMatchObject({
      freeze_number: '2',
      status: 'failed',
      f1: '',
      error: `'=1+1, "quoted"\nsecond line`,
    });
  });
});

describe('reportHtml', () => {
  it('is one file that asks for nothing, with every cell in it', async () => {
    const grid = sampleGrid();
    const page = await reportHtml({ grid });
    expect(
      page.match(/<script|<link|@import|\bsrc="(?!data:)|url\((?!#)|https?:(?!\/\/www\.w3\.org)/)?.[0],
    ).toBeUndefined();
    const ids = [...page.matchAll(/\bid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, id] of page.matchAll(/url\(#([^)]*)\)/g)) expect(ids).toContain(id);
    expect(page.match(/<table class="matrix">/g)).toHaveLength(23);
    expect(page.match(/Failed after 17 steps: loss is NaN at step 17/g)).toHaveLength(1);
    expect([grid.model.note!, grid.dataset.note!].every((note) => page.includes(note))).toBe(true);
    // Two sizes of each of the two figures.
    expect(page.match(/<svg /g)).toHaveLength(4);
    expect(page.match(/undefined|NaN(?! at step)|\[object/)?.[0]).toBeUndefined();
  });

  it('draws every run and mean, a cross for each that failed, and the classifier that says one class', async () => {
    const grid = sampleGrid({ rates: [0.0001, 0.0002], seeds: [1, 2] });
    const { supplement } = await makeReport({ grid });
    const { svg } = supplement.figures.find(({ name }) => name === 'f1')!;
    const points = svg.match(/aria-roledescription="point"/g) ?? [];
    // Of 8 points at two rates one failed in both seeds: 15 means, 30 runs, and the ring.
    expect(points).toHaveLength(15 + 30 + 1);
    expect(svg.match(/>×</g)).toHaveLength(2);
    expect(svg).toContain('always “shirt”, 0.643');
  });

  it('says that nothing beats the classifier that always says one class, and marks what does not', async () => {
    const always = [
      [40, 0],
      [10, 0],
    ];
    const worse = [
      [38, 2],
      [10, 0],
    ];
    const grid = smallGrid([cell(none, 1e-4, always), cell(all, 1e-4, worse)]);
    const page = await reportHtml({
      grid: { ...grid, dataset: { ...grid.dataset, counts: { train: [3, 3], test: [40, 10] } } },
    });
    expect(page).toContain('No cell beats the classifier that always says shirt (F1 0.643)');
    expect(page.match(/0\.643 ▽/g)).toHaveLength(1);
    expect(page.match(/\d ▽/g)).toHaveLength(2);
  });

  it('names every freeze point that is as good as the best at a rate', async () => {
    const confusion = [
      [40, 0],
      [10, 0],
    ];
    const [none, conv1, conv2] = alexnetPoints;
    const better = [
      [40, 0],
      [5, 5],
    ];
    const cells = [cell(none, 1e-4, confusion), cell(conv1, 1e-4, confusion), cell(conv2, 1e-4, confusion)];
    const equal = { ...sampleGrid({ points: [none, conv1, conv2], rates: [1e-4] }), cells };
    expect(await reportHtml({ grid: equal })).toContain('6 conv2<small>equal: none, 2 conv1</small>');
    const told = { ...equal, cells: [cell(none, 1e-4, better), ...cells.slice(1)] };
    expect(await reportHtml({ grid: told })).not.toContain('<small>equal:');
  });

  it('marks a run that ended a hundred times above its start as diverged, also one of an earlier version', async () => {
    const exploded = cell(none, 1e-4, half(9), { lossHistory: [0.7, 5, 900, 80_000, 80_000, 80_000, 80_000, 80_000] });
    const grid = smallGrid([exploded, cell(all, 1e-4, half(7), { lossHistory: [0.7, 0.4] })]);
    await writeReport(join(folder, 'diverged'), { grid });
    const read = await readResults(join(folder, 'diverged'));
    expect(read.cells.map(({ status }) => status)).toEqual(['diverged', 'done']);
    expect(read.cells[0].error).toMatch(/^The loss ended at 8\.00e\+4, 114286 times where it began \(0\.700\)/);
    const { html: page, supplement } = await makeReport({ grid: read });
    expect(page).toMatch(/Diverged after 90 steps: The loss ended at/);
    expect(page).toMatch(/best F1, <strong>0\.700/);
    expect(page).toContain('the axis is logarithmic');
    expect(supplement.figures.map(({ name }) => name)).toContain('learning-curves');
  });

  it('shows the whole network where the grid has few points, and every class name in full', async () => {
    const long = 'a class with quite a long name, such as pigmented benign keratosis';
    const layers = [2, 6, 10, 12, 14, 17, 20, 23].map((number) => ({ number, name: `layer-${number}` }));
    const sample = sampleGrid({ points: [none, conv1, all], classes: [long, 'other'] });
    const page = await reportHtml({ grid: { ...sample, model: { ...sample.model, layers } } });
    const strip = page.slice(
      page.indexOf('<div class="strip"'),
      page.indexOf('</div>', page.indexOf('<div class="strip"')),
    );
    for (const { name } of layers) expect(strip).toContain(name);
    expect(page.includes(`<th scope="col">${long}</th>`)).toBe(true);
    expect(page).not.toMatch(/text-overflow/);
  });

  it('gives every figure as SVG and PNG and every table as CSV', async () => {
    const to = join(folder, 'files');
    const paths = await writeReport(to, { grid: sampleGrid({ seeds: [1, 2] }) });
    const files = await readdir(paths.files);
    const page = await readFile(paths.html, 'utf8');
    const figures = files.filter((file) => file.endsWith('.svg'));
    expect(figures).toHaveLength(page.match(/<b>Figure \d+\.<\/b>/g)!.length);
    for (const figure of figures) {
      expect(files).toContain(figure.replace('.svg', '.png'));
      const svg = await readFile(join(paths.files, figure), 'utf8');
      expect(svg).not.toContain('currentColor');
      const { width, height } = await sharp(join(paths.files, figure.replace('.svg', '.png'))).metadata();
      expect(Math.min(width, height)).toBeGreaterThan(200);
    }
    // The table of all runs has its file in results.csv.
    const numbered = page.match(/<b>Table \d+\.<\/b>/g)!.length - 1;
    const tables = files.filter((file) => file.endsWith('.csv'));
    expect(tables.length).toBeGreaterThanOrEqual(numbered);
    const grid: string[][] = parse(await readFile(join(paths.files, 'grid.csv'), 'utf8'));
    expect(grid.map((row) => row.length)).toEqual(Array(9).fill(5));
  });

  it('names what repeats the grid, quoted for a shell', () => {
    const settings = {
      preset: 'quickstart',
      learningRates: [0.1, 0.2],
      data: "it's here",
      allFrozenRates: [],
      select: undefined,
      keepHead: false,
      mask: ['a,b'],
    };
    expect(repeatCommand(settings)).toEqual([
      'frostline sweep quickstart',
      '--learning-rates 0.1,0.2',
      `--data 'it'\\''s here'`,
      '--no-keep-head',
      `--mask '["a,b"]'`,
    ]);
  });

  it('reads a grid that is not finished, with what is missing', async () => {
    const to = join(folder, 'unfinished');
    const { cells: done, seconds: _, adapters: __, ...head } = smallGrid([cell(none, 1e-4, half(9)), cell(all, 1e-4)]);
    const planned = [none, conv1, all].map((freeze) => ({
      ...{ folder: `cells/${freeze.name}`, freeze, learningRate: 1e-4, newLayerRate: 1e-3, split: '1', seed: 1 },
    }));
    const results = { [planned[0].folder]: done[0], [planned[2].folder]: done[1] };
    await writeFilesAtomically(to, { 'plan.json': JSON.stringify({ ...head, configuration: 'x', cells: planned }) });
    for (const [own, result] of Object.entries(results)) {
      await writeFilesAtomically(join(to, own), { 'result.json': JSON.stringify({ ...result, configuration: 'x' }) });
    }
    const grid = await readGrid(to);
    expect(grid.cells.map(({ folder: own }) => own)).toEqual([planned[0].folder, planned[2].folder]);
    expect(grid.pending?.map(({ folder: own }) => own)).toEqual([planned[1].folder]);
    const { json } = await writeReport(to, { grid });
    expect(json).toMatch(/results-so-far\.json$/);
    expect(await reportHtml({ grid })).toMatch(/Not finished:<\/b> 2 of 3 cells have a result/);
    // A result of another configuration is none.
    await writeFilesAtomically(join(to, planned[0].folder), {
      'result.json': JSON.stringify({ ...done[0], configuration: 'y' }),
    });
    expect((await readGrid(to)).pending).toHaveLength(2);
  });

  it('escapes names, notes, errors and settings', async () => {
    const evil = '<img src=x onerror=alert(1)>"\'&';
    const sample = sampleGrid();
    const grid: GridResult = {
      ...sample,
      title: evil,
      model: { ...sample.model, name: evil, source: evil, note: evil },
      dataset: { ...sample.dataset, name: evil, note: evil, classes: [evil, evil] },
      adapters: [{ name: evil, driver: evil, kind: 'software' }],
      settings: { [evil]: evil, nested: { [evil]: [evil] } },
      freezePoints: sample.freezePoints.map((p) => (p.number === 2 ? { ...p, name: evil } : p)),
      cells: sample.cells.map((c) => (c.status === 'failed' ? { ...c, error: evil } : c)),
    };
    const page = await reportHtml({ grid });
    expect(page.includes('<img')).toBe(false);
  });

  it('stands a grid in which every cell failed, and one with no cell', async () => {
    const failed = smallGrid([cell(none, 1e-4), cell(all, 1e-4)]);
    for (const grid of [failed, smallGrid([])]) {
      expect((await reportHtml({ grid })).match(/No cell of this grid finished/g)).toHaveLength(1);
    }
  });
});

describe('terminalTable', () => {
  const grid = smallGrid([
    cell(none, 1e-4, half(9)),
    cell(conv1, 1e-4, half(10)),
    cell(none, 2e-4, half(6)),
    cell(conv1, 2e-4),
  ]);

  it('has freeze points in rows and rates in columns, the best starred', () => {
    const text = terminalTable(grid, { columns: 100, color: false });
    const row = (start: string) =>
      text
        .split('\n')
        .find((line) => line.startsWith(`│ ${start}`))
        ?.split('│')
        .map((c) => c.trim());
    expect(row('freeze')).toEqual(['', 'freeze', 'rate 0.0001', 'rate 0.0002', '']);
    expect(row('none')).toEqual(['', 'none', '0.900 (90.0 %)', '0.600 (60.0 %)', '']);
    expect(row('2 conv1')).toEqual(['', '2 conv1', '1.000 (100.0 %) *', 'failed', '']);
    expect(text).toContain('failed 2 conv1, rate 0.0002, seed 1: loss is NaN at step 17');
    expect(text).toContain('* Best F1 1.000 (accuracy 100.0 %): layers frozen through 2 (conv1), rate 0.0001');
    expect(text).toContain('3 of 4 cells done');
  });

  it('marks and counts who says one class for all, among those that are compared', () => {
    const always = [
      [10, 0],
      [10, 0],
    ];
    const diverged = { ...cell(conv1, 2e-4, always), status: 'diverged', error: 'the loss ended at 1e9' } as const;
    const cells = [cell(none, 1e-4, half(9)), cell(conv1, 1e-4, always), cell(none, 2e-4, always), diverged];
    const text = terminalTable(smallGrid(cells), { columns: 100, color: false });
    expect(text).toMatch(/│ 2 conv1 +│ 0\.\d{3} \(50\.0 %\) = +│ +failed +│/);
    expect(text).toContain('= 2 runs of 3 predict one class for every image');
    expect(text).toContain('3 of 4 cells done');
  });

  it('names every adapter that cells ran on', () => {
    const other = { name: 'SwiftShader Device', driver: '', kind: 'embedded' } as const;
    const text = terminalTable({ ...grid, adapters: [...grid.adapters, other] }, { columns: 100, color: false });
    expect(text).toMatch(/ on llvmpipe .* \(software\) and SwiftShader Device \(embedded\)$/);
  });

  it('keeps to a narrow terminal', () => {
    const table = terminalTable(grid, { columns: 48, color: false }).split('\nfailed ')[0];
    expect(Math.max(...table.split('\n').map((line) => line.length))).toBeLessThanOrEqual(48);
    expect(table.split('\n')[2]).toMatch(/^none +0\.0002 +0\.600 \(60\.0 %\)/);
  });

  it('colours only when told or able to', () => {
    const controlCode = String.fromCharCode(27);
    expect(terminalTable(grid, { columns: 100, color: false })).not.toContain(controlCode);
    expect(terminalTable(grid, { columns: 100, color: true })).toContain(controlCode);
  });
});

describe('writeReport and readResults', () => {
  it('reads back what it wrote', async () => {
    const grid = sampleGrid();
    const paths = await writeReport(join(folder, 'a', 'b'), { grid });
    expect(Object.values(paths).map((p) => p.slice(folder.length))).toEqual([
      '/a/b/results.csv',
      '/a/b/results.json',
      '/a/b/report.html',
      '/a/b/report-files',
    ]);
    expect((await readdir(join(folder, 'a', 'b'))).sort()).toEqual([
      ...['report-files', 'report.html', 'results.csv', 'results.json'],
    ]);
    // toEqual treats NaN as equal to NaN, and a missing key as undefined.
    expect(await readResults(join(folder, 'a', 'b'))).toEqual(grid);
  });

  it.each([
    ['{"title": 3', /results\.json: not valid JSON/],
    ['{"title": 3}', /title: Invalid input: expected string/],
  ])('names what is wrong with %s', async (text, message) => {
    await writeFile(join(folder, 'results.json'), text);
    await expect(readResults(folder)).rejects.toThrow(FrostlineError);
    await expect(readResults(folder)).rejects.toThrow(message);
  });

  it('names a folder that holds no results', async () => {
    await expect(readResults(join(folder, 'nowhere'))).rejects.toThrow(
      /nowhere\/results\.json cannot be read \(ENOENT\)/,
    );
  });

  it('leaves nothing behind when it cannot write, and keeps the old file', async () => {
    const target = join(folder, 'kept');
    await writeFilesAtomically(target, { 'one.txt': 'old' });
    await expect(writeFilesAtomically(target, { 'one.txt': 'new', 'one.txt/two.txt': 'x' })).rejects.toThrow(
      FrostlineError,
    );
    expect(await readdir(target)).toEqual(['one.txt']);
    expect(await readFile(join(target, 'one.txt'), 'utf8')).toBe('old');
    // Folders that it made on the way go too.
    await expect(writeFilesAtomically(target, { 'new/deep/three.txt': 'x', 'one.txt/two.txt': 'x' })).rejects.toThrow(
      FrostlineError,
    );
    expect(await readdir(target)).toEqual(['one.txt']);
  });
});
