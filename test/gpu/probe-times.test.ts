/** What times tell of a machine, on times made by hand from machines that are known. */
import { describe, expect, it } from 'vitest';
import { machineReport } from '../../src/gpu/machine.ts';
import { type ProbeTimes, readTimes } from '../../src/gpu/probe/times.ts';
import { Random } from '../../src/random.ts';

interface MadeUp {
  readonly multiprocessors: number;
  /** multiply-adds of one in a millisecond */
  readonly rate: number;
  readonly bytes: number;
  readonly dispatch: number;
  /** milliseconds that any pass costs by itself */
  readonly pass?: number;
  /** what other programs add at most, as a share */
  readonly noise?: number;
}

/** Workgroups are spread evenly; of those on one multiprocessor each has its share of it. */
function timesOf({ multiprocessors, rate, bytes, dispatch, pass = 0.01, noise = 0 }: MadeUp): ProbeTimes {
  const random = new Random(7);
  const work = rate / 2; // half a millisecond
  const series = (milliseconds: number) => [0, 1, 2].map(() => milliseconds * (1 + noise * random.uniform()));
  const stair = (workgroups: number) => ({
    workgroups,
    milliseconds: series(pass + (Math.ceil(workgroups / multiprocessors) * work) / rate),
  });
  const powers = Array.from({ length: 15 }, (_, i) => 2 ** i).filter((n) => n <= 16 * multiprocessors);
  const near = [multiprocessors - 1, multiprocessors, multiprocessors + 1].filter((n) => n > 0 && n < 2 ** 14);
  return {
    work,
    stairs: [...powers, ...near].map(stair),
    copy: { bytes: 2 ** 28, milliseconds: series(pass + 2 ** 28 / bytes) },
    chains: [16, 256].map((dispatches) => ({ dispatches, milliseconds: series(pass + dispatches * dispatch) })),
  };
}

/** 132 multiprocessors of 128 lanes at 1.75 GHz, 2.7 TB/s, 5 us. */
const H100 = { multiprocessors: 132, rate: 128 * 1.75e6, bytes: 2.7e9, dispatch: 0.005 };
/** 7 of 64 lanes at 1.3 GHz, 50 GB/s, 10 us. */
const INTEGRATED = { multiprocessors: 7, rate: 64 * 1.3e6, bytes: 5e7, dispatch: 0.01 };

function measured(times: ProbeTimes, lanes = 128) {
  const read = readTimes(times, lanes);
  if ('refused' in read) throw new Error(read.refused);
  return read.measured;
}

describe('what the probe reads out of times', () => {
  it.each([
    ['a discrete GPU', H100, 128, 1.75e6],
    ['an integrated one', INTEGRATED, 64, 1.3e6],
    ['one multiprocessor', { ...INTEGRATED, multiprocessors: 1 }, 64, 1.3e6],
  ])('finds %s', (_, machine, lanes, cycles) => {
    const found = measured(timesOf(machine), lanes);
    expect(found.multiprocessors).toBe(machine.multiprocessors);
    expect(found.lanes).toBeUndefined();
    // Two digits, and up to a fiftieth for what a pass costs by itself.
    expect(Math.abs(found.cycles! / cycles - 1)).toBeLessThan(0.05);
    expect(Math.abs(found.bytes! / machine.bytes - 1)).toBeLessThan(0.1);
    expect(found.dispatch).toBeCloseTo(machine.dispatch, 6);
  });

  it('finds the same where other programs lengthen times by up to a third', () => {
    const found = measured(timesOf({ ...H100, noise: 0.33 }));
    expect(found.multiprocessors).toBe(132);
    expect(Math.abs(found.cycles! / 1.75e6 - 1)).toBeLessThan(0.15);
    expect(Math.abs(found.bytes! / 2.7e9 - 1)).toBeLessThan(0.25);
    expect(Math.abs(found.dispatch! / 0.005 - 1)).toBeLessThan(0.3);
  });

  it('says the same of times that differ by a thousandth', () => {
    const longer = JSON.parse(JSON.stringify(timesOf(H100)), (key, value) =>
      key === 'milliseconds' ? value.map((time: number) => 1.001 * time) : value,
    );
    expect(measured(longer)).toEqual(measured(timesOf(H100)));
  });

  it('takes other lanes where those that are taken for granted would make an impossible clock', () => {
    // 16 lanes at 1.2 GHz are 128 at 150 MHz, which nothing has.
    const found = measured(timesOf({ ...INTEGRATED, rate: 16 * 1.2e6 }), 128);
    expect(found.lanes! * found.cycles!).toBeCloseTo(16 * 1.2e6, -6);
    expect(found.cycles).toBeGreaterThanOrEqual(0.3e6);
  });

  const changed = (change: Partial<ProbeTimes>) => ({ ...timesOf(H100), ...change });
  const chain = (dispatches: number, time: number) => ({ dispatches, milliseconds: [time, time, time] });
  it.each([
    ['no time', changed({ copy: { bytes: 2 ** 28, milliseconds: [0, 0, 0] } }), /a time is 0 ms/],
    ['an infinite time', changed({ copy: { bytes: 1, milliseconds: [1, Number.POSITIVE_INFINITY] } }), /Infinity ms/],
    ['no number', changed({ copy: { bytes: 1, milliseconds: [Number.NaN] } }), /a time is NaN ms/],
    ['no series', changed({ stairs: [] }), /times are missing/],
    ['an empty series', changed({ copy: { bytes: 1, milliseconds: [] } }), /times are missing/],
    ['one chain', changed({ chains: [chain(16, 1)] }), /times are missing/],
    ['a long chain as quick as a short one', changed({ chains: [chain(16, 1), chain(256, 1)] }), /dispatch: 0 ms/],
    [
      'memory beyond all',
      timesOf({ ...H100, bytes: 1e12, pass: 0 }),
      /bytes: 1000000000000 a millisecond; devices have/,
    ],
    ['a rate beyond all', timesOf({ ...H100, rate: 1e10, pass: 0 }), /multiply-adds: 1300000000000 a millisecond/],
    ['a flat staircase', timesOf({ ...H100, multiprocessors: 1e9 }), /16384 workgroups took no longer than one/],
    [
      '2,000 multiprocessors',
      timesOf({ ...H100, multiprocessors: 2000 }),
      /multiprocessors: 2000; devices have 1 to 1024/,
    ],
    ['a multiprocessor of more lanes than any has', timesOf({ ...H100, rate: 1.2e9 }), /no clock of 0\.3 to 3\.5 GHz/],
    [
      'a busy device',
      changed({ copy: { bytes: 2 ** 28, milliseconds: [0.1, 0.3, 0.4] } }),
      /a copy took 0\.1 to 0\.4 ms: something else uses the device/,
    ],
  ])('refuses %s', (_, times, why) => {
    const read = readTimes(times, 128);
    expect(read).toEqual({ refused: expect.stringMatching(why) });
  });
});

describe('the machine behind a name', () => {
  it('is the known one, with what was measured in its place', () => {
    const { machine, origins } = machineReport('NVIDIA H100 80GB HBM3, nvidia', { bytes: 2.3e9 });
    expect(machine).toMatchObject({ multiprocessors: 132, bytes: 2.3e9, cycles: 1.75e6 });
    expect(origins).toMatchObject({ multiprocessors: 'known', bytes: 'probed', cycles: 'known' });
  });

  // As Dawn names adapters: device, description, vendor, architecture.
  it.each([
    ['NVIDIA GeForce RTX 3060, NVIDIA: 535.54.3, nvidia, ampere', false],
    ['NVIDIA Tegra Orin, nvidia', true],
    ['AMD Radeon RX 6600 (RADV NAVI23), radv: Mesa 23.2.1, amd, rdna-2', false],
    ['AMD Radeon Graphics (RADV RENOIR), radv: Mesa 23.2.1, amd, gcn-5', true],
    ['AMD Radeon(TM) Graphics, amd, gcn-5', true],
    ['AMD Radeon 780M, amd, rdna-3', true],
    ['AMD Radeon Pro W7800, amd, rdna-3', false],
    ['Intel(R) UHD Graphics 620 (KBL GT2), Intel open-source Mesa driver, intel, gen-9', true],
    ['Intel(R) Arc(tm) A770 Graphics (DG2), intel, gen-12hp', false],
    ['Intel(R) Arc(TM) B580 Graphics, intel, xe-2hpg', false],
    ['Intel(R) Arc(TM) Graphics, intel, xe-2lpg', true],
    ['Adreno (TM) 740, qualcomm, adreno-7xx', true],
    ['Mali-G78, arm, valhall', true],
    ['', false],
  ])('%s: integrated %s', (name, integrated) => {
    const { machine, origins } = machineReport(name);
    expect(new Set(Object.values(origins))).toEqual(new Set(['assumed']));
    expect(machine.multiprocessors < 16).toBe(integrated);
    expect(machine.bytes < 1e8).toBe(integrated);
  });
});
