/**
 * The only import of Dawn's Node bindings. The object that `create` makes owns the Vulkan instance: it stays referenced
 * by every `Gpu` opened from it and is never put on `globalThis`, or node would not exit.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { create, globals } from 'webgpu';

export interface Instance {
  readonly gpu: GPU;
}

/**
 * Dawn rounds timestamps to 65.536 microseconds, so that a web page cannot spy on what else the machine does. A native
 * program has the system's own clock, and what it times here is its own work: it takes the stamps as the driver has them.
 */
const FLAGS = [
  'disable-dawn-features=timestamp_quantization',
  // Dawn withholds shader-f16 from NVIDIA's drivers, some of which fail its own tests; only --precision f16 uses it.
  'enable-dawn-features=vulkan_enable_f16_on_nvidia',
];

/** Whether the matrix units of a GPU are asked for: WGSL that Dawn counts as experimental, and withholds without this. */
export const matricesWanted = (): boolean => process.env['FROSTLINE_SUBGROUP_MATRIX'] === '1';

const flagsWanted = () => [...FLAGS, ...(matricesWanted() ? ['enable-dawn-features=allow_unsafe_apis'] : [])];

/** A new Dawn instance. It reads VK_ICD_FILENAMES now, so set that first. */
export function createInstance(flags: readonly string[] = flagsWanted()): Instance {
  return { gpu: create([...flags]) };
}

/** An adapter as Dawn lists it. */
export interface ListedAdapter {
  /** 'vulkan', 'metal', 'd3d12', ... */
  readonly backend: string;
  readonly name: string;
}

/** What Dawn finds, in its order. It tells only where it is asked for a name that no adapter has. */
export async function listAdapters(): Promise<ListedAdapter[]> {
  const { gpu } = createInstance([...flagsWanted(), 'adapter=(none)']);
  const message = await gpu.requestAdapter().then(
    () => '',
    (error: unknown) => String(error),
  );
  return [...message.matchAll(/backend: '([^']*)', name: '(.*)'$/gm)].map(([, backend, name]) => ({ backend, name }));
}

/** An instance that gives this adapter alone. */
export const instanceOf = ({ backend, name }: ListedAdapter): Instance =>
  createInstance([...flagsWanted(), `backend=${backend}`, `adapter=${name}`]);

/** Version of the npm package `webgpu`: Dawn's. */
export function webgpuVersion(): string {
  const path = createRequire(import.meta.url).resolve('webgpu/package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

/** Gives libraries written for browsers what they look for: `navigator.gpu` and WebGPU's global names. */
export function offerAsNavigator({ gpu }: Instance): void {
  Object.assign(globalThis, globals);
  const found = (globalThis as { navigator?: object }).navigator;
  const navigator = found ?? { userAgent: 'node', hardwareConcurrency: availableParallelism() };
  Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true });
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
}
