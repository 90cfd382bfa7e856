/**
 * Operands beyond the last-level cache. A kernel that runs again and again on the same buffers finds them in the caches of a
 * GPU, of up to some 100 MB, and shows a bandwidth that no training step gets: there, other layers have been in between. So
 * repeated runs go round over copies of all that they bind, of which there are so many that a copy has left the caches
 * before its turn comes again.
 */
import type { AdapterKind } from '../gpu/adapter.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Dispatch } from '../gpu/program.ts';
import { bufferOf, Storage, shareOf, type View } from '../gpu/storage.ts';

/**
 * Bytes that all sets together pass: more than the last-level caches of GPUs but the very largest. On processors nothing is
 * rotated: their caches are the memory of other work, too, and copies of operands take it from that.
 */
const CACHE: Readonly<Record<AdapterKind, number>> = { hardware: 128 * 2 ** 20, software: 0, embedded: 0 };

/** Operands below 2 MiB stay in the cache: what a dispatch costs by itself is more than their bytes. */
const MOST_SETS = 64;

/** Copies of buffers, shared by all dispatches that bind the same ones. */
export class OperandSets {
  private readonly gpu: Gpu;
  private readonly copies = new Map<GPUBuffer, GPUBuffer[]>();

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  /** The dispatches once on each set, the first of which is what they bind; copies hold what that holds now. */
  of(dispatches: readonly Dispatch[]): (readonly Dispatch[])[] {
    const sets = Math.min(MOST_SETS, Math.floor(CACHE[this.gpu.kind] / Math.max(1, bytesOf(dispatches))) + 1);
    const copied = (view: View, set: number): View => ({ ...view, storage: this.copy(view.storage, set) });
    return Array.from({ length: sets }, (_, set) => {
      if (set === 0) return dispatches;
      return dispatches.map((dispatch) => ({
        ...dispatch,
        bindings: dispatch.bindings.map((binding) => ({ ...binding, view: copied(binding.view, set) })),
      }));
    });
  }

  release(): void {
    for (const buffer of [...this.copies.values()].flat()) this.gpu.release(buffer);
    this.copies.clear();
  }

  private copy(storage: Storage, set: number): Storage {
    const { label, bytes, precision } = storage;
    const own = bufferOf(storage);
    const known = this.copies.get(own) ?? [];
    this.copies.set(own, known);
    while (known.length < set) {
      const buffer = this.gpu.allocate(`${label}, set ${known.length + 1}`, own.size);
      known.push(buffer);
      const encoder = this.gpu.device.createCommandEncoder();
      encoder.copyBufferToBuffer(own, 0, buffer, 0, own.size);
      this.gpu.device.queue.submit([encoder.finish()]);
    }
    return new Storage(label, bytes / shareOf(precision), { precision, buffer: known[set - 1] });
  }
}

/** That the dispatches touch: of each buffer the ranges that are bound, or all of it where they are more. */
function bytesOf(dispatches: readonly Dispatch[]): number {
  const ranges = new Map<GPUBuffer, Map<number, number>>();
  for (const { view } of dispatches.flatMap(({ bindings }) => bindings)) {
    const buffer = bufferOf(view.storage);
    const known = ranges.get(buffer) ?? new Map<number, number>();
    ranges.set(buffer, known.set(view.offset, Math.max(view.bytes, known.get(view.offset) ?? 0)));
  }
  return [...ranges].reduce((total, [buffer, views]) => {
    const bound = [...views.values()].reduce((sum, bytes) => sum + bytes, 0);
    return total + Math.min(buffer.size, bound);
  }, 0);
}
