import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeCache } from '../../src/data/decode-cache.ts';
import { isFolder, makeFolder, writeFileAtomically } from '../../src/files.ts';

it('makes a folder with those above it, and takes back what was missing', async () => {
  const root = await mkdtemp(join(tmpdir(), 'frostline-folder-'));
  const takeBack = await makeFolder(join(root, 'a', 'b'));
  expect(await isFolder(join(root, 'a', 'b'))).toBe(true);
  await takeBack();
  expect([await isFolder(join(root, 'a')), await isFolder(root)]).toEqual([false, true]);
  await rm(root, { recursive: true });
});

it('writes a file of several parts, and removes from a cache what killed writers left there', async () => {
  const root = await mkdtemp(join(tmpdir(), 'frostline-atomic-'));
  await writeFileAtomically(join(root, 'a'), ['one, ', Uint8Array.of(116, 119, 111)]);
  expect(await readFile(join(root, 'a'), 'utf8')).toBe('one, two');
  for (const name of ['.7-0-old.rgba.tmp', '.7-1-young.rgba.tmp']) await writeFile(join(root, name), '');
  await utimes(join(root, '.7-0-old.rgba.tmp'), 1, 1);
  await writeCache(join(root, 'b.rgba'), { data: Uint8Array.of(1), remarks: [] });
  expect((await readdir(root)).sort()).toEqual(['.7-1-young.rgba.tmp', 'a', 'b.rgba']);
  await rm(root, { recursive: true });
});

// As an automounter does: the folder is there, and says of each one below it that there is none.
it.runIf(process.platform === 'linux')('says where a folder takes none, and does not try for ever', async () => {
  await expect(makeFolder('/proc/frostline/a')).rejects.toThrow(/cannot write to .proc.frostline/);
  await expect(writeFileAtomically('/proc/frostline/a.npy', '')).rejects.toThrow(/cannot (write|be written)/);
});
