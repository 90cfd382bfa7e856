import { describe, expect, it } from 'vitest';
import { advise, type Situation } from '../../src/gpu/advice.ts';

const debian12 = { ID: 'debian', VERSION_ID: '12', VERSION_CODENAME: 'bookworm' };
const situation = (about: Partial<Situation>): Situation => ({
  asked: false,
  kind: 'embedded',
  platform: 'linux',
  distribution: debian12,
  wsl: false,
  softwareDrivers: [],
  ...about,
});

describe('advise', () => {
  it('says nothing where a GPU is in use', () => {
    expect(advise(situation({ kind: 'hardware', gpuNode: '/dev/nvidia0' }))).toEqual([]);
    expect(advise(situation({ kind: 'software' }))).toEqual([]);
  });

  it.each([
    [debian12, /apt install -t bookworm-backports mesa-vulkan-drivers/],
    [{ ID: 'debian', VERSION_ID: '13', VERSION_CODENAME: 'trixie' }, /sudo apt install mesa-vulkan-drivers\.$/],
    [{ ID: 'ubuntu', ID_LIKE: 'debian', VERSION_ID: '24.04' }, /sudo apt install mesa-vulkan-drivers\.$/],
    [{ ID: 'ubuntu', ID_LIKE: 'debian', VERSION_ID: '22.04' }, /version 23 or newer \(apt policy/],
    [{ ID: 'linuxmint', ID_LIKE: 'ubuntu debian' }, /sudo apt install mesa-vulkan-drivers\.$/],
    [{ ID: 'fedora', VERSION_ID: '41' }, /sudo dnf install mesa-vulkan-drivers/],
    [{ ID: 'rocky', ID_LIKE: 'rhel centos fedora' }, /sudo dnf install/],
    [{ ID: 'arch' }, /pacman -S vulkan-swrast/],
    [{ ID: 'alpine' }, /built for glibc/],
    [{}, /your distribution's Mesa Vulkan drivers/],
  ] as [Record<string, string>, RegExp][])('tells how lavapipe is installed on %j', (distribution, text) => {
    const [first, ...more] = advise(situation({ distribution }));
    expect(first).toMatch(/embedded driver works but is slow.*lavapipe/);
    expect(first).toMatch(text);
    expect(more).toEqual([]);
  });

  it('takes an installed driver that was not taken for an old one', () => {
    const [text] = advise(situation({ softwareDrivers: ['/usr/share/vulkan/icd.d/lvp_icd.x86_64.json'] }));
    expect(text).toMatch(/lvp_icd\.x86_64\.json\) and was not taken: WebGPU refuses Mesa before 23/);
  });

  it('sees a GPU that has no driver, and WSL', () => {
    expect(advise(situation({ kind: 'software', gpuNode: '/dev/dri/renderD128' }))).toEqual([
      expect.stringMatching(/There is a GPU \(\/dev\/dri\/renderD128\)/),
    ]);
    const [wsl, install] = advise(situation({ wsl: true, gpuNode: '/dev/dxg' }));
    expect(wsl).toMatch(/This is WSL.*under Windows/);
    expect(install).toMatch(/lavapipe/);
  });

  it('tells what to do without any adapter', () => {
    const advice = advise(situation({ kind: undefined }));
    expect(advice[0]).toMatch(/No adapter was found\. Install/);
    expect(advice.at(-1)).toMatch(/--adapter embedded/);
    expect(advise(situation({ kind: undefined, platform: 'win32' }))).toEqual([expect.stringMatching(/Direct3D 12/)]);
    expect(advise(situation({ kind: undefined, platform: 'freebsd' }))).toEqual([
      expect.stringMatching(/no build of the package webgpu for freebsd/),
    ]);
  });

  it('does not explain an adapter that was asked for', () => {
    expect(advise(situation({ asked: true }))).toEqual([expect.stringMatching(/--adapter auto/)]);
  });
});
