/**
 * The choice of an adapter: a hardware GPU; else an installed software Vulkan driver (Mesa's lavapipe); else the
 * embedded one. The choice is never silent: `Gpu.describe()` names what was taken.
 */
import { existsSync, readdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { loadEmbeddedDriver } from './embedded.ts';
import { createInstance, type Instance, instanceOf, type ListedAdapter, listAdapters, matricesWanted } from './node.ts';

/** A GPU, an installed driver in software (lavapipe), or the driver in software that comes with the package. */
export type AdapterKind = 'hardware' | 'software' | 'embedded';

export interface ChosenAdapter {
  readonly instance: Instance;
  readonly adapter: GPUAdapter;
  readonly kind: AdapterKind;
}

const ICD_VARIABLES = ['VK_ICD_FILENAMES', 'VK_DRIVER_FILES'] as const;

/** llvmpipe is lavapipe's device name; Dawn also marks CPU devices as fallback adapters. */
export function isSoftware(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|software/i.test(adapterName(info));
}

/** The device's name, its driver and its architecture in one line. */
export function adapterName(info: GPUAdapterInfo): string {
  return [info.device, info.description, info.vendor, info.architecture].filter((part) => part !== '').join(', ');
}

/** Manifests of software Vulkan drivers in the places where the Vulkan loader looks. */
export function installedSoftwareDrivers(): string[] {
  if (process.platform !== 'linux') return [];
  const folders = ['/usr/share', '/usr/local/share', '/etc', join(homedir(), '.local/share')];
  return folders
    .map((folder) => join(folder, 'vulkan/icd.d'))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
    .filter((file) => /(lvp|lavapipe|swiftshader).*\.json$/.test(file));
}

/** An instance gives the same adapter each time: it has looked for drivers once. */
export function requestAdapter({ gpu }: Instance): Promise<GPUAdapter | null> {
  return gpu.requestAdapter({ powerPreference: 'high-performance' });
}

/**
 * One Dawn instance for each driver, for as long as the process lives: an instance keeps threads and memory that nothing
 * gives back, so that one an opening would add up. Which drivers it finds is settled by these variables when it is made.
 */
const instances = new Map<string, Instance>();

const driversWanted = () =>
  JSON.stringify([...ICD_VARIABLES.map((name) => process.env[name] ?? null), matricesWanted()]);

function instanceOfDriver(): Instance {
  const key = driversWanted();
  const instance = instances.get(key) ?? createInstance();
  instances.set(key, instance);
  return instance;
}

/** The adapters that `vulkan:1` and the like name, by these names. */
export async function adaptersByIndex(): Promise<ReadonlyMap<string, ListedAdapter>> {
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
  const counts = new Map<string, number>();
  const named = (await listAdapters()).map((listed): [string, ListedAdapter] => {
    const index = counts.get(listed.backend) ?? 0;
    counts.set(listed.backend, index + 1);
    return [`${listed.backend}:${index}`, listed];
  });
  return new Map(named);
}

/** @param wish a backend and a number, as in `vulkan:1` */
async function adapterAt(wish: string): Promise<ChosenAdapter> {
  const key = `${wish} ${driversWanted()}`;
  const instance = instances.get(key) ?? (await instanceAt(wish));
  instances.set(key, instance);
  const adapter = await requestAdapter(instance);
  if (adapter === null) throw new FrostlineError(`The adapter ${wish} cannot be opened. Is its driver still there?`);
  return { instance, adapter, kind: isSoftware(adapter.info) ? 'software' : 'hardware' };
}

/** Looks through what Dawn lists, which takes an instance of its own: once for each wish. */
async function instanceAt(wish: string): Promise<Instance> {
  const listed = await adaptersByIndex();
  const wanted = listed.get(wish);
  const known = [...listed].map(([index, { name }]) => `${index} ${name}`).join('; ') || 'none';
  if (wanted === undefined) throw new FrostlineError(`There is no adapter ${wish}. Found: ${known}.`);
  const twins = [...listed.values()].filter(
    ({ backend, name }) => backend === wanted.backend && name === wanted.name,
  ).length;
  if (twins > 1) {
    throw new FrostlineError(
      `${twins} adapters are called ${wanted.name}, and Dawn chooses by name. Leave one of them to this process by the ` +
        'means of the system: MESA_VK_DEVICE_SELECT for Mesa; for others a container or a job that sees one card ' +
        "(docker --gpus device=1, Slurm's --gres=gpu:1 with cgroups). CUDA_VISIBLE_DEVICES does not count for Vulkan.",
    );
  }
  return instanceOf(wanted);
}

async function request(kind: AdapterKind | undefined, manifests?: string[]): Promise<ChosenAdapter | undefined> {
  const saved = ICD_VARIABLES.map((name) => process.env[name]);
  // Mesa asks for this folder and warns where it is unset.
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
  if (manifests !== undefined) for (const name of ICD_VARIABLES) process.env[name] = manifests.join(':');
  try {
    const instance = instanceOfDriver();
    const adapter = await requestAdapter(instance);
    if (adapter === null) return undefined;
    return { instance, adapter, kind: kind ?? (isSoftware(adapter.info) ? 'software' : 'hardware') };
  } finally {
    ICD_VARIABLES.forEach((name, i) => {
      if (saved[i] === undefined) delete process.env[name];
      else process.env[name] = saved[i];
    });
  }
}

const systemAdapter = () => request(undefined);

async function softwareAdapter(): Promise<ChosenAdapter | undefined> {
  const system = await systemAdapter();
  if (system?.kind === 'software') return system;
  const manifests = installedSoftwareDrivers();
  return manifests.length > 0 ? request('software', manifests) : undefined;
}

async function embeddedAdapter(): Promise<ChosenAdapter> {
  const chosen = await request('embedded', [await loadEmbeddedDriver()]);
  if (chosen === undefined) {
    throw new FrostlineError(
      'The embedded driver was unpacked but offers no adapter. Run `frostline doctor`; delete the cache folder ' +
        '(~/.cache/frostline, or FROSTLINE_CACHE) if it may be damaged.',
    );
  }
  return chosen;
}

/** Where nothing else was found, what is missing is not the embedded driver alone. */
async function embeddedAsLast(): Promise<ChosenAdapter> {
  try {
    return await embeddedAdapter();
  } catch (error) {
    if (!(error instanceof FrostlineError)) throw error;
    throw new FrostlineError(
      "No adapter: WebGPU found no GPU, and no software Vulkan driver is installed. Install the GPU's Vulkan driver, or " +
        `Mesa 23 or newer (Debian 12: mesa-vulkan-drivers from bookworm-backports). ${error.message}`,
    );
  }
}

/**
 * @param wish `auto`, `hardware`, `software`, `embedded`, a backend and a number (`vulkan:1`), or part of an adapter's name
 *   (any case);
 *   FROSTLINE_ADAPTER where it is left out
 * @throws FrostlineError when no such adapter can be had; it says what was found and what to install
 */
export async function chooseAdapter(wish = process.env['FROSTLINE_ADAPTER'] || 'auto'): Promise<ChosenAdapter> {
  switch (wish) {
    case 'auto':
      return (await systemAdapter()) ?? (await softwareAdapter()) ?? (await embeddedAsLast());
    case 'embedded':
      return embeddedAdapter();
    case 'hardware': {
      const found = await systemAdapter();
      if (found?.kind === 'hardware') return found;
      const instead = found === undefined ? 'none at all' : `only ${adapterName(found.adapter.info)}`;
      throw new FrostlineError(
        `No hardware adapter: WebGPU found ${instead}. Install the GPU's Vulkan driver, or use --adapter auto.`,
      );
    }
    case 'software': {
      const found = await softwareAdapter();
      if (found !== undefined) return found;
      throw new FrostlineError(
        'No installed software adapter. Install Mesa 23 or newer (Debian 12: mesa-vulkan-drivers from ' +
          'bookworm-backports), or use --adapter embedded.',
      );
    }
  }
  if (/^[a-z]\w*:\d+$/.test(wish)) return adapterAt(wish);
  const seen: string[] = [];
  for (const candidate of [systemAdapter, softwareAdapter, embeddedAdapter]) {
    const found = await candidate().catch(() => undefined);
    if (found === undefined) continue;
    const name = adapterName(found.adapter.info);
    if (name.toLowerCase().includes(wish.toLowerCase())) return found;
    seen.push(name);
  }
  throw new FrostlineError(
    `No adapter's name contains "${wish}". Found: ${[...new Set(seen)].join('; ') || 'none'}. ` +
      'Use auto, hardware, software, embedded, a backend and a number (vulkan:1), or part of one of these names.',
  );
}

/**
 * Environment variables that make another process's Vulkan loader take the same driver as an adapter of this kind, for
 * programs with a WebGPU of their own.
 */
export async function driverEnvironment(kind: AdapterKind): Promise<Record<string, string>> {
  const folder = { XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir() };
  if (kind === 'hardware') return folder;
  const manifests = kind === 'embedded' ? [await loadEmbeddedDriver()] : installedSoftwareDrivers();
  if (manifests.length === 0) return folder;
  return { ...folder, ...Object.fromEntries(ICD_VARIABLES.map((name) => [name, manifests.join(':')])) };
}
