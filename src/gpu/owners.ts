/**
 * Which device a buffer is of, and whether it is still there. WebGPU tells of neither before it is used, and then nothing
 * runs on the device any more. A buffer that the caller brought, or destroyed past `Gpu.release`, is not known here.
 */
import { describeValue, type Expectation } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { bufferOf, type Storage } from './storage.ts';

const RELEASED = Symbol('released');
const owners = new WeakMap<GPUBuffer, GPUDevice | typeof RELEASED>();

/** Notes that the buffer was allocated on the device. */
export function own(buffer: GPUBuffer, device: GPUDevice): void {
  owners.set(buffer, device);
}

/**
 * Notes that it is released.
 * @returns whether it was there until now
 * @throws FrostlineError for what was not allocated on the device
 */
export function disown(buffer: GPUBuffer, device: GPUDevice): boolean {
  const owner = typeof buffer === 'object' && buffer !== null ? owners.get(buffer) : undefined;
  if (owner === RELEASED) return false;
  if (owner !== device) {
    throw new FrostlineError(
      `release: ${describeValue(buffer)} was not allocated on this device. ` +
        'Give storage.buffer of a storage that gpu.storage() made here.',
    );
  }
  owners.set(buffer, RELEASED);
  return true;
}

/** The buffer of a storage. @throws FrostlineError where it was released, or is another device's */
export function bufferOn(device: GPUDevice, what: string, storage: Storage): GPUBuffer {
  const buffer = bufferOf(storage);
  const owner = owners.get(buffer) ?? device;
  if (owner === device) return buffer;
  throw new FrostlineError(
    owner === RELEASED
      ? `${what}: the buffer of ${storage.label} was released. Make another by gpu.storage().`
      : `${what}: ${storage.label} is on another device. Give a storage of the one that computes.`,
  );
}

/** Buffers of a device that were not released. */
export const buffersOf = (device: GPUDevice): Expectation => ({
  is: (value) => Array.isArray(value) && value.every((one) => Object(one) === one && owners.get(one) === device),
  words: 'a list of buffers that were allocated on this device and not released',
});
