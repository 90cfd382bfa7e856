import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { run } from './run.ts';

describe('frostline tune', () => {
  let folder: string;
  // A cache each: the results of another test, whose algorithms were others, would be in this one's table.
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'frostline-tune-'));
    vi.stubEnv('FROSTLINE_CACHE', folder);
    vi.stubEnv('FROSTLINE_TUNE', '');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  const tune = (...args: string[]) =>
    run(registry, 'tune', '--networks', 'alexnet-small', '--batch', '2', '--filter', 'fc7', '--budget', '0.1', ...args);

  it('measures each shape once, keeps the results, and says what it chose', async () => {
    const first = await tune('--json');
    expect(first.stderr).toMatch(/\[1\/\d+\] linear forward fc6, fc7: /);
    // Whichever algorithm the clock took, its kernels are measured next.
    expect(first.stderr).toMatch(/\[1\/\d+\] (contraction|gemm\/\S+|linear\/\S+) fc\S.*: /);
    expect(first.code).toBe(0);
    const { adapter, file, algorithms, rows } = JSON.parse(first.stdout);
    expect(adapter.name).not.toBe('');
    expect(readdirSync(join(folder, 'tuning')).map((name) => join(folder, 'tuning', name))).toEqual([file]);
    expect(rows.length).toBeGreaterThan(1);
    for (const { kernel, writes, shape, known, chosen, estimated, measurements } of rows) {
      expect([known, `${kernel} ${writes}`]).toEqual([false, expect.stringContaining('fc7')]);
      expect(shape).toMatch(/^\w+ \d+/);
      const timed = measurements.filter((one: { milliseconds?: number }) => one.milliseconds! > 0);
      for (const choice of [chosen, estimated]) expect(timed).toContainEqual(expect.objectContaining(choice));
    }
    const again = await tune();
    expect(again.stderr).toMatch(/fc7: finished before/);
    expect(again.stdout).toMatch(/│ (contraction|gemm\/\S+|linear\/\S+) +│ fc\S.* +│/);
    expect(again.stdout).toContain(`${file}: ${algorithms.length + rows.length} results`);
    writeFileSync(file, '{');
    expect((await tune('--no-training', '--force')).stderr).toMatch(/warning: .*\.json is ignored/);
  });

  it('exports its table, and takes one in place of measuring', async () => {
    const exported = join(folder, 'table.json');
    const made = await tune('--force', '--export', exported, '--json');
    const { file, algorithms, rows } = JSON.parse(made.stdout);
    rmSync(file);
    const taken = await tune('--import', exported, '--json');
    expect(taken.stderr).toContain(`${exported}: ${algorithms.length + rows.length} results`);
    const known = JSON.parse(taken.stdout).rows.map((row: { known: boolean; chosen: object }) => [
      row.known,
      row.chosen,
    ]);
    expect(known).toEqual(rows.map((row: { chosen: object }) => [true, row.chosen]));
    // Alone, a table is only taken and given; a filter that fits nothing does not lose what is asked for.
    rmSync(file);
    const copied = join(folder, 'copied.json');
    const alone = await run(registry, 'tune', '--import', exported, '--export', copied, '--json');
    expect([alone.code, JSON.parse(alone.stdout).rows]).toEqual([0, []]);
    expect(alone.stderr).toContain('nothing was measured');
    expect(readFileSync(copied, 'utf8')).toBe(readFileSync(exported, 'utf8'));
    rmSync(copied);
    expect((await run(registry, 'tune', '--filter', 'conv99', '--export', copied)).code).toBe(2);
    expect(readFileSync(copied, 'utf8')).toBe(readFileSync(exported, 'utf8'));
    writeFileSync(exported, readFileSync(exported, 'utf8').replace(/"name": ".*"/, '"name": "another card"'));
    for (const [args, message] of [
      [
        ['--import', exported],
        /table\.json: it was measured on another adapter: name 'another card', here '.*'\. Give a file of 'frostline tune --export'/,
      ],
      [['--import', join(folder, 'none.json')], /none\.json/],
      [['--export', folder], /--export .*: this is a folder/],
    ] as const) {
      const { code, stderr } = await tune(...args);
      expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
    }
  });

  it('measures whole algorithms, which the steps then have, and leaves out what a table has of another', async () => {
    const conv2 = (...args: string[]) =>
      run(registry, 'tune', '--networks', 'alexnet-small', '--batch', '2', '--budget', '0.05', '--filter', ...args);
    const first = await conv2('conv2d forward conv2', '--json');
    expect(first.stderr).toMatch(/\[1\/2\] conv2d forward conv2: /);
    const { algorithms, rows, file } = JSON.parse(first.stdout);
    expect([first.code, rows]).toEqual([0, []]);
    // Once with the weight packed for good, once as training packs it.
    expect(algorithms).toHaveLength(2);
    const [{ purpose, layers, known, chosen, estimated, measurements }] = algorithms;
    expect([purpose, layers, known]).toEqual(['conv2d forward', ['conv2'], false]);
    expect(measurements.length).toBeGreaterThan(2);
    const timed = measurements.filter((one: { milliseconds?: number }) => one.milliseconds! > 0);
    const names = timed.map((one: { algorithm: string }) => one.algorithm);
    expect(names).toEqual(expect.arrayContaining([chosen, estimated]));
    const table = readFileSync(file, 'utf8');
    // As if another had been the quickest.
    const other = chosen === 'implicit-gemm' ? 'winograd' : 'implicit-gemm';
    const exported = join(folder, 'algorithms.json');
    writeFileSync(exported, table.replaceAll(`"choice": "${chosen}"`, `"choice": "${other}"`));
    const taken = await conv2('conv2d forward conv2', '--import', exported);
    expect(taken.stdout).toMatch(new RegExp(`conv2d forward +│ conv2 +│ ${other}`));
    writeFileSync(exported, table.replace(`"choice": "${chosen}"`, '"choice": "fft"'));
    const partly = await run(registry, 'tune', '--import', exported, '--json');
    expect([partly.code, partly.stderr]).toEqual([
      0,
      expect.stringMatching(
        /algorithms\.json: 1 results for this adapter; not used: 1 that choose what this version does not have \(conv2d forward\)/,
      ),
    ]);
    expect(JSON.parse(partly.stdout).imported).toEqual({
      used: 1,
      unused: [{ reason: 'choice', name: 'conv2d forward', results: 1 }],
    });
    writeFileSync(file, table.replace('"conv2d forward"', '"conv3d forward"'));
    const kept = await run(registry, 'tune', '--export', exported);
    expect(kept.stdout).toMatch(
      /: 0 results for this adapter; not used: 2 of kernels or operators that .*\(conv3d forward\)/,
    );
    expect(await conv2('conv9')).toMatchObject({ code: 2, stderr: expect.stringMatching(/--filter: .*conv9/) });
  });

  it('does not measure what would not be kept', async () => {
    vi.stubEnv('FROSTLINE_TUNE', 'off');
    const { code, stderr } = await tune();
    expect(code).toBe(2);
    expect(stderr).toMatch(/FROSTLINE_TUNE is off/);
  });
});
