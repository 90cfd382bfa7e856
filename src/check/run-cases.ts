/**
 * Runs many cases at once: all inputs lie in one buffer, all outputs in another, and one submission and one read-back
 * serve them all. Every output stands between guard values, at an offset that no alignment rounds to (but vectors', which
 * begin at multiples of their size), and the guards must survive; it begins as rubbish unless the kernel updates in place.
 */
import type { Gpu } from '../gpu/device.ts';
import { Program } from '../gpu/program.ts';
import type { View } from '../gpu/storage.ts';
import type { Choice, Kernel } from '../kernels/kernel.ts';
import { GUARD, GUARD_BITS, RUBBISH, type Words } from '../kernels/run.ts';
import type { KernelCase } from './case.ts';

export interface CaseRun {
  readonly testCase: Pick<KernelCase, 'name' | 'kernel' | 'params' | 'inputs' | 'outputs'>;
  readonly choice: Choice;
}

export interface CaseOutput {
  /** the outputs' words */
  readonly words: Readonly<Record<string, Uint32Array<ArrayBuffer>>>;
  /** what the run wrote beside its outputs, if it did */
  readonly damage: string | undefined;
}

/** Beside inputs: another NaN than beside outputs, or what is read beyond one and written beyond the other goes unseen. */
const INPUT_GUARD_BITS = 0x7fc1_0ab3;

/** Places for arrays of words one after another, guards between them. */
class Arena {
  private readonly guard: number;
  private readonly parts: { readonly start: number; readonly contents: number | Words }[] = [];
  private end = GUARD;

  constructor(guard: number) {
    this.guard = guard;
  }

  /** @returns the element at which it begins, a multiple of `alignment` */
  add(contents: number | Words, alignment: number): number {
    const start = Math.ceil(this.end / alignment) * alignment;
    this.parts.push({ start, contents });
    this.end = start + (typeof contents === 'number' ? contents : contents.length) + GUARD;
    return start;
  }

  words(): Uint32Array<ArrayBuffer> {
    const words = new Uint32Array(this.end).fill(this.guard);
    for (const { start, contents } of this.parts) {
      if (typeof contents === 'number') words.fill(RUBBISH, start, start + contents);
      else words.set(new Uint32Array(contents.buffer, contents.byteOffset, contents.length), start);
    }
    return words;
  }
}

interface Place {
  readonly start: number;
  readonly length: number;
}

/** Runs each, in order; a case that occurs several times brings its inputs once. */
export async function runCases(gpu: Gpu, runs: readonly CaseRun[]): Promise<CaseOutput[]> {
  const [inputs, outputs] = [new Arena(INPUT_GUARD_BITS), new Arena(GUARD_BITS)];
  const read = new Map<CaseRun['testCase'], Record<string, Place>>();
  const written = runs.map(({ testCase }) => {
    if (!read.has(testCase)) read.set(testCase, place(inputs, testCase.kernel, testCase.inputs));
    return place(outputs, testCase.kernel, testCase.outputs);
  });
  const source = gpu.storage('inputs of cases', inputs.words());
  const target = gpu.storage('outputs of cases', outputs.words());
  const viewOf = (storage: typeof source, { start, length }: Place): View => storage.view(4 * start, 4 * length);
  try {
    const dispatches = runs.map(({ testCase, choice }, i) => {
      const { kernel, params, name } = testCase;
      const views = Object.fromEntries(
        Object.keys(kernel.bindings).map((binding) => {
          const [own, given] = [written[i][binding], read.get(testCase)![binding]];
          if (own === undefined && given === undefined) throw new Error(`${name}: no contents for binding ${binding}`);
          return [binding, own === undefined ? viewOf(source, given) : viewOf(target, own)];
        }),
      );
      return kernel.dispatch(gpu, params, views, choice);
    });
    const program = await Program.prepare(gpu, dispatches);
    program.submit();
    const all = new Uint32Array(await gpu.read(target));
    program.destroy();
    return runs.map((_, i) => {
      const places = Object.entries(written[i]);
      const damaged = places.find(([, { start, length }]) => !guarded(all, start, length));
      return {
        words: Object.fromEntries(places.map(([name, { start, length }]) => [name, all.slice(start, start + length)])),
        damage: damaged && `wrote outside ${damaged[0]}`,
      };
    });
  } finally {
    for (const { buffer } of [source, target]) gpu.release(buffer!);
  }
}

function place(
  arena: Arena,
  { bindings }: Kernel,
  contents: Readonly<Record<string, number | Words>>,
): Record<string, Place> {
  return Object.fromEntries(
    Object.entries(contents).map(([name, given]) => [
      name,
      // Vectors begin at multiples of their size.
      {
        start: arena.add(given, bindings[name].type === 'vec4f' ? 4 : 1),
        length: typeof given === 'number' ? given : given.length,
      },
    ]),
  );
}

function guarded(all: Uint32Array, start: number, length: number): boolean {
  const whole = (first: number) => all.subarray(first, first + GUARD).every((word) => word === GUARD_BITS);
  return whole(start - GUARD) && whole(start + length);
}
