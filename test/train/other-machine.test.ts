/** A run folder that goes on by other numbers of the machine says so. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import type { Machine } from '../../src/gpu/machine.ts';
import { tellOtherMachine } from '../../src/train/run-folder.ts';

const machine: Machine = {
  multiprocessors: 46,
  lanes: 128,
  threads: 256,
  resident: 1024,
  cycles: 1.7e6,
  bytes: 4e8,
  dispatch: 0.005,
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'frostline-machine-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function told(before: Partial<{ machine: Machine; probed: string | null }> | undefined): Promise<string[]> {
  if (before !== undefined) writeFileSync(join(folder, 'environment.json'), JSON.stringify(before));
  const warnings: string[] = [];
  const gpu = await Gpu.open({ tuning: false, kind: 'hardware', machine, warn: (text) => warnings.push(text) });
  await tellOtherMachine(folder, gpu);
  gpu.destroy();
  return warnings;
}

it('is silent in a new folder, one without numbers, and one of the same', async () => {
  expect(await told(undefined)).toEqual([]);
  expect(await told({})).toEqual([]);
  expect(await told({ machine, probed: null })).toEqual([]);
});

it('names each number that differs, and whose they were', async () => {
  const other = { ...machine, multiprocessors: 48, bytes: 5e8 };
  const [warning, ...more] = await told({ machine: other, probed: '2020-02-02T00:00:00.000Z' });
  expect(more).toEqual([]);
  expect(warning).toMatch(/the probe of 2020-02-02T00:00:00.000Z; now no probe/);
  expect(warning).toMatch(/multiprocessors 48, now 46; bytes 500000000, now 400000000\./);
});
