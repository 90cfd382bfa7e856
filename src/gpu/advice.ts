/** What to do about an adapter that is missing or slow, for the system at hand. */
import { existsSync, readFileSync } from 'node:fs';
import { type AdapterKind, installedSoftwareDrivers } from './adapter.ts';

/** What the advice depends on; `readSituation` finds it out. */
export interface Situation {
  /** The adapter was named by the user, not found by 'auto'. */
  readonly asked: boolean;
  /** undefined: no adapter was found */
  readonly kind?: AdapterKind;
  readonly platform: NodeJS.Platform;
  /** /etc/os-release: ID, ID_LIKE, VERSION_CODENAME, VERSION_ID */
  readonly distribution: Readonly<Record<string, string>>;
  /** Windows Subsystem for Linux */
  readonly wsl: boolean;
  /** A GPU's device node is there: /dev/dri/renderD*, /dev/nvidia0, /dev/dxg. */
  readonly gpuNode?: string;
  /** Manifests of Mesa's software driver. */
  readonly softwareDrivers: readonly string[];
}

/** @param wish as for `chooseAdapter`; @param kind of the adapter it chose, undefined where it found none */
export function readSituation(wish = process.env['FROSTLINE_ADAPTER'] || 'auto', kind?: AdapterKind): Situation {
  const { platform } = process;
  const nodes = ['/dev/nvidia0', '/dev/dri/renderD128', '/dev/dxg'];
  return {
    asked: wish !== 'auto',
    kind,
    platform,
    distribution: osRelease(),
    wsl: platform === 'linux' && /microsoft/i.test(readText('/proc/version')),
    gpuNode: platform === 'linux' ? nodes.find((node) => existsSync(node)) : undefined,
    softwareDrivers: installedSoftwareDrivers(),
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function osRelease(): Record<string, string> {
  const lines = readText('/etc/os-release').matchAll(/^(\w+)="?([^"\n]*)"?$/gm);
  return Object.fromEntries([...lines].map(([, key, value]) => [key, value]));
}

/** Sentences to be read in order; empty where a hardware adapter is in use. */
export function advise(situation: Situation): string[] {
  const { asked, kind, platform, gpuNode, wsl, softwareDrivers } = situation;
  if (kind === 'hardware') return [];
  if (asked) return ["The adapter was asked for by name; 'frostline doctor --adapter auto' shows the best there is."];
  if (platform !== 'linux') return kind === undefined ? [elsewhere(platform)] : [];
  const advice: string[] = [];
  if (wsl) {
    advice.push(
      "This is WSL: the GPU's own Vulkan driver is not there. Run frostline under Windows to use the GPU (Direct3D 12); here Mesa's software driver is the one to use.",
    );
  } else if (gpuNode !== undefined) {
    advice.push(
      `There is a GPU (${gpuNode}), but no Vulkan driver of it that WebGPU accepts. NVIDIA: install the vendor's driver with its Vulkan part (in containers set NVIDIA_DRIVER_CAPABILITIES=all); AMD and Intel: ${installMesa(situation)}`,
    );
  }
  if (kind === 'software') return advice;
  const state = kind === undefined ? 'No adapter was found' : 'The embedded driver works but is slow';
  if (softwareDrivers.length > 0) {
    advice.push(
      `${state}. Mesa's software driver is installed (${softwareDrivers.join(', ')}) and was not taken: WebGPU refuses Mesa before 23. ${installMesa(situation)}`,
    );
  } else {
    advice.push(
      `${state}. Install Mesa's software driver, lavapipe, which is many times as fast as the embedded one: ${installMesa(situation)}`,
    );
  }
  if (kind === undefined) {
    advice.push(
      'On Linux x64 the embedded driver needs nothing but its npm package: npm install --include=optional, then --adapter embedded.',
    );
  }
  return advice;
}

function elsewhere(platform: NodeJS.Platform): string {
  switch (platform) {
    case 'darwin':
      return 'On macOS WebGPU runs on Metal, which every Mac of today has: check that this is no virtual machine without a GPU.';
    case 'win32':
      return "On Windows WebGPU runs on Direct3D 12: update the GPU's driver.";
    default:
      return `There is no build of the package webgpu for ${platform}: use Linux, macOS or Windows.`;
  }
}

/** The command that installs a Mesa of 23 or newer, with lavapipe and the drivers of AMD and Intel. */
function installMesa({ distribution }: Situation): string {
  const { ID = '', ID_LIKE = '', VERSION_CODENAME = '', VERSION_ID = '' } = distribution;
  const family = [ID, ...ID_LIKE.split(' ')];
  if (ID === 'debian' && VERSION_CODENAME === 'bookworm') {
    return 'enable bookworm-backports, then: sudo apt install -t bookworm-backports mesa-vulkan-drivers (plain Debian 12 has Mesa 22.3, which is too old).';
  }
  if (ID === 'ubuntu' && Number.parseFloat(VERSION_ID) < 24) {
    return 'sudo apt update && sudo apt install mesa-vulkan-drivers, and see that it is version 23 or newer (apt policy mesa-vulkan-drivers); Ubuntu 24.04 has a newer one.';
  }
  if (family.includes('debian') || family.includes('ubuntu')) return 'sudo apt install mesa-vulkan-drivers.';
  if (family.includes('fedora') || family.includes('rhel')) return 'sudo dnf install mesa-vulkan-drivers.';
  if (family.includes('arch')) {
    return 'sudo pacman -S vulkan-swrast (lavapipe), vulkan-radeon (AMD) or vulkan-intel (Intel).';
  }
  if (family.includes('suse') || family.includes('opensuse')) return 'sudo zypper install libvulkan_lvp.';
  if (ID === 'alpine') {
    return 'WebGPU for Node is built for glibc, and Alpine has musl: use an image of Debian, Ubuntu or Fedora.';
  }
  return "install your distribution's Mesa Vulkan drivers, version 23 or newer (mesa-vulkan-drivers in Debian, Ubuntu and Fedora).";
}
