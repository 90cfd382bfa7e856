import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadEmbeddedDriver } from '../../src/gpu/embedded.ts';

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('the embedded driver (Linux x64)', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'frostline-embedded-'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it('is unpacked once: the driver, its loader and its manifest', async () => {
    vi.stubEnv('FROSTLINE_CACHE', folder);
    const manifest = await loadEmbeddedDriver();
    const [unpacked] = readdirSync(folder);
    expect(manifest).toBe(join(folder, unpacked, 'vk_swiftshader_icd.json'));
    expect(readdirSync(join(folder, unpacked)).sort()).toEqual([
      'libvk_swiftshader.so',
      'libvulkan.so.1',
      'vk_swiftshader_icd.json',
    ]);
    writeFileSync(manifest, 'kept');
    await loadEmbeddedDriver();
    expect(readdirSync(folder)).toEqual([unpacked]);
  });

  it('says which folder cannot be written, and how to name another one', async () => {
    writeFileSync(join(folder, 'file'), '');
    vi.stubEnv('FROSTLINE_CACHE', join(folder, 'file'));
    await expect(loadEmbeddedDriver()).rejects.toThrow(
      /cannot write to .*file\/swiftshader-.*: ENOTDIR.* by FROSTLINE_CACHE/,
    );
  });
});
