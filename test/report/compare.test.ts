import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { compareReport } from '../../src/report/compare.ts';
import { writeReport } from '../../src/report/write.ts';
import { run } from '../cli/run.ts';
import { sampleGrid } from './grid.ts';
import { richInput } from './rich.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-compare-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('frostline report of several grids', () => {
  it('shows each verdict, and every freeze point of each', async () => {
    const judged = richInput();
    const plain = { grid: sampleGrid() };
    await writeReport(join(folder, 'judged'), judged);
    await writeReport(join(folder, 'plain'), plain);
    const out = join(folder, 'both');
    const { code, stdout } = await run(registry, 'report', join(folder, 'judged'), join(folder, 'plain'), '--out', out);
    expect(code).toBe(0);
    expect(stdout).toContain(judged.grid.verdict!.sentence);
    expect(stdout).toContain('How deep to freeze alexnet-small: no verdict');
    const page = await readFile(join(out, 'comparison.html'), 'utf8');
    expect(page).toContain('Comparison of 2 grids');
    expect(page.match(/<svg /g)).toHaveLength(2);
    expect((await readdir(join(out, 'report-files'))).sort()).toEqual([
      ...['comparison.png', 'comparison.svg', 'grids.csv', 'points.csv'],
    ]);
    const points: Record<string, string>[] = parse(await readFile(join(out, 'report-files', 'points.csv'), 'utf8'), {
      columns: true,
    });
    const own = points.filter(({ grid }) => grid === judged.grid.title);
    expect(own.map(({ point, f1 }) => [point, Number(f1)])).toEqual(
      judged.grid.verdict!.points.map(({ point, score }) => [point, score]),
    );
    expect(points).toHaveLength(own.length + 8);
  });

  it('tells grids of one title apart, and refuses one that is named twice', async () => {
    const input = { grid: sampleGrid() };
    const { html } = await compareReport(
      new Map([
        ['runs/a', input],
        ['runs/b', input],
      ]),
    );
    expect(html).toContain('How deep to freeze alexnet-small (runs/a)');
    const { code, stderr } = await run(registry, 'report', 'x', 'x');
    expect(code).toBe(2);
    expect(stderr).toContain('x is named twice');
  });
});
