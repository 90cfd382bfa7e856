/**
 * The memory of a graph while it is compiled. What has a buffer of its own is made here, and the graph owns it: it frees
 * these when it is destroyed, or when compiling fails. Activations are only noted: they get buffers when all lives are
 * known, and share them (memory.ts).
 */
import type { Gpu } from '../gpu/device.ts';
import { bufferOf, type Precision, Storage } from '../gpu/storage.ts';
import { STEP_WORDS } from '../kernels/step.ts';

export class Storages {
  /** inputs, outputs, constants */
  readonly pinned: Storage[] = [];
  /** copies of parameters, in other layouts or as halves */
  readonly packed: Storage[] = [];
  /** what optimizers keep from step to step, in the order in which updates were emitted */
  readonly momentum: Storage[] = [];
  /** values, what is saved of them, and gradients of values, as far as they are not pinned */
  readonly activations = new Set<Storage>();
  /** the rates, the step's number and the seed: kernels/step.ts */
  readonly step: Storage;
  private readonly gpu: Gpu;

  constructor(gpu: Gpu) {
    this.gpu = gpu;
    this.step = this.pin('step', new Uint32Array(STEP_WORDS));
  }

  /** @param contents or so many bytes */
  pin(label: string, contents: number | ArrayBufferView<ArrayBuffer>): Storage {
    return this.own(this.pinned, this.gpu.storage(label, contents));
  }

  pack(label: string, bytes: number, precision: Precision): Storage {
    return this.own(this.packed, this.gpu.storage(label, bytes, precision));
  }

  /** Zero at first, cleared by `resetMomentum`, part of `readState`. */
  keepMomentum(label: string, bytes: number, precision: Precision): Storage {
    return this.own(this.momentum, this.gpu.storage(label, bytes, precision));
  }

  activation(label: string, bytes: number, precision: Precision = 'f32'): Storage {
    const storage = new Storage(label, bytes, { precision });
    this.activations.add(storage);
    return storage;
  }

  /** The buffers of all that has its own. */
  get buffers(): GPUBuffer[] {
    return [...this.pinned, ...this.packed, ...this.momentum].map(bufferOf);
  }

  private own(list: Storage[], storage: Storage): Storage {
    list.push(storage);
    return storage;
  }
}
