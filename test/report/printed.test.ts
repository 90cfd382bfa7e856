/** Printed rows: which confusion matrices they can be of, and a grid's own beside them. None of these rows is a paper's. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { Random } from '../../src/random.ts';
import { makeReport } from '../../src/report/html.ts';
import { comparePrinted, fittingMatrices, misfits, parsePrinted } from '../../src/report/printed.ts';
import { writeReport } from '../../src/report/write.ts';
import { computeMetrics } from '../../src/train/metrics.ts';
import { run } from '../cli/run.ts';
import { testSeed } from '../support/gpu.ts';
import { alexnetPoints, cell, sampleGrid } from './grid.ts';

const printedOf = (confusion: readonly (readonly number[])[]) => {
  const { accuracy, macroPrecision, macroRecall, f1 } = computeMetrics(confusion);
  const [a, p, r, f] = [accuracy, macroPrecision, macroRecall, f1].map((value) => Number((100 * value).toFixed(2)));
  return { accuracy: a, precision: p, recall: r, f1: f };
};
const header = 'table,network,point,rate,new_layer_rate,momentum,accuracy,precision,recall,f1';
const line = (start: string, confusion: readonly (readonly number[])[]) =>
  `${start},${Object.values(printedOf(confusion)).join()}`;

const [none, , , conv3, , , , all] = alexnetPoints;
const ours = [
  [37, 3],
  [2, 8],
];
const sample = sampleGrid({ points: [none, conv3, all] });
const grid = {
  ...sample,
  // As AlexNet has them.
  model: { ...sample.model, layers: Array.from({ length: 8 }, (_, i) => ({ number: i + 2, name: `layer${i}` })) },
  cells: [
    cell(none, 1e-4, ours, { momentum: 0.99 }),
    cell(
      none,
      1e-4,
      [
        [40, 0],
        [10, 0],
      ],
      { momentum: 0.9 },
    ),
    cell(conv3, 1e-4, ours, { seed: 1 }),
    cell(
      conv3,
      1e-4,
      [
        [39, 1],
        [2, 8],
      ],
      { seed: 2 },
    ),
    cell(all, 0.0002, ours),
  ],
};

describe('fittingMatrices', () => {
  it('finds the matrix that a row was made of, among all of the test part', () => {
    const random = new Random(testSeed);
    for (let i = 0; i < 20; i++) {
      const [a, b] = [random.integer(41), random.integer(11)];
      const confusion = [
        [40 - a, a],
        [b, 10 - b],
      ];
      const fits = fittingMatrices(printedOf(confusion), [40, 10]);
      expect(fits, `seed ${testSeed}`).toContainEqual(confusion);
      for (const one of fits) expect(printedOf(one)).toEqual(printedOf(confusion));
    }
    expect(
      fittingMatrices(
        printedOf([
          [38, 2],
          [3, 7],
        ]),
        [40, 10],
      ),
    ).toEqual([
      [
        [38, 2],
        [3, 7],
      ],
    ]);
  });

  it('finds none for a misprint, several where the test part cannot tell, and refuses what it cannot try', () => {
    expect(
      fittingMatrices(
        {
          ...printedOf([
            [38, 2],
            [3, 7],
          ]),
          f1: 83.94,
        },
        [40, 10],
      ),
    ).toEqual([]);
    expect(
      fittingMatrices(
        printedOf([
          [1, 1],
          [0, 2],
        ]),
        [2, 2],
      ).length,
    ).toBe(2);
    const three = [
      [5, 1, 0],
      [1, 3, 1],
      [0, 0, 4],
    ];
    expect(fittingMatrices(printedOf(three), [6, 5, 4])).toContainEqual(three);
    expect(() => fittingMatrices(printedOf(ours), [1000, 1000, 1000])).toThrow(/too many to try/);
  });
});

describe('a printed table beside a grid', () => {
  const text = [
    header,
    line('I,AlexNet,none,0.0001,,', [
      [38, 2],
      [3, 7],
    ]),
    line('I,,conv3,0.0001,,', ours),
    line('I,,10,0.0001,,', ours),
    line('II,,all,,0.002,', ours),
    line('III,VGG16,none,0.0001,,', ours),
    `III,,none,0.0001,,0.9,81.23,70,60,65`,
  ].join('\n');
  const compared = comparePrinted(parsePrinted(text, 'rows.csv'), grid, [40, 10]);

  it('finds our runs by point, rate, the new layer’s rate and momentum, and says what fits nothing', () => {
    expect(compared.rows.map(({ runs, fits }) => [runs, fits.length])).toEqual([
      [1, 1],
      [2, 1],
      [2, 1],
      [1, 1],
      [0, 1],
      [1, 0],
    ]);
    const [first, second] = compared.rows.map((row) => row.ours!);
    // 45 of 50 printed, 45 of 50 ours; Wilson's interval.
    expect(first.accuracy).toEqual({ value: 90, interval: expect.anything(), difference: 0 });
    expect(first.accuracy.interval!.map((value) => value.toFixed(1))).toEqual(['78.6', '95.7']);
    const mean =
      50 *
      (computeMetrics(ours).f1 +
        computeMetrics([
          [39, 1],
          [2, 8],
        ]).f1);
    expect(second.f1.value).toBeCloseTo(mean, 10);
    expect(second.f1.difference).toBeCloseTo(mean - printedOf(ours).f1, 10);
    expect(compared.rows[5].ours!.accuracy.value).toBe(80);
    expect(misfits(compared)).toEqual([
      'line 7 (Table III, none, rate 0.0001) fits no confusion matrix of 40 + 10 images',
    ]);
  });

  it('stands in the report by table, in per cent with two decimals, and as a file', async () => {
    const { html, supplement } = await makeReport({ grid, printed: compared });
    expect(html).toContain('The paper beside us');
    expect(html).toContain(`90.00<small>90.00 (78.64 to 95.65), +0.00`);
    expect(html).toContain('not run here');
    expect(html).toMatch(/line 7 \(Table III, none, rate 0.0001\) fits no confusion matrix/);
    const file = supplement.tables
      .find(({ name }) => name === 'printed')!
      .text.trim()
      .split('\n');
    expect(file.length).toBe(7);
    expect((await makeReport({ grid })).html).not.toContain('The paper beside us');
  });

  it.each([
    ['no rows', header, /has no rows/],
    ['another header', 'table,point,accuracy', /lacks the column precision, recall, f1/],
    ['a column of its own', `${header},colour\n`, /has a column 'colour'/],
    ['a fraction in words', `${header}\nI,,none,0.0001,,,ninety,1,2,3`, /line 2, accuracy: expected a number/],
    ['more than all', `${header}\nI,,none,0.0001,,,190,1,2,3`, /line 2, accuracy: expected per cent/],
  ])('refuses %s', (_, content, message) => {
    expect(() => parsePrinted(content, 'rows.csv')).toThrow(message);
  });

  describe('from the command line', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'frostline-printed-'));
      await writeReport(folder, { grid });
      await writeFile(join(folder, 'rows.csv'), text);
    });
    afterAll(() => rm(folder, { recursive: true }));

    it('is put into the report, odd rows named; the template is its header', async () => {
      const { code, stderr } = await run(registry, 'report', folder, '--printed', join(folder, 'rows.csv'));
      expect(code).toBe(0);
      expect(stderr).toMatch(/rows\.csv: line 7 .* fits no confusion matrix of 40 \+ 10 images/);
      expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('The paper beside us');
      // Kept with the grid: a later report has them without being told.
      const again = await run(registry, 'report', folder);
      expect(again.stderr).toMatch(/the paper's rows: line 7 .* fits no confusion matrix/);
      expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('The paper beside us');
      expect(await readFile('examples/printed-rows.csv', 'utf8')).toBe(`${header}\n`);
    });
  });
});
