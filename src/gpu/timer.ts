/** The device's own clock around one compute pass: two timestamps, read back after the submit. */
import type { Gpu } from './device.ts';

const STAMP_BYTES = 8;
const USAGE = { copySource: 0x04, queryResolve: 0x200 } as const;

/** Stamps the beginning and the end of a compute pass. */
export class PassTimer {
  readonly timestampWrites: GPUComputePassTimestampWrites;
  private readonly querySet: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private readonly readback: GPUBuffer;
  private readonly gpu: Gpu;

  /** A timer, or nothing where the adapter has no timestamps. */
  static on(gpu: Gpu): PassTimer | undefined {
    return gpu.hasTimestamps ? new PassTimer(gpu) : undefined;
  }

  private constructor(gpu: Gpu) {
    this.gpu = gpu;
    const size = 2 * STAMP_BYTES;
    this.querySet = gpu.device.createQuerySet({ label: 'timestamps', type: 'timestamp', count: 2 });
    this.resolved = gpu.device.createBuffer({
      label: 'timestamps',
      size,
      usage: USAGE.queryResolve | USAGE.copySource,
    });
    this.readback = gpu.readback('timestamps (read back)', size);
    this.timestampWrites = { querySet: this.querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  }

  /** Records, after the pass, the copy that `milliseconds` reads. */
  resolve(encoder: GPUCommandEncoder): void {
    encoder.resolveQuerySet(this.querySet, 0, 2, this.resolved, 0);
    encoder.copyBufferToBuffer(this.resolved, 0, this.readback, 0, 2 * STAMP_BYTES);
  }

  /**
   * The last submitted pass's time; waits for it. Drivers round timestamps (to 100 microseconds, some): time passes of
   * 10 ms or more.
   */
  async milliseconds(): Promise<number> {
    await this.gpu.wait(this.readback.mapAsync(0x1));
    const [start, end] = new BigUint64Array(this.readback.getMappedRange());
    const nanoseconds = Number(end - start);
    this.readback.unmap();
    return nanoseconds / 1e6;
  }

  destroy(): void {
    this.querySet.destroy();
    this.resolved.destroy();
    this.gpu.release(this.readback);
  }
}

/** Timestamps of every pass of a program that is recorded a dispatch a pass: for traces. */
export class PassTimers {
  private readonly querySet: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private readonly count: number;
  private readonly gpu: Gpu;

  constructor(gpu: Gpu, passes: number) {
    this.gpu = gpu;
    this.count = 2 * passes;
    this.querySet = gpu.device.createQuerySet({ label: 'timestamps', type: 'timestamp', count: this.count });
    this.resolved = gpu.device.createBuffer({
      label: 'timestamps',
      size: STAMP_BYTES * this.count,
      usage: USAGE.queryResolve | USAGE.copySource,
    });
  }

  /** Of pass i. */
  writes(i: number): GPUComputePassTimestampWrites {
    return { querySet: this.querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
  }

  resolve(encoder: GPUCommandEncoder): void {
    encoder.resolveQuerySet(this.querySet, 0, this.count, this.resolved, 0);
  }

  /** Milliseconds from the first pass's beginning: [begin, end] of each pass of the last submit. */
  async spans(): Promise<[number, number][]> {
    const readback = this.gpu.readback('timestamps (read back)', STAMP_BYTES * this.count);
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.resolved, 0, readback, 0, STAMP_BYTES * this.count);
    this.gpu.device.queue.submit([encoder.finish()]);
    await this.gpu.wait(readback.mapAsync(0x1));
    const stamps = new BigUint64Array(readback.getMappedRange().slice(0));
    this.gpu.release(readback);
    const at = (i: number) => Number(stamps[i] - stamps[0]) / 1e6;
    return Array.from({ length: this.count / 2 }, (_, i) => [at(2 * i), at(2 * i + 1)]);
  }

  destroy(): void {
    this.querySet.destroy();
    this.resolved.destroy();
  }
}
