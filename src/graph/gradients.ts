/**
 * Gradients while backward is emitted: where each lies, and how many operations are still to contribute to it. The first
 * that contributes writes it; what others contribute is added (input-gradients.ts).
 */
import type { Gpu } from '../gpu/device.ts';
import { Storage } from '../gpu/storage.ts';
import { addAccumulate } from '../kernels/add/add.ts';
import { fillConstant } from '../kernels/fill/fill.ts';
import type { Analysis } from './analysis.ts';
import type { Run } from './operation.ts';
import type { Storages } from './storages.ts';
import { contributions } from './tape.ts';
import { Parameter, type Tensor } from './tensor.ts';
import { flatWindows, rows } from './windows.ts';

export class Gradients {
  private readonly gpu: Gpu;
  private readonly storages: Storages;
  private readonly asked: readonly Tensor[];
  private readonly places = new Map<Tensor, Storage>();
  private readonly pending: Map<Tensor, number>;

  /** @param asked those that are to be read after a run */
  constructor(
    gpu: Gpu,
    storages: Storages,
    { operations, needed }: Pick<Analysis, 'operations' | 'needed'>,
    asked: readonly Tensor[],
  ) {
    this.gpu = gpu;
    this.storages = storages;
    this.asked = asked;
    this.pending = contributions(operations, needed);
  }

  /** Where each lies by now. */
  get all(): ReadonlyMap<Tensor, Storage> {
    return this.places;
  }

  of(tensor: Tensor): Storage | undefined {
    return this.places.get(tensor);
  }

  has(tensor: Tensor): boolean {
    return this.places.has(tensor);
  }

  isAsked(tensor: Tensor): boolean {
    return this.asked.includes(tensor);
  }

  /** Whether all of a gradient comes from one operation that has not given it yet, and nobody is to read it. */
  isOfOne(tensor: Tensor): boolean {
    return !this.isAsked(tensor) && !this.has(tensor) && this.pending.get(tensor) === 1;
  }

  /** Says that one operation has contributed. @returns whether that was the last one */
  contributed(tensor: Tensor): boolean {
    const left = this.pending.get(tensor)! - 1;
    this.pending.set(tensor, left);
    return left <= 0;
  }

  /** Says that a gradient is what lies there. */
  set(tensor: Tensor, storage: Storage): void {
    this.places.set(tensor, storage);
  }

  /** Makes room for a gradient. */
  place(tensor: Tensor): Storage {
    const storage = this.room(tensor);
    this.places.set(tensor, storage);
    return storage;
  }

  /** Makes room for a gradient, and writes zeros there. */
  placeZero(tensor: Tensor, run: Run): void {
    const storage = this.place(tensor);
    for (const window of flatWindows(this.gpu, tensor.size)) {
      run(fillConstant, { count: window.count, value: 0 }, { y: rows(storage, 4, window) });
    }
  }

  /** Makes room for a gradient of its own, with what lies elsewhere: 0 + dy. */
  placeCopy(tensor: Tensor, dy: Storage, run: Run): void {
    // A pinned buffer starts as zeros only for the first run, so it is cleared on the device before each sum.
    this.placeZero(tensor, run);
    this.add(tensor, dy, run);
  }

  /** Adds to a gradient. */
  add(tensor: Tensor, addition: Storage, run: Run): void {
    for (const window of flatWindows(this.gpu, tensor.size)) {
      const views = { a: rows(addition, 4, window), y: rows(this.places.get(tensor)!, 4, window) };
      run(addAccumulate, { count: window.count }, views);
    }
  }

  private room(tensor: Tensor): Storage {
    const label = `gradient of ${tensor.name}`;
    if (this.isAsked(tensor)) return this.storages.pin(label, tensor.bytes);
    if (tensor instanceof Parameter) return new Storage(label, tensor.bytes);
    return this.storages.activation(label, tensor.bytes, this.gpu.precision);
  }
}
