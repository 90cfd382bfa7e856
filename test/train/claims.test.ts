/** Claims: one process of many gets a folder, a dead one's is taken over, a lost one is noticed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Claim } from '../../src/train/claims.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-claim-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const times = { beat: 1000, expiry: 2000 };
const claimFile = async () => join(folder, (await readdir(folder)).findLast((name) => name.startsWith('claim-'))!);

/** Writes as another owner: fields of the present claim changed. */
async function alter(change: object): Promise<void> {
  const file = await claimFile();
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...change }));
}

it('is given to one of many that ask at once, again and again', async () => {
  for (let round = 0; round < 20; round++) {
    const taken = await Promise.all(Array.from({ length: 8 }, () => Claim.take(folder, times)));
    const [claim, ...others] = taken.filter((each) => each !== undefined);
    expect(others).toEqual([]);
    expect(await claim.holds()).toBe(true);
    await claim.release();
  }
});

it('leaves nothing in the folder once the result is there', async () => {
  const claim = await Claim.take(folder, times);
  await claim!.settle();
  expect(await readdir(folder)).toEqual([]);
});

it('is taken over from a process that was killed, by one alone', async () => {
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log(1)'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(other.stdout, 'data');
  const first = await Claim.take(folder, times);
  const stat = await readFile(`/proc/${other.pid}/stat`, 'utf8').catch(() => undefined);
  const started = stat === undefined ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  await alter({ name: 'another', pid: other.pid, started });
  expect(await first!.holds()).toBe(false);
  expect(await Claim.take(folder, times)).toBeUndefined();
  other.kill('SIGKILL');
  await once(other, 'exit');
  const taken = await Promise.all(Array.from({ length: 8 }, () => Claim.take(folder, times)));
  expect(taken.filter((each) => each !== undefined).length).toBe(1);
});

it.runIf(process.platform === 'linux')('does not take a new process for a dead one of the same number', async () => {
  await Claim.take(folder, times);
  await alter({ started: '1' });
  expect(await Claim.take(folder, times)).toBeDefined();
});

it('of another machine counts as long as it gives signs of life', async () => {
  await Claim.take(folder, times);
  await alter({ place: 'elsewhere', pid: 1 });
  expect(await Claim.take(folder, times)).toBeUndefined();
  const before = new Date(Date.now() - 2 * times.expiry);
  await utimes(await claimFile(), before, before);
  expect(await Claim.take(folder, times)).toBeDefined();
});

it('gives signs of life, and makes no file where the folder was removed', async () => {
  const claim = await Claim.take(folder, { beat: 20, expiry: 2000 });
  const before = new Date(0);
  await utimes(await claimFile(), before, before);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect((await stat(await claimFile())).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
  expect(JSON.parse(await readFile(await claimFile(), 'utf8')).pid).toBe(process.pid);
  await rm(folder, { recursive: true });
  await new Promise((resolve) => setTimeout(resolve, 100));
  await expect(readdir(folder)).rejects.toThrow(/ENOENT/);
  expect(await claim!.holds()).toBe(false);
  await expect(Claim.take(folder, times)).rejects.toThrow(/removed or renamed/);
  await claim!.settle();
});
