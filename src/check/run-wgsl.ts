/** Runs anybody's WGSL once: buffers with guards, a bind group in the order given, a dispatch of a given shape. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Pipeline } from '../gpu/pipelines.ts';
import type { Storage } from '../gpu/storage.ts';
import { type FieldType, writeField } from '../kernels/field.ts';
import { GUARD_BITS, RUBBISH, type Words } from '../kernels/run.ts';
import type { WgslBinding, WgslCheck } from './check-wgsl.ts';

/** Words of a guard before and behind each binding: as many as any adapter's alignment of offsets. */
const GUARD_WORDS = 64;
const ALIGNMENT = 4 * GUARD_WORDS;
const OTHER_RUBBISH = 0xc2f1_0a37;
/** Beside what is written: a number, for NaN that is read beyond an end and written beyond another keeps its bits. */
const WRITTEN_GUARD = 0x4c1f_83b5;

export interface WgslOutputs {
  /** the written bindings' words */
  readonly words: Readonly<Record<string, Uint32Array<ArrayBuffer>>>;
  readonly integers: ReadonlySet<string>;
  /** what was written beside them, if anything was */
  readonly damage: string | undefined;
}

export interface WgslRun {
  readonly workgroups: readonly [number, number?, number?];
  /** bindings reach over the guards behind them, where a write out of bounds is then seen and not held back */
  readonly reach?: boolean;
  readonly rubbish?: 'other';
}

interface Placed {
  readonly name: string;
  readonly buffer: GPUBuffer;
  /** none of a uniform buffer, which nobody reads back */
  readonly storage?: Storage;
  readonly length: number;
}

export class WgslKernel {
  private readonly gpu: Gpu;
  private readonly check: WgslCheck;

  constructor(gpu: Gpu, check: WgslCheck) {
    this.gpu = gpu;
    this.check = check;
  }

  pipeline(): Promise<Pipeline> {
    const accesses = Object.values(this.check.bindings).map(({ access }) => access);
    // Somebody else's text: what is wrong with it is theirs to mend.
    return this.gpu.pipelines.get('the kernel under check', this.check.code, accesses).catch(({ message }) => {
      throw new FrostlineError(message);
    });
  }

  async run(inputs: Readonly<Record<string, Words>>, { workgroups, reach, rubbish }: WgslRun): Promise<WgslOutputs> {
    const { gpu, check } = this;
    const { pipeline, layout } = await this.pipeline();
    const entries = Object.entries(check.bindings);
    const fill = rubbish === 'other' ? OTHER_RUBBISH : RUBBISH;
    const placed = entries.map(([name, binding]): Placed => {
      const contents =
        binding.access === 'uniform' ? this.uniform(binding.fields) : contentsOf(name, binding, inputs, fill);
      return this.place(name, contents, binding.access);
    });
    try {
      const resources = placed.map(({ buffer, length }, i) => {
        const uniform = entries[i][1].access === 'uniform';
        const words = length + (reach && !uniform ? GUARD_WORDS : 0);
        return { binding: i, resource: { buffer, offset: uniform ? 0 : ALIGNMENT, size: 4 * words } };
      });
      const bindGroup = gpu.device.createBindGroup({ layout, entries: resources });
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...(workgroups as [number, number?, number?]));
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      return await this.outputs(placed);
    } finally {
      for (const { buffer } of placed) gpu.release(buffer);
    }
  }

  private async outputs(placed: readonly Placed[]): Promise<WgslOutputs> {
    const words: Record<string, Uint32Array<ArrayBuffer>> = {};
    const integers = new Set<string>();
    let damage: string | undefined;
    for (const { name, storage, length } of placed) {
      const binding = this.check.bindings[name];
      if (binding.access !== 'write') continue;
      const all = new Uint32Array(await this.gpu.read(storage!));
      const behind = all.subarray(GUARD_WORDS + length, 2 * GUARD_WORDS + length);
      const at = behind.findIndex((word) => word !== WRITTEN_GUARD);
      if (at >= 0) damage ??= `${name}: wrote at ${length + at}; it has ${length} values`;
      words[name] = all.slice(GUARD_WORDS, GUARD_WORDS + length);
      if ('values' in binding ? binding.values instanceof Uint32Array : binding.type === 'u32') integers.add(name);
    }
    return { words, integers, damage };
  }

  /** Between guards; those beside what is read are NaN. */
  private place(name: string, contents: Uint32Array<ArrayBuffer>, access: WgslBinding['access']): Placed {
    if (access === 'uniform')
      return { name, buffer: this.gpu.uniforms(name, new Uint8Array(contents.buffer)), length: contents.length };
    const words = new Uint32Array(contents.length + 2 * GUARD_WORDS).fill(
      access === 'read' ? GUARD_BITS : WRITTEN_GUARD,
    );
    words.set(contents, GUARD_WORDS);
    const storage = this.gpu.storage(name, words);
    return { name, buffer: storage.buffer!, storage, length: contents.length };
  }

  private uniform(fields: Readonly<Record<string, FieldType>>): Uint32Array<ArrayBuffer> {
    const names = Object.keys(fields);
    const view = new DataView(new ArrayBuffer(16 * Math.ceil(names.length / 4)));
    names.forEach((name, i) => {
      const value = this.check.params?.[name];
      if (value === undefined)
        throw new FrostlineError(`checkWgsl: params has no ${name}, a field of the uniform struct.`);
      writeField(view, 4 * i, 'checkWgsl', [name, fields[name]], value);
    });
    return new Uint32Array(view.buffer);
  }
}

function contentsOf(
  name: string,
  binding: Exclude<WgslBinding, { access: 'uniform' }>,
  inputs: Readonly<Record<string, Words>>,
  rubbish: number,
): Uint32Array<ArrayBuffer> {
  const given = inputs[name];
  if (given !== undefined) return new Uint32Array(given.slice().buffer);
  if (!('length' in binding)) throw new FrostlineError(`checkWgsl: binding ${name} has no values.`);
  return new Uint32Array(binding.length).fill(rubbish);
}
