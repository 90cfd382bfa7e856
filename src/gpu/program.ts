/**
 * A static list of dispatches, prepared once and encoded many times: pipelines, bind groups and one uniform buffer with
 * every dispatch's parameters in a slot of its own.
 */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from './device.ts';
import { bufferOn } from './owners.ts';
import type { BindingAccess, Pipeline } from './pipelines.ts';
import { splitOffset, type View } from './storage.ts';
import { type PassTimer, PassTimers } from './timer.ts';
import { warmUp } from './warm-up.ts';

/** One storage binding of a dispatch: a view, read or written. */
export interface Binding {
  readonly access: Exclude<BindingAccess, 'uniform'>;
  readonly view: View;
}

/** One run of one kernel, complete but for its buffers. */
export interface Dispatch {
  /** kernel, variant and what it works on; named when the device reports an error */
  readonly label: string;
  /** the kernel's final text; binding 0 is the uniform parameter struct */
  readonly source: string;
  readonly uniforms: Uint8Array<ArrayBuffer>;
  readonly bindings: readonly Binding[];
  /** number of workgroups, one long row; folded here where it passes the limit of a dimension */
  readonly workgroups: number;
}

/** workgroup index = x + y * (number in x): the only place where a long row is folded. */
export function foldWorkgroups(count: number, limit: number, label = 'a dispatch'): [number, number] {
  if (count <= limit) return [count, 1];
  const rows = Math.ceil(count / limit);
  if (rows > limit) {
    throw new FrostlineError(
      `${label}: ${count} workgroups pass the adapter's ${limit} x ${limit}. Use a smaller batch or smaller images.`,
    );
  }
  return [Math.ceil(count / rows), rows];
}

interface Prepared {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number];
}

/** A static list of dispatches with their pipelines and bind groups, encoded as often as wanted. */
export class Program {
  readonly dispatches: readonly Dispatch[];
  private readonly gpu: Gpu;
  private readonly prepared: readonly Prepared[];
  private readonly uniforms: GPUBuffer;

  private constructor(gpu: Gpu, dispatches: readonly Dispatch[], prepared: readonly Prepared[], uniforms: GPUBuffer) {
    this.gpu = gpu;
    this.dispatches = dispatches;
    this.prepared = prepared;
    this.uniforms = uniforms;
  }

  /** Compiles all pipelines in parallel, warms them up, and binds. Every storage must have its buffer by now. */
  static async prepare(gpu: Gpu, dispatches: readonly Dispatch[]): Promise<Program> {
    const compiling = dispatches.map((dispatch) =>
      gpu.pipelines.get(dispatch.label, dispatch.source, [
        'uniform',
        ...dispatch.bindings.map((binding) => binding.access),
      ]),
    );
    const { offsets, bytes } = packUniforms(dispatches, gpu.limits.offsetAlignment);
    const uniforms = gpu.uniforms('parameters', bytes);
    try {
      const warming = warmUp(gpu, dispatches);
      const [pipelines] = await Promise.all([Promise.all(compiling), warming]);
      const prepared = dispatches.map((dispatch, i) => bind(gpu, dispatch, pipelines[i], uniforms, offsets[i]));
      return new Program(gpu, dispatches, prepared, uniforms);
    } catch (error) {
      gpu.release(uniforms);
      throw error;
    }
  }

  /** Records every dispatch, in order, into one compute pass; a timer stamps its beginning and end. */
  encode(encoder: GPUCommandEncoder, timer?: PassTimer): void {
    const pass = encoder.beginComputePass({ timestampWrites: timer?.timestampWrites });
    for (const { pipeline, bindGroup, workgroups } of this.prepared) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(workgroups[0], workgroups[1]);
    }
    pass.end();
  }

  /** Encodes and submits once. */
  submit(timer?: PassTimer): void {
    const encoder = this.gpu.device.createCommandEncoder();
    this.encode(encoder, timer);
    timer?.resolve(encoder);
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /**
   * Runs once, every dispatch in a pass of its own between two timestamps.
   * @returns beginning and end of each dispatch, milliseconds from the first one's beginning
   */
  async trace(): Promise<[number, number][]> {
    const timers = new PassTimers(this.gpu, this.prepared.length);
    try {
      const encoder = this.gpu.device.createCommandEncoder();
      this.prepared.forEach(({ pipeline, bindGroup, workgroups }, i) => {
        const pass = encoder.beginComputePass({ timestampWrites: timers.writes(i) });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(workgroups[0], workgroups[1]);
        pass.end();
      });
      timers.resolve(encoder);
      this.gpu.device.queue.submit([encoder.finish()]);
      return await timers.spans();
    } finally {
      timers.destroy();
    }
  }

  destroy(): void {
    this.gpu.release(this.uniforms);
  }
}

function packUniforms(dispatches: readonly Dispatch[], alignment: number) {
  const offsets: number[] = [];
  let size = 0;
  for (const { uniforms } of dispatches) {
    offsets.push(size);
    size += Math.ceil(uniforms.byteLength / alignment) * alignment;
  }
  const bytes = new Uint8Array(size);
  dispatches.forEach(({ uniforms }, i) => {
    bytes.set(uniforms, offsets[i]);
  });
  return { offsets, bytes };
}

function bind(
  gpu: Gpu,
  dispatch: Dispatch,
  { pipeline, layout }: Pipeline,
  uniforms: GPUBuffer,
  offset: number,
): Prepared {
  const storages = dispatch.bindings.map(({ view }) => {
    const { aligned, rest } = splitOffset(view.offset, gpu.limits.offsetAlignment);
    const size = Math.ceil((view.bytes + rest) / 4) * 4;
    if (size > gpu.limits.maxBinding) {
      throw new FrostlineError(
        `${dispatch.label}: ${view.storage.label} binds ${size} bytes; the adapter allows ${gpu.limits.maxBinding}. ` +
          'Use a smaller batch.',
      );
    }
    return { buffer: bufferOn(gpu.device, dispatch.label, view.storage), offset: aligned, size };
  });
  checkSharing(dispatch, storages);
  const resources = [{ buffer: uniforms, offset, size: dispatch.uniforms.byteLength }, ...storages];
  return {
    pipeline,
    bindGroup: gpu.device.createBindGroup({
      label: dispatch.label,
      layout,
      entries: resources.map((resource, binding) => ({ binding, resource })),
    }),
    workgroups: foldWorkgroups(dispatch.workgroups, gpu.limits.maxWorkgroups, dispatch.label),
  };
}

/** Refuses what one dispatch must not do with one buffer: write and read it, or write two ranges that overlap. */
function checkSharing(
  { label, bindings }: Dispatch,
  ranges: readonly { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number }[],
): void {
  for (const [i, { access, view }] of bindings.entries()) {
    if (access !== 'write') continue;
    const own = ranges[i];
    const other = bindings.findIndex((one, k) => {
      const { buffer, offset, size } = ranges[k];
      if (k === i || buffer !== own.buffer) return false;
      return one.access === 'read' || (offset < own.offset + own.size && own.offset < offset + size);
    });
    if (other < 0) continue;
    const also = bindings[other].access === 'read' ? 'read' : 'written a second time';
    throw new FrostlineError(
      `${label}: ${view.storage.label} is written (binding ${i + 1}) and ${also} (binding ${other + 1}) by one dispatch. ` +
        'Write to another storage.',
    );
  }
}
