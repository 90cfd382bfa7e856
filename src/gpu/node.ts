/**
 * The only import of Dawn's Node bindings. The object that `create` makes owns the Vulkan instance: it stays referenced
 * by every `Gpu` opened from it and is never put on `globalThis`, or node would not exit.
 */
import { create } from 'webgpu';

export interface Instance {
  readonly gpu: GPU;
}

/** A new Dawn instance. It reads VK_ICD_FILENAMES now, so set that first. */
export function createInstance(flags: string[] = []): Instance {
  return { gpu: create(flags) };
}
