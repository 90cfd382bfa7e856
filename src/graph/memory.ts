/**
 * Buffers for transient storages. Each lives from its first dispatch to its last; two whose lives do not meet may share
 * one buffer. Greedy by size, each into the smallest free buffer that holds it (Pisarchyk and Lee 2020, "Efficient
 * Memory Management for Deep Neural Net Inference", shared objects). Whole buffers are shared, not ranges of one, since
 * WebGPU forbids a buffer that one dispatch both reads and writes.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Dispatch } from '../gpu/program.ts';
import type { Storage } from '../gpu/storage.ts';

interface Life {
  readonly storage: Storage;
  first: number;
  last: number;
}

interface Shared {
  readonly bytes: number;
  readonly lives: Life[];
}

/** The lives of the storages without a buffer. */
function livesOf(dispatches: readonly Dispatch[]): Life[] {
  const lives = new Map<Storage, Life>();
  dispatches.forEach(({ bindings }, i) => {
    for (const { view } of bindings) {
      if (view.storage.buffer !== undefined) continue;
      const life = lives.get(view.storage);
      if (life === undefined) lives.set(view.storage, { storage: view.storage, first: i, last: i });
      else life.last = i;
    }
  });
  return [...lives.values()];
}

/** The most bytes of these storages, as far as they have no buffer, that live at one time. Before `assignBuffers`. */
export function mostAlive(dispatches: readonly Dispatch[], counted: ReadonlySet<Storage>): number {
  const change = new Float64Array(dispatches.length + 1);
  for (const { storage, first, last } of livesOf(dispatches)) {
    if (!counted.has(storage)) continue;
    change[first] += storage.bytes;
    change[last + 1] -= storage.bytes;
  }
  let [alive, most] = [0, 0];
  for (const bytes of change) most = Math.max(most, (alive += bytes));
  return most;
}

/** Gives every storage without a buffer one; returns the buffers made. */
export function assignBuffers(gpu: Gpu, dispatches: readonly Dispatch[]): GPUBuffer[] {
  const lives = livesOf(dispatches);
  const shared: Shared[] = [];
  for (const life of lives.sort((a, b) => b.storage.bytes - a.storage.bytes || a.first - b.first)) {
    // Largest first: every buffer made so far holds this one; the last made is the smallest.
    const free = shared.findLast(({ lives: taken }) =>
      taken.every((other) => other.last < life.first || life.last < other.first),
    );
    if (free !== undefined) free.lives.push(life);
    else shared.push({ bytes: life.storage.bytes, lives: [life] });
  }
  const buffers: GPUBuffer[] = [];
  try {
    for (const { bytes, lives: sharing } of shared) {
      const label = sharing.map(({ storage }) => storage.label).join(' | ');
      const buffer = gpu.allocate(label.length > 200 ? `${label.slice(0, 200)}...` : label, bytes);
      buffers.push(buffer);
      for (const { storage } of sharing) storage.buffer = buffer;
    }
  } catch (error) {
    for (const buffer of buffers) gpu.release(buffer);
    throw error;
  }
  return buffers;
}
