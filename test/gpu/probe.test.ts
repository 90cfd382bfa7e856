/** Readings of the probe: taken on the adapter that is there, kept, and gone by. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { machineReport } from '../../src/gpu/machine.ts';
import { measureTimes } from '../../src/gpu/probe/measure.ts';
import { type ProbeReading, probeWanted, ReadingFile, readMachine, takeReading } from '../../src/gpu/probe/reading.ts';
import { PassTimer } from '../../src/gpu/timer.ts';
import type { TunedAdapter } from '../../src/gpu/tuning.ts';

const adapter: TunedAdapter = { name: 'A Card, 8 lanes', driver: 'driver 1.0', dawn: '0.6.2', processor: null };
const three = (time: number) => [time, time, time];

/** 4 multiprocessors of 2^27 multiply-adds a millisecond each, 10^8 bytes a millisecond, 20 us a dispatch. */
const reading: ProbeReading = {
  date: '2020-02-02T00:00:00.000Z',
  times: {
    work: 2 ** 26,
    stairs: [1, 2, 4, 5, 8, 16, 32].map((n) => ({ workgroups: n, milliseconds: three(Math.ceil(n / 4) / 2) })),
    copy: { bytes: 2e8, milliseconds: three(2) },
    chains: [
      { dispatches: 16, milliseconds: three(0.42) },
      { dispatches: 256, milliseconds: three(5.22) },
    ],
  },
};

let folder: string;
let warnings: string[];
const warn = (text: string) => void warnings.push(text);
let folders = 0;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'frostline-probe-')), `${folders++}`);
  warnings = [];
});
afterEach(() => {
  vi.unstubAllEnvs();
  chmodSync(join(folder, '..'), 0o755);
  rmSync(join(folder, '..'), { recursive: true });
});

/** As another process reads it: what this one goes by is forgotten. */
async function elsewhere(about: Partial<TunedAdapter> = {}): Promise<ProbeReading | undefined> {
  vi.resetModules();
  const { ReadingFile: Fresh } = await import('../../src/gpu/probe/reading.ts');
  return new Fresh({ ...adapter, ...about }, folder).find();
}

describe('a reading that is kept', () => {
  const file = (about: Partial<TunedAdapter> = {}) => new ReadingFile({ ...adapter, ...about }, folder);

  it('is gone by in this process and the next, on this adapter and driver alone', async () => {
    expect(file().find()).toBeUndefined();
    expect(await file().keep(reading, { warn })).toEqual(reading);
    expect(file().find()).toEqual(reading);
    expect(await elsewhere()).toEqual(reading);
    for (const about of [{ name: 'B' }, { driver: '1.1' }, { dawn: '0.7' }, { processor: 'a' }]) {
      expect(await elsewhere(about)).toBeUndefined();
    }
    expect(warnings).toEqual([]);
    // Nothing half written is left.
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('is the first of several processes that probe at the same time', async () => {
    await file().keep(reading, { warn });
    vi.resetModules();
    const { ReadingFile: Fresh } = await import('../../src/gpu/probe/reading.ts');
    const later = { ...reading, date: '2021-01-01T00:00:00.000Z' };
    expect(await new Fresh(adapter, folder).keep(later, { warn })).toEqual(reading);
    expect(await new Fresh(adapter, folder).keep(later, { warn, replace: true })).toEqual(later);
    expect(await elsewhere()).toEqual(later);
  });

  it.each([
    ['cut off', (whole: string) => whole.slice(0, whole.length / 2)],
    ['empty', () => ''],
    ['null', () => 'null'],
    ['of another format', (whole: string) => whole.replace('frostline probe 1', 'something')],
    ['of other texts', (whole: string) => whole.replace(/"text": "\w+"/, '"text": "0123456789abcdef"')],
    ['of another adapter', (whole: string) => whole.replace('driver 1.0', 'driver 2.0')],
    [
      'without a copy',
      (whole: string) => JSON.stringify({ ...JSON.parse(whole), times: { ...reading.times, copy: 1 } }),
    ],
    ['of words', (whole: string) => whole.replace('0.42', '"short"')],
  ])('is probed anew where its file is %s', async (_, damage) => {
    await file().keep(reading, { warn });
    const { path } = file();
    writeFileSync(path, damage(readFileSync(path, 'utf8')));
    expect(await elsewhere()).toBeUndefined();
    vi.resetModules();
    const { ReadingFile: Fresh } = await import('../../src/gpu/probe/reading.ts');
    const anew = { ...reading, date: '2022-01-01T00:00:00.000Z' };
    expect(await new Fresh(adapter, folder).keep(anew, { warn })).toEqual(anew);
    expect(await elsewhere()).toEqual(anew);
  });

  it('of a probe that failed is kept too: the plan stays the same', async () => {
    const failed = { date: new Date().toISOString(), failure: 'it takes longer than 500 ms' };
    await file().keep(failed, { warn });
    expect(await elsewhere()).toEqual(failed);
    // Of a day ago: the machine may have been busy.
    vi.useFakeTimers({ now: Date.now() + 25 * 3600e3, toFake: ['Date'] });
    expect(await elsewhere()).toBeUndefined();
    vi.useRealTimers();
    const read = readMachine('Some GPU', failed);
    expect(read).toEqual({ ...machineReport('Some GPU'), refused: 'it takes longer than 500 ms' });
  });

  it('holds for this process where nothing can be written', async () => {
    // A file stands where the folder would be: not even root can write.
    writeFileSync(folder, '');
    expect(await file().keep(reading, { warn })).toEqual(reading);
    expect(warnings).toEqual([expect.stringMatching(/^what was probed of A Card.*is not kept.*cannot write to/)]);
    expect(file().find()).toEqual(reading);
  });
});

it('a machine has what was measured, and the rest of what is known', () => {
  const { machine, origins, refused } = readMachine('NVIDIA H100 80GB HBM3', reading);
  expect(refused).toBeUndefined();
  // 2^27 multiply-adds a millisecond over 128 lanes are 2^20 cycles; two digits.
  expect(machine).toEqual({
    ...machineReport('NVIDIA H100 80GB HBM3').machine,
    multiprocessors: 4,
    cycles: 1e6,
    bytes: 1e8,
    dispatch: 0.02,
  });
  expect(Object.entries(origins).filter(([, origin]) => origin === 'probed')).toHaveLength(4);
});

it.each([
  ['off', false],
  ['0', false],
  ['', true],
  ['on', true],
])('FROSTLINE_PROBE=%s: probed %s', (value, wanted) => {
  vi.stubEnv('FROSTLINE_PROBE', value);
  expect(probeWanted()).toBe(wanted);
});

describe('a probe on the adapter that is there', () => {
  it('takes times of everything, or says why not, and leaves the caller’s device alone', async () => {
    const gpu = await Gpu.open({ tuning: false });
    const before = gpu.memory();
    const { times, failure } = await takeReading(() => gpu.sibling());
    expect(gpu.memory()).toEqual(before);
    expect(gpu.pipelines.size).toBe(0);
    gpu.check();
    gpu.destroy();
    if (times === undefined) return expect(failure).toMatch(/longer than 500 ms|its clock counts/);
    expect(times.stairs[0].workgroups).toBe(1);
    expect(times.stairs.length).toBeGreaterThan(2);
    expect(times.chains.map(({ dispatches }) => dispatches)).toEqual([16, 256]);
    for (const { milliseconds } of [...times.stairs, times.copy, ...times.chains]) {
      expect(milliseconds).toHaveLength(3);
      for (const time of milliseconds) expect(time).toBeGreaterThan(0);
    }
  });

  it('tells of what the device reports, and does not throw it', async () => {
    const broken = await takeReading(async () => {
      const gpu = await Gpu.open({ tuning: false, limits: { maxThreads: 64 } });
      gpu.allocate = () => {
        throw new Error('no memory\nat all');
      };
      return gpu;
    });
    expect(broken).toMatchObject({ failure: 'no memory' });
    expect(broken.times).toBeUndefined();
  });

  it('is made once for all openings, where it is asked for', async () => {
    vi.stubEnv('FROSTLINE_CACHE', folder);
    const options = { kind: 'hardware', probe: true, tuning: false, warn } as const;
    const first = await Gpu.open(options);
    expect(first.reading).toBeDefined();
    const [name] = readdirSync(join(folder, 'probe'));
    const kept = readFileSync(join(folder, 'probe', name), 'utf8');
    expect(JSON.parse(kept)).toMatchObject({ date: first.reading!.date });
    const [second, from] = [await Gpu.open(options), Gpu.from(first.device, options)];
    for (const gpu of [second, from]) {
      expect(gpu.reading).toEqual(first.reading);
      expect(gpu.machineReport).toEqual(first.machineReport);
    }
    expect(first.machine).toEqual(readMachine('', first.reading).machine);
    // Not asked for, or in vain.
    const machine = machineReport('').machine;
    for (const other of [
      { ...options, probe: false },
      { ...options, probe: undefined },
      { ...options, machine },
    ]) {
      const gpu = await Gpu.open(other);
      expect(gpu.reading).toBeUndefined();
      gpu.destroy();
    }
    const software = await Gpu.open({ probe: true, tuning: false });
    if (software.kind !== 'hardware') expect([software.reading, software.machine]).toEqual([undefined, undefined]);
    for (const gpu of [software, second, from, first]) gpu.destroy();
  });

  it('counts from the next opening on where it is made anew', async () => {
    vi.stubEnv('FROSTLINE_CACHE', folder);
    const options = { kind: 'hardware', probe: true, tuning: false, warn } as const;
    const first = await Gpu.open(options);
    const anew = await first.probe();
    expect(anew.date).not.toBe(first.reading!.date);
    const second = await Gpu.open(options);
    expect(second.reading).toEqual(anew);
    for (const gpu of [first, second]) gpu.destroy();
  });

  it('ends where its clock stands still', async () => {
    const gpu = await Gpu.open({ tuning: false });
    const sibling = await gpu.sibling();
    const still = vi.spyOn(PassTimer.prototype, 'milliseconds').mockImplementation(async function (this: unknown) {
      await sibling.idle();
      return 0;
    });
    if (sibling.hasTimestamps)
      await expect(measureTimes(sibling)).rejects.toThrow(/its clock counts 0 ms|longer than 500/);
    still.mockRestore();
    sibling.destroy();
    gpu.destroy();
  });
});
