/** Rates stand in one place: estimates ask an adapter's profile, never which kind of adapter it is. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { knownMachine, machineNamed, profileOf } from '../../src/gpu/machine.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import type { Capabilities } from '../../src/kernels/kernel.ts';
import { milliseconds } from '../../src/operators/algorithms/algorithm.ts';

const at = (path: string) => new URL(`../../${path}`, import.meta.url);

it.each(['src/kernels', 'src/graph', 'src/operators'])('nothing in %s asks for the kind of an adapter', (folder) => {
  const files = readdirSync(at(folder), { recursive: true }) as string[];
  const asking = files
    .filter((file) => file.endsWith('.ts'))
    .filter((file) =>
      /\bkind\b[^\n]*[!=]== '(hardware|software|embedded)'/.test(readFileSync(at(`${folder}/${file}`), 'utf8')),
    );
  // How large a product doctor's check makes is no estimate.
  expect(asking).toEqual(folder === 'src/kernels' ? ['contraction/check.ts'] : []);
});

it('a GPU computes while memory moves, a rasteriser before or after', () => {
  const work = { instructions: 3.5e6, streamedBytes: 5.4e6, movedBytes: 0, dispatches: 0 };
  const h100 = { kind: 'hardware', machine: machineNamed('h100') } as Capabilities;
  // 1.75e6 cycles and 2.7e9 bytes a millisecond.
  expect(milliseconds(h100, work)).toBeCloseTo(2, 9);
  expect(milliseconds(h100, { ...work, streamedBytes: 2.7e10 })).toBeCloseTo(10, 9);
  const software = { kind: 'software' } as Capabilities;
  expect(milliseconds(software, work)).toBeCloseTo(3.5e6 / 1.7e7 + 5.4e6 / 7.1e6, 9);
  // One after another: no time of one hides that of the other.
  const [arithmetic, memory] = [
    { ...work, streamedBytes: 0 },
    { ...work, instructions: 0 },
  ];
  expect(milliseconds(h100, [arithmetic, memory])).toBeCloseTo(2 + 5.4e6 / 2.7e9, 9);
});

it('threads at once, and what must be many, come from the machine', () => {
  const { threadsAtOnce, busyChannels } = profileOf({ kind: 'hardware', machine: machineNamed('Apple M2') });
  expect([threadsAtOnce, busyChannels]).toEqual([10 * 1024, 20]);
  expect(profileOf({ kind: 'software', machine: machineNamed('h100') })).toEqual(profileOf({ kind: 'software' }));
});

it('takes no card for a larger or smaller one of its family', () => {
  const ofTable = [
    'NVIDIA GeForce RTX 4090',
    'Apple M2',
    'Intel(R) Iris(R) Xe Graphics (TGL GT2)',
    'NVIDIA H100 80GB HBM3',
  ];
  expect(ofTable.map((name) => knownMachine(name)?.name)).toEqual(['rtx-4090', 'apple-m2', 'xe', 'h100']);
  const others = [
    'NVIDIA GeForce RTX 4090 Laptop GPU',
    'Apple M2 Ultra, apple, metal-3',
    'Apple M1, apple, common-3',
    'Intel(R) UHD Graphics 770 (ADL-S GT1), intel, gen-12lp',
  ];
  expect(others.map((name) => knownMachine(name)?.name)).toEqual([undefined, undefined, undefined, undefined]);
});

it('is planned without matrix units, whatever the environment asks of the adapter here', () => {
  vi.stubEnv('FROSTLINE_SUBGROUP_MATRIX', '1');
  try {
    expect(plannedGpu('h100', { precision: 'f16' }).subgroupMatrices).toBe(false);
  } finally {
    vi.unstubAllEnvs();
  }
});
