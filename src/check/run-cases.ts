/**
 * Runs many cases at once: all inputs lie in one buffer, all outputs in another, halves in two of their own, and one
 * submission and a read-back of each serve them all. Every output stands between guard values, at an offset that no alignment rounds to (but vectors', which
 * begin at multiples of their size), and the guards must survive; it begins as rubbish unless the kernel updates in place.
 */
import type { Gpu } from '../gpu/device.ts';
import { Program } from '../gpu/program.ts';
import type { Precision, Storage } from '../gpu/storage.ts';
import { withVectors } from '../kernels/assemble.ts';
import type { Choice } from '../kernels/kernel.ts';
import { NO_HALVES } from '../kernels/memory.ts';
import { GUARD, GUARD_BITS, RUBBISH, type Words } from '../kernels/run.ts';
import { checkContents, type KernelCase } from './case.ts';
import { halfBits } from './half.ts';

export interface CaseRun {
  readonly testCase: Pick<KernelCase, 'name' | 'kernel' | 'params' | 'epilogues' | 'inputs' | 'outputs'>;
  readonly choice: Choice;
  /** the bindings that store halves; none unless given */
  readonly halves?: ReadonlySet<string>;
}

type Bits = Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

export interface CaseOutput {
  /** the outputs' words, of halves 16 bits wide */
  readonly words: Readonly<Record<string, Bits>>;
  /** what the run wrote beside its outputs, if it did */
  readonly damage: string | undefined;
}

/** Beside inputs: another NaN than beside outputs, or what is read beyond one and written beyond the other goes unseen. */
const INPUT_GUARD_BITS = 0x7fc1_0ab3;

/** Places for arrays of words one after another, guards between them. */
class Arena {
  private readonly guard: number;
  private readonly precision: Precision;
  private readonly parts: { readonly start: number; readonly contents: number | Words }[] = [];
  private readonly gap: number;
  private end = GUARD;

  constructor(guard: number, precision: Precision) {
    this.guard = guard;
    this.precision = precision;
    // As many bytes: what two bindings write must not meet where their offsets are rounded to.
    this.gap = precision === 'f16' ? 2 * GUARD : GUARD;
  }

  /** @returns the element at which it begins, a multiple of `alignment` */
  add(contents: number | Words, alignment: number): number {
    const start = Math.ceil(this.end / alignment) * alignment;
    this.parts.push({ start, contents });
    this.end = start + (typeof contents === 'number' ? contents : contents.length) + this.gap;
    return start;
  }

  /** On the device; a half has the upper bits of a guard and of rubbish, which are a NaN and a large number, too. */
  place(gpu: Gpu, label: string): Storage {
    const length = Math.ceil(this.end / 4) * 4;
    const halves = this.precision === 'f16';
    const words = halves ? new Uint16Array(length) : new Uint32Array(length);
    words.fill(halves ? this.guard >>> 16 : this.guard);
    for (const { start, contents } of this.parts) {
      if (typeof contents === 'number') words.fill(halves ? RUBBISH >>> 16 : RUBBISH, start, start + contents);
      else if (halves) words.set(halfBits(contents), start);
      else words.set(new Uint32Array(contents.buffer, contents.byteOffset, contents.length), start);
    }
    const storage = gpu.storage(label, 4 * length, this.precision);
    gpu.write(storage, words);
    return storage;
  }

  /** Whether the guards before and behind survived. */
  guarded(all: Bits, { start, length }: Place): boolean {
    const bits = this.precision === 'f16' ? this.guard >>> 16 : this.guard;
    const whole = (first: number) => all.subarray(first, first + GUARD).every((word: number) => word === bits);
    return whole(start - GUARD) && whole(start + length);
  }
}

interface Place {
  readonly start: number;
  readonly length: number;
  readonly precision: Precision;
}

/** The bindings that a text reads as vectors of four. */
function vectorsOf({ kernel }: CaseRun['testCase'], { variant }: Choice): ReadonlySet<string> {
  const declared = withVectors(kernel.bindings, kernel.variants.find(({ name }) => name === variant)?.vectors);
  return new Set(Object.keys(declared).filter((name) => declared[name].type === 'vec4f'));
}

/** Runs each, in order; a case that occurs several times brings its inputs once, and once more for texts that read vectors. */
export async function runCases(gpu: Gpu, runs: readonly CaseRun[]): Promise<CaseOutput[]> {
  const [inputs, outputs] = [INPUT_GUARD_BITS, GUARD_BITS].map((guard) => ({
    f32: new Arena(guard, 'f32'),
    f16: new Arena(guard, 'f16'),
  }));
  const placed = new Map<CaseRun['testCase'], Map<string, Record<string, Place>>>();
  const read = runs.map(({ testCase, choice, halves = NO_HALVES }) => {
    const vectors = vectorsOf(testCase, choice);
    const before = placed.get(testCase) ?? new Map<string, Record<string, Place>>();
    placed.set(testCase, before);
    const key = [...vectors].join();
    const places = before.get(key) ?? place(inputs, testCase.inputs, halves, vectors);
    before.set(key, places);
    return places;
  });
  const written = runs.map(({ testCase, choice, halves = NO_HALVES }) =>
    place(outputs, testCase.outputs, halves, vectorsOf(testCase, choice)),
  );
  const precisions = runs.some(({ halves }) => halves !== undefined) ? (['f32', 'f16'] as const) : (['f32'] as const);
  const onDevice = (arenas: typeof inputs, label: string) =>
    new Map(precisions.map((precision) => [precision as Precision, arenas[precision].place(gpu, label)]));
  const sources = onDevice(inputs, 'inputs of cases');
  const targets = onDevice(outputs, 'outputs of cases');
  const viewOf = (storages: typeof sources, { start, length, precision }: Place) =>
    storages.get(precision)!.view(4 * start, 4 * length);
  try {
    const dispatches = runs.map(({ testCase, choice }, i) => {
      checkContents(testCase);
      const { kernel, params, epilogues } = testCase;
      const views = Object.fromEntries(
        Object.keys(kernel.bindings).map((binding) => {
          const [own, given] = [written[i][binding], read[i][binding]];
          return [binding, own === undefined ? viewOf(sources, given) : viewOf(targets, own)];
        }),
      );
      return kernel.dispatch(gpu, params, views, choice, epilogues);
    });
    const program = await Program.prepare(gpu, dispatches);
    program.submit();
    const all = new Map<Precision, Bits>();
    for (const [precision, target] of targets) {
      const bytes = await gpu.read(target);
      all.set(precision, precision === 'f16' ? new Uint16Array(bytes) : new Uint32Array(bytes));
    }
    program.destroy();
    return runs.map((_, i) => {
      const places = Object.entries(written[i]);
      const damaged = places.find(([, own]) => !outputs[own.precision].guarded(all.get(own.precision)!, own));
      return {
        words: Object.fromEntries(
          places.map(([name, { start, length, precision }]) => [
            name,
            all.get(precision)!.slice(start, start + length) as Bits,
          ]),
        ),
        damage: damaged && `wrote outside ${damaged[0]}`,
      };
    });
  } finally {
    for (const { buffer } of [...sources.values(), ...targets.values()]) gpu.release(buffer!);
  }
}

function place(
  arenas: Readonly<Record<Precision, Arena>>,
  contents: Readonly<Record<string, number | Words>>,
  halves: ReadonlySet<string>,
  vectors: ReadonlySet<string>,
): Record<string, Place> {
  return Object.fromEntries(
    Object.entries(contents).map(([name, given]) => {
      const precision = halves.has(name) ? 'f16' : 'f32';
      // Vectors begin at multiples of their size.
      const start = arenas[precision].add(given, vectors.has(name) ? 4 : 1);
      return [name, { start, length: typeof given === 'number' ? given : given.length, precision }];
    }),
  );
}
