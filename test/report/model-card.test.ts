import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeFilesAtomically } from '../../src/files.ts';
import { modelCard } from '../../src/report/model-card.ts';
import { BEST, CARD, saveWinner } from '../../src/report/winner.ts';
import { detailedScores } from '../../src/statistics/detail.ts';
import { richInput } from './rich.ts';

const { grid, predictions } = richInput();
const judged = grid.cells[0];
const own = predictions!.get(judged.folder!)!;
const detail = detailedScores(
  { labels: own.labels, probabilities: own.probabilities.flat() },
  { classes: grid.dataset.classes },
);
const cell = { ...judged, detail };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-card-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the model card', () => {
  it('says what it is, what it was tested on with intervals, and what it is not for', () => {
    const card = modelCard(grid, cell, { file: 'best.onnx', sha256: 'abc' });
    expect(card).toContain('no medical device');
    const headings = [...card.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(headings).toEqual(['Model', 'Data', 'Protocol', 'Scores', 'Limits', 'Use']);
    const { value, interval } = detail.auc;
    expect(card).toContain(`${value.toFixed(3)} (${interval.map((x) => x.toFixed(3)).join(' to ')})`);
    for (const { sensitivity } of detail.perClass) {
      expect(card).toContain(`: sensitivity | ${sensitivity.value.toFixed(3)} (${sensitivity.interval[0].toFixed(3)}`);
    }
    for (const text of grid.protocol!.assumptions) expect(card).toContain(`- ${text}`);
    expect(card).toContain('chosen on the validation part');
    expect(modelCard({ ...grid, select: 'test' }, cell, { file: 'x', sha256: '' })).toMatch(
      /scores below are too good/,
    );
    // Every row of a table has as many cells as its head.
    for (const table of card.matchAll(/(?:^\|.*\|\n?)+/gm)) {
      const widths = table[0]
        .trim()
        .split('\n')
        .map((row) => row.replaceAll('\\|', '').split('|').length);
      expect(new Set(widths).size, table[0]).toBe(1);
    }
  });

  it('takes no markup from names', () => {
    const evil = 'a|b <script>`x`\n# y';
    const named = { ...grid, title: evil, dataset: { ...grid.dataset, classes: [evil, 'other'], name: evil } };
    const card = modelCard(named, cell, { file: 'best.onnx', sha256: 'abc' });
    expect(card).not.toMatch(/<script>|^# y/m);
  });
});

describe('best.onnx', () => {
  it('is the best cell’s network, with its card; gone where none was kept', async () => {
    const { bestCell } = await import('../../src/train/select.ts');
    const best = bestCell(grid.cells, 'validation')!;
    await writeFilesAtomically(join(folder, best.folder!), { 'model.onnx': 'the network' });
    const saved = await saveWinner(folder, grid);
    expect(saved).toEqual({ model: join(folder, BEST), card: join(folder, CARD) });
    expect(await readFile(saved!.model, 'utf8')).toBe('the network');
    const sha256 = createHash('sha256').update('the network').digest('hex');
    expect(await readFile(saved!.card, 'utf8')).toContain(sha256);
    // Again, over the one that is there.
    await writeFile(join(folder, best.folder!, 'model.onnx'), 'another');
    await saveWinner(folder, grid);
    expect(await readFile(saved!.model, 'utf8')).toBe('another');
    expect((await stat(saved!.model)).size).toBe(7);
    await rm(join(folder, best.folder!, 'model.onnx'));
    expect(await saveWinner(folder, grid)).toBeUndefined();
    expect([existsSync(saved!.model), existsSync(saved!.card)]).toEqual([false, false]);
  });
});
