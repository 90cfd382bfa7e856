/**
 * Tuning results: which variant of a kernel was the fastest for a shape, measured on this very adapter. One JSON file an
 * adapter in the cache folder holds every measurement. `Gpu.open` reads it, `Kernel.best` asks it before any estimate,
 * and `frostline tune` writes it; nothing is measured unasked.
 *
 * A result counts only for what it was measured on: the file names the adapter, its driver, Dawn's version and (where the
 * processor computes) the processor, and each kernel the hash of all its variants' text. What does not fit is not used.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { writeFilesAtomically } from '../files.ts';
import type { AdapterKind } from './adapter.ts';
import { cacheFolder } from './embedded.ts';
import { webgpuVersion } from './node.ts';

const FORMAT = 'frostline tuning 1';

/** A measured choice for one shape. */
export interface TunedChoice {
  readonly variant: string;
  readonly configuration: Readonly<Record<string, number>>;
}

/** What became of one candidate: timed, found wrong, or left out as too slow to be worth a run. */
export interface Measurement extends TunedChoice {
  /** milliseconds of one run: median and spread */
  readonly milliseconds?: number;
  readonly spread?: number;
  /** the largest error in units of the tolerance, where it is above 1: never chosen */
  readonly wrong?: number;
}

/** A shape with its measurements. */
export interface TunedShape {
  readonly choice: TunedChoice;
  /** ISO 8601 */
  readonly date: string;
  readonly measurements: readonly Measurement[];
}

interface TunedKernel {
  /** hash of the text of all variants */
  readonly text: string;
  readonly shapes: Readonly<Record<string, TunedShape>>;
}

/** What times depend on besides the kernel's text and shape. */
export interface TunedAdapter {
  readonly name: string;
  readonly driver: string;
  /** version of the package `webgpu` */
  readonly dawn: string;
  /** model and number of processors, where they compute */
  readonly processor: string | null;
}

interface TuningFile {
  readonly format: typeof FORMAT;
  readonly adapter: TunedAdapter;
  readonly kernels: Readonly<Record<string, TunedKernel>>;
}

export function tunedAdapter({
  name,
  driver,
  kind,
}: {
  name: string;
  driver: string;
  kind: AdapterKind;
}): TunedAdapter {
  const processor = kind === 'hardware' ? null : `${cpus()[0]?.model ?? process.arch} x ${availableParallelism()}`;
  return { name, driver, dawn: webgpuVersion(), processor };
}

/** Short hash of a text. */
export const textHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Whether FROSTLINE_TUNE lets earlier results count. */
export const tuningWanted = (): boolean => process.env['FROSTLINE_TUNE'] !== 'off';

/** Choices measured on an adapter, from the cache's file. */
export class TuningTable {
  readonly file: string;
  private readonly adapter: TunedAdapter;
  private kernels: Readonly<Record<string, TunedKernel>>;

  /**
   * Reads the adapter's file; without one the table is empty.
   * @param warn is told of a file that cannot be used: damaged, or about another adapter
   */
  constructor(adapter: TunedAdapter, warn: (text: string) => void, folder = join(cacheFolder(), 'tuning')) {
    const slug = adapter.name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .slice(0, 40);
    this.adapter = adapter;
    this.file = join(folder, `${slug}-${textHash(JSON.stringify(adapter))}.json`);
    this.kernels = this.read(warn);
  }

  /** The choice for a shape, or nothing where none was measured with this text of the kernel. */
  find(kernel: string, text: () => string, shape: string): TunedChoice | undefined {
    return this.measured(kernel, text, shape)?.choice;
  }

  measured(kernel: string, text: () => string, shape: string): TunedShape | undefined {
    const tuned = own(this.kernels, kernel);
    const found = tuned && own(tuned.shapes, shape);
    return found !== undefined && tuned?.text === text() ? found : undefined;
  }

  /** Number of shapes of all kernels. */
  get size(): number {
    return Object.values(this.kernels).reduce((sum, { shapes }) => sum + Object.keys(shapes).length, 0);
  }

  /** Hash of what the table would choose, or nothing where it is empty: two runs with the same one chose alike. */
  get hash(): string | undefined {
    const choices = Object.entries(this.kernels).flatMap(([kernel, { text, shapes }]) =>
      Object.entries(shapes).map(([shape, { choice }]) => JSON.stringify([kernel, text, shape, choice])),
    );
    return choices.length === 0 ? undefined : textHash(choices.sort().join('\n'));
  }

  /**
   * Adds a result and writes the file. What another process wrote meanwhile stays; of two that write in the same
   * moment one result may be lost, but the file is always whole.
   * @throws FrostlineError when the cache folder cannot be written to
   */
  async record(kernel: string, text: string, shape: string, result: TunedShape): Promise<void> {
    const there = this.read(() => {});
    const before = own(there, kernel);
    const shapes = before?.text === text ? before.shapes : {};
    await this.write({ ...there, [kernel]: { text, shapes: { ...shapes, [shape]: result } } });
  }

  /** The table as a file's text: for another cache, or to be shipped. */
  text(): string {
    const contents: TuningFile = { format: FORMAT, adapter: this.adapter, kernels: this.kernels };
    return `${JSON.stringify(contents, null, 1)}\n`;
  }

  /**
   * Adds another table's shapes, in place of those measured here of the same kernels and texts, and writes the file.
   * @returns how many shapes it brought
   * @throws FrostlineError where it is no such table, or of another adapter, driver or version of Dawn
   */
  async merge(path: string, text: string): Promise<number> {
    let contents: unknown;
    try {
      contents = JSON.parse(text);
    } catch (error) {
      throw new FrostlineError(`${path}: ${(error as Error).message}. Give a file of 'frostline tune --export'.`);
    }
    const problem = problemOf(contents, this.adapter);
    if (problem !== undefined) {
      throw new FrostlineError(`${path}: ${problem}. Give a file of 'frostline tune --export' made on this adapter.`);
    }
    const merged: Record<string, TunedKernel> = { ...this.read(() => {}) };
    let brought = 0;
    for (const [kernel, tuned] of Object.entries((contents as TuningFile).kernels)) {
      const before = own(merged, kernel);
      // Of another text of the kernel: what was measured here is the nearer.
      if (before !== undefined && before.text !== tuned.text) continue;
      merged[kernel] = { text: tuned.text, shapes: { ...before?.shapes, ...tuned.shapes } };
      brought += Object.keys(tuned.shapes).length;
    }
    await this.write(merged);
    return brought;
  }

  private async write(kernels: TuningFile['kernels']): Promise<void> {
    this.kernels = kernels;
    await writeFilesAtomically(dirname(this.file), { [basename(this.file)]: this.text() });
  }

  private read(warn: (text: string) => void): TuningFile['kernels'] {
    let text: string;
    try {
      text = readFileSync(this.file, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') warn(`tuning results cannot be read: ${message}`);
      return {};
    }
    try {
      const contents: unknown = JSON.parse(text);
      const problem = problemOf(contents, this.adapter);
      if (problem === undefined) return (contents as TuningFile).kernels;
      warn(`${this.file} is ignored: ${problem}. 'frostline tune' writes it anew.`);
    } catch (error) {
      warn(`${this.file} is ignored: ${(error as Error).message}. 'frostline tune' writes it anew.`);
    }
    return {};
  }
}

/** What is wrong with a file's contents, or nothing. */
function problemOf(contents: unknown, adapter: TunedAdapter): string | undefined {
  if (!isRecord(contents) || contents['format'] !== FORMAT) return `it is not of the format '${FORMAT}'`;
  if (JSON.stringify(contents['adapter']) !== JSON.stringify(adapter)) return 'it was measured on another adapter';
  const kernels = contents['kernels'];
  const whole = isRecord(kernels) && Object.values(kernels).every(isTunedKernel);
  return whole ? undefined : 'its results are damaged';
}

function isTunedKernel(value: unknown): boolean {
  if (!isRecord(value) || typeof value['text'] !== 'string' || !isRecord(value['shapes'])) return false;
  return Object.values(value['shapes']).every(
    (shape) =>
      isRecord(shape) &&
      isRecord(shape['choice']) &&
      typeof shape['choice']['variant'] === 'string' &&
      isRecord(shape['choice']['configuration']) &&
      Array.isArray(shape['measurements']),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A key of the file's own: 'constructor' is none. */
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
