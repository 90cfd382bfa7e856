import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { writeReport } from '../../src/report/write.ts';
import { sampleGrid } from '../report/grid.ts';
import { run } from './run.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-commands-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('frostline metrics', () => {
  it('prints the scores of the two-class example', async () => {
    const { code, stdout } = await run(
      registry,
      'metrics',
      '--confusion',
      '[[38,2],[3,7]]',
      '--classes',
      'benign,melanoma',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/melanoma │ +0\.7778 │ 0\.7000/);
    expect(stdout).toMatch(/accuracy +0\.9000 {2}\(45 of 50;/);
    expect(stdout).toMatch(/macro precision +0\.8523\n/);
    expect(stdout).toMatch(/macro recall +0\.8250\n/);
    expect(stdout).toMatch(/\nF1 +0\.8384 /);
    expect(stdout).toMatch(/mean of class F1 +0\.8376\n/);
  });

  it('prints JSON', async () => {
    const { stdout } = await run(registry, 'metrics', '--confusion', '[[40,0],[10,0]]', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ total: 50, accuracy: 0.8, macroPrecision: 0.9, macroRecall: 0.5 });
  });

  it.each([
    [['--confusion', '[[1,2],[3]]'], /row 1 has 1 entries; expected 2/],
    [['--confusion', '[[1,2],[3,4]]', '--classes', 'a'], /1 names for 2 rows/],
    [['--confusion', '{"a":1}'], /--confusion: found \{"a":1\}; expected array/],
    [[], /--confusion is required/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(registry, 'metrics', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('frostline report', () => {
  it('rebuilds the page from the results', async () => {
    const { html } = await writeReport(folder, { grid: sampleGrid() });
    const page = await readFile(html, 'utf8');
    await writeFile(html, 'gone');
    const { code, stdout } = await run(registry, 'report', folder);
    expect(code).toBe(0);
    expect(stdout).toContain('23 of 24 cells done');
    expect(stdout).toContain(html);
    expect((await readFile(html, 'utf8')) === page).toBe(true);
  });

  it('prints JSON', async () => {
    const { stdout } = await run(registry, 'report', folder, '--json', '--out', join(folder, 'elsewhere'));
    expect(JSON.parse(stdout)).toMatchObject({
      files: { html: join(folder, 'elsewhere', 'report.html') },
      done: 23,
      failed: 1,
      best: { freeze: { number: expect.any(Number) } },
    });
  });

  it('refuses a folder without results', async () => {
    const { code, stderr } = await run(registry, 'report', join(folder, 'nowhere'));
    expect(code).toBe(2);
    expect(stderr).toMatch(/results\.json cannot be read \(ENOENT\)/);
  });
});
