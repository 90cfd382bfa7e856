/** A cell's predictions are read whole or not at all: what is missing or damaged would change a verdict without a word. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { csvText } from '../../src/csv-text.ts';
import { readSaid } from '../../src/train/cell-predictions.ts';

const folder = mkdtempSync(join(tmpdir(), 'frostline-said-'));
mkdirSync(join(folder, 'cell'));
const classes = ['=1+1', 'constructor'];
const rows = [
  ['a "b",c.png', '=1+1', '=1+1', 0.75, 0.25],
  ['-d.png', 'constructor', '=1+1', 0.5, 0.5],
  ['e.png', 'constructor', 'constructor', 0, 1],
];
const cell = {
  folder: 'cell',
  confusion: [
    [1, 0],
    [1, 1],
  ],
};
const text = csvText([['sample', 'label', 'prediction', ...classes], ...rows]);
const read = async (content: string) => {
  writeFileSync(join(folder, 'cell/predictions.csv'), content);
  return await readSaid(folder, cell, classes);
};

it('comes back as it was written, names that look like formulas too', async () => {
  const said = await read(text);
  expect(said.map(({ image, label, predicted }) => [image, label, predicted])).toEqual(
    rows.map((row) => row.slice(0, 3)),
  );
  expect(said.map(({ probabilities }) => classes.map((name) => probabilities[name]))).toEqual(
    rows.map((row) => row.slice(3)),
  );
});

it.each([
  ['has 2 rows, which do not add up to the confusion matrix', text.split('\n').slice(0, 3).join('\n')],
  ['has 0 rows', 'sample,label,prediction,a,b\n'],
  ['has 0 rows', ''],
  ['has 3 rows, which do not add up', text.replace('e.png,constructor,constructor', "e.png,constructor,'=1+1")],
  ['has in line 4 not an image, two classes and 2 probabilities', text.replace('0,1', '0')],
  ['has in line 4 not an image', text.replace('0,1', '0,x')],
  ['has in line 3 not an image', text.replace('constructor,', 'toString,').replace(/(-d.*)constructor/, '$1other')],
  ['is no table of predictions', text.replace('""c', '"c').replace('e.png', '"e.png')],
  ['is no table of predictions', 'a\n\u0000"'],
])('%s', async (why, content) => {
  await expect(read(content)).rejects.toThrow(
    new RegExp(`predictions\\.csv (${why}|is no table).*Delete .*cell, and the sweep runs the cell again`),
  );
});

it('a file that is gone is refused with the remedy', async () => {
  await expect(readSaid(folder, { ...cell, folder: 'none' }, classes)).rejects.toThrow(
    /cannot be read \(ENOENT\)\. Delete .*none, and the sweep runs the cell again/,
  );
});
