/**
 * Runs dispatches once on arrays, for tests, checks and benchmarks. Every output stands between guard values, at an
 * offset that no alignment rounds to, and the guards must survive.
 */
import type { Gpu } from '../gpu/device.ts';
import { type Dispatch, Program } from '../gpu/program.ts';
import type { View } from '../gpu/storage.ts';

/** Elements before and after each view; 67 leaves an offset that is no multiple of any alignment. */
export const GUARD = 67;
/** A NaN, so that a kernel that reads a guard spoils its output. */
export const GUARD_BITS = 0x7fc0_5eed;
/** What an output holds before it is written: it must not be taken for zero. */
export const RUBBISH = 0x4b1d_4b1d;

/** Values of a buffer, of 4 bytes each. */
export type Words = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

export class Bench {
  private readonly gpu: Gpu;
  private readonly views: View[] = [];

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  /** A view of these values between guards. @param vectors it begins at a whole vector of four, for texts that read such */
  put(label: string, values: Words, vectors = false): View {
    const start = vectors ? 4 * Math.ceil(GUARD / 4) : GUARD;
    const words = new Uint32Array(start + values.length + GUARD).fill(GUARD_BITS);
    words.set(new Uint32Array(values.buffer, values.byteOffset, values.length), start);
    const view = this.gpu.storage(label, words).view(4 * start, 4 * values.length);
    this.views.push(view);
    return view;
  }

  /** A view of `count` words of rubbish: an output must be written, not assumed to be zero. */
  room(label: string, count: number): View {
    return this.put(label, new Uint32Array(count).fill(RUBBISH));
  }

  async run(dispatches: readonly Dispatch[]): Promise<void> {
    const program = await Program.prepare(this.gpu, dispatches);
    program.submit();
    await this.gpu.idle();
    program.destroy();
  }

  /** The values of a view; throws where a guard around it was overwritten. */
  async words(view: View): Promise<ArrayBuffer> {
    const all = new Uint32Array(await this.gpu.read(view.storage));
    const start = view.offset / 4;
    const end = start + view.bytes / 4;
    all.forEach((word, i) => {
      if ((i < start || i >= end) && word !== GUARD_BITS) {
        throw new Error(`${view.storage.label}: a kernel wrote at element ${i - start}, outside 0..${end - start - 1}`);
      }
    });
    return all.slice(start, end).buffer;
  }

  async floats(view: View): Promise<Float32Array<ArrayBuffer>> {
    return new Float32Array(await this.words(view));
  }

  /** Releases everything that was put. */
  release(): void {
    for (const { storage } of this.views) {
      if (storage.buffer !== undefined) this.gpu.release(storage.buffer);
    }
    this.views.length = 0;
  }
}
