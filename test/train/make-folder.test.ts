import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isFolder, makeFolder, writeFileAtomically } from '../../src/files.ts';

it('makes a folder with those above it, and takes back what was missing', async () => {
  const root = await mkdtemp(join(tmpdir(), 'frostline-folder-'));
  const takeBack = await makeFolder(join(root, 'a', 'b'));
  expect(await isFolder(join(root, 'a', 'b'))).toBe(true);
  await takeBack();
  expect([await isFolder(join(root, 'a')), await isFolder(root)]).toEqual([false, true]);
  await rm(root, { recursive: true });
});

// As an automounter does: the folder is there, and says of each one below it that there is none.
it.runIf(process.platform === 'linux')('says where a folder takes none, and does not try for ever', async () => {
  await expect(makeFolder('/proc/frostline/a')).rejects.toThrow(/cannot write to .proc.frostline/);
  await expect(writeFileAtomically('/proc/frostline/a.npy', '')).rejects.toThrow(/cannot (write|be written)/);
});
