import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { run } from './run.ts';

describe('frostline tune', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'frostline-tune-'));
    vi.stubEnv('FROSTLINE_CACHE', folder);
    vi.stubEnv('FROSTLINE_TUNE', '');
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  const tune = (...args: string[]) =>
    run(registry, 'tune', '--networks', 'alexnet-small', '--batch', '2', '--filter', 'fc7', ...args);

  it('measures each shape once, keeps the results, and says what it chose', async () => {
    const first = await tune('--json');
    expect(first.stderr).toMatch(/\[1\/\d+\] (contraction|linear\/forward) fc6, fc7: /);
    expect(first.code).toBe(0);
    const { adapter, file, rows } = JSON.parse(first.stdout);
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
    expect(again.stdout).toMatch(/│ (contraction|linear\/forward) +│ fc6, fc7 +│/);
    expect(again.stdout).toContain(`${file}: ${rows.length} shapes`);
    writeFileSync(file, '{');
    expect((await tune('--no-training', '--force')).stderr).toMatch(/warning: .*\.json is ignored/);
  });

  it('does not measure what would not be kept', async () => {
    vi.stubEnv('FROSTLINE_TUNE', 'off');
    const { code, stderr } = await tune();
    expect(code).toBe(2);
    expect(stderr).toMatch(/FROSTLINE_TUNE is off/);
  });
});
