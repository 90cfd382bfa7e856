/**
 * Tuning results: which variant of a kernel was the fastest for a shape, and which of an operator's algorithms, as a whole,
 * for a problem; measured on this very adapter. One JSON file an adapter in the cache folder holds every measurement.
 * `Gpu.open` reads it, `Kernel.best` and `select` ask it before any estimate, and `frostline tune` writes it; nothing is
 * measured unasked.
 *
 * A result counts only for what it was measured on: the file names the adapter, its driver, Dawn's version and (where the
 * processor computes) the processor, each kernel the hash of all its variants' text, and each choice among algorithms that
 * of all their kernels' texts. What does not fit is not used.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { checkArguments, FUNCTION, TEXT, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { writeFilesAtomically } from '../files.ts';
import type { AdapterKind } from './adapter.ts';
import { cacheFolder } from './embedded.ts';
import { webgpuVersion } from './node.ts';

const FORMAT = 'frostline tuning 2';

/** A measured choice for one shape. */
export interface TunedChoice {
  readonly variant: string;
  readonly configuration: Readonly<Record<string, number>>;
}

/** What became of one candidate: timed, found wrong, or left out as too slow to be worth a run. */
export interface Timed {
  /** milliseconds of one run: median and spread */
  readonly milliseconds?: number;
  readonly spread?: number;
  /** how often it was timed, in turns with the others */
  readonly rounds?: number;
  /** the largest error in units of the tolerance, where it is above 1: never chosen */
  readonly wrong?: number;
}

/** A variant of a kernel as it was measured. */
export type Measurement = TunedChoice & Timed;
/** An algorithm as it was measured. */
export type AlgorithmMeasurement = { readonly algorithm: string } & Timed;

/** What was measured and chosen once. */
export interface Tuned<Choice, One> {
  readonly choice: Choice;
  /** ISO 8601 */
  readonly date: string;
  /** whether nothing that was left could be quicker, beyond noise */
  readonly settled: boolean;
  readonly measurements: readonly One[];
}

/** A shape of a kernel with its measurements. */
export type TunedShape = Tuned<TunedChoice, Measurement>;
/** A problem of an operator with its algorithms' measurements. */
export type TunedProblem = Tuned<string, AlgorithmMeasurement>;

/** Results under one text: of a kernel by shape, of a choice among algorithms by problem. */
interface Results<One> {
  /** hash of the text of all variants, or of all kernels */
  readonly text: string;
  readonly results: Readonly<Record<string, One>>;
}
type Section<One> = Readonly<Record<string, Results<One>>>;

/** What times depend on besides the kernel's text and shape. */
export interface TunedAdapter {
  readonly name: string;
  readonly driver: string;
  /** version of the package `webgpu` */
  readonly dawn: string;
  /** model and number of processors, where they compute */
  readonly processor: string | null;
}

/** What is kept, by kernel ('contraction') and by what algorithms are chosen for ('conv2d forward'). */
interface Sections {
  readonly kernels: Section<TunedShape>;
  readonly algorithms: Section<TunedProblem>;
}

interface TuningFile extends Sections {
  readonly format: typeof FORMAT;
  readonly adapter: TunedAdapter;
}

const NOTHING: Sections = { kernels: {}, algorithms: {} };
const SECTIONS = ['kernels', 'algorithms'] as const;

/** What this version has of what a table may name. */
export interface TunedNames {
  /** hash of the text that results under this name must be of; nothing where there is no such kernel or purpose */
  text(section: 'kernels' | 'algorithms', name: string): string | undefined;
  /** whether this may be chosen under the name */
  has(section: 'kernels' | 'algorithms', name: string, choice: TunedChoice | string): boolean;
}

/** Why results of a table are not used: the name is not this version's, the text is another, or the choice is none. */
export type UnusedReason = 'name' | 'text' | 'choice';

/** Results of a table that are not used. */
export interface UnusedResults {
  readonly reason: UnusedReason;
  /** of the kernel, or what algorithms are chosen for */
  readonly name: string;
  readonly results: number;
}

/** What of a table this version uses. */
export interface TunedUse {
  /** results that count on this adapter */
  readonly used: number;
  readonly unused: readonly UnusedResults[];
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

/** Where in a folder lies what was measured on an adapter. */
export function adapterFile(folder: string, adapter: TunedAdapter): string {
  const slug = adapter.name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40);
  return join(folder, `${slug}-${textHash(JSON.stringify(adapter))}.json`);
}

/** Short hash of a text. */
export const textHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Whether FROSTLINE_TUNE lets earlier results count. */
export const tuningWanted = (): boolean => process.env['FROSTLINE_TUNE'] !== 'off';

/** Choices measured on an adapter, from the cache's file. */
export class TuningTable {
  readonly file: string;
  private readonly adapter: TunedAdapter;
  private sections: Sections;

  /**
   * Reads the adapter's file; without one the table is empty.
   * @param warn is told of a file that cannot be used: damaged, or about another adapter
   */
  constructor(adapter: TunedAdapter, warn: (text: string) => void, folder = join(cacheFolder(), 'tuning')) {
    this.adapter = adapter;
    this.file = adapterFile(folder, adapter);
    this.sections = this.read(warn);
  }

  /** The choice for a shape, or nothing where none was measured with this text of the kernel. */
  find(kernel: string, text: () => string, shape: string): TunedChoice | undefined {
    return this.measured(kernel, text, shape)?.choice;
  }

  measured(kernel: string, text: () => string, shape: string): TunedShape | undefined {
    return found(this.sections.kernels, kernel, text, shape);
  }

  /** The name of the algorithm for a problem, or nothing where none was measured with this text of their kernels. */
  algorithm(purpose: string, text: () => string, problem: () => string): string | undefined {
    // Most processes have no results: the problem's text is not made for nothing.
    if (!Object.hasOwn(this.sections.algorithms, purpose)) return undefined;
    return this.measuredAlgorithms(purpose, text, problem())?.choice;
  }

  measuredAlgorithms(purpose: string, text: () => string, problem: string): TunedProblem | undefined {
    return found(this.sections.algorithms, purpose, text, problem);
  }

  /** Number of shapes of all kernels, and of problems of all operators. */
  get size(): number {
    const all = SECTIONS.flatMap((section) => Object.values<Results<unknown>>(this.sections[section]));
    return all.reduce((sum, { results }) => sum + Object.keys(results).length, 0);
  }

  /** Hash of what the table would choose, or nothing where it is empty: two runs with the same one chose alike. */
  get hash(): string | undefined {
    const choices = SECTIONS.flatMap((section) =>
      Object.entries<Results<TunedShape | TunedProblem>>(this.sections[section]).flatMap(([name, { text, results }]) =>
        Object.entries(results).map(([one, { choice }]) => JSON.stringify([name, text, one, choice])),
      ),
    );
    return choices.length === 0 ? undefined : textHash(choices.sort().join('\n'));
  }

  /**
   * Adds a kernel's result and writes the file. What another process wrote meanwhile stays; of two that write in the same
   * moment one result may be lost, but the file is always whole.
   * @throws FrostlineError when the cache folder cannot be written to
   */
  async record(kernel: string, text: string, shape: string, result: TunedShape): Promise<void> {
    const there = this.read(() => {});
    await this.write({ ...there, kernels: withResult(there.kernels, kernel, text, shape, result) });
  }

  /** The same, of a choice among algorithms. */
  async recordAlgorithm(purpose: string, text: string, problem: string, result: TunedProblem): Promise<void> {
    const there = this.read(() => {});
    await this.write({ ...there, algorithms: withResult(there.algorithms, purpose, text, problem, result) });
  }

  /** The table as a file's text: for another cache, or to be shipped. */
  text(): string {
    const contents: TuningFile = { format: FORMAT, adapter: this.adapter, ...this.sections };
    return `${JSON.stringify(contents, null, 1)}\n`;
  }

  /** How many results this version uses, and which not: those of kernels that it has not, or has otherwise. */
  use(names: TunedNames): TunedUse {
    checkArguments('TuningTable.use', { names: [names, NAMES] });
    return sortedOut(this.sections, names).use;
  }

  /**
   * Adds another table's results, in place of those measured here with the same texts, and writes the file. Only those are
   * taken that this version uses.
   * @returns how many those were, and which were left out
   * @throws FrostlineError where it is no such table, or of another adapter, driver or version of Dawn
   */
  async merge(path: string, text: string, names: TunedNames): Promise<TunedUse> {
    checkArguments('TuningTable.merge', { path: [path, TEXT], text: [text, TEXT], names: [names, NAMES] });
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
    const { sections, use } = sortedOut(contents as TuningFile, names);
    const there = this.read(() => {});
    await this.write({
      kernels: merged(there.kernels, sections.kernels),
      algorithms: merged(there.algorithms, sections.algorithms),
    });
    return use;
  }

  private async write(sections: Sections): Promise<void> {
    this.sections = sections;
    await writeFilesAtomically(dirname(this.file), { [basename(this.file)]: this.text() });
  }

  private read(warn: (text: string) => void): Sections {
    let text: string;
    try {
      text = readFileSync(this.file, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') warn(`tuning results cannot be read: ${message}`);
      return NOTHING;
    }
    try {
      const contents: unknown = JSON.parse(text);
      const problem = problemOf(contents, this.adapter);
      if (problem === undefined) {
        const { kernels, algorithms } = contents as TuningFile;
        return { kernels, algorithms };
      }
      warn(`${this.file} is ignored: ${problem}. 'frostline tune' writes it anew.`);
    } catch (error) {
      warn(`${this.file} is ignored: ${(error as Error).message}. 'frostline tune' writes it anew.`);
    }
    return NOTHING;
  }
}

function found<One>(section: Section<One>, name: string, text: () => string, one: string): One | undefined {
  const known = own(section, name);
  const result = known && own(known.results, one);
  return result !== undefined && known?.text === text() ? result : undefined;
}

/** Results with another text are dropped. */
function withResult<One>(section: Section<One>, name: string, text: string, key: string, result: One): Section<One> {
  const before = own(section, name);
  const results = before?.text === text ? before.results : {};
  return { ...section, [name]: { text, results: { ...results, [key]: result } } };
}

/** Theirs are of the texts of this version: what was measured here with others does not count any more. */
function merged<One>(here: Section<One>, theirs: Section<One>): Section<One> {
  const section: Record<string, Results<One>> = { ...here };
  for (const [name, { text, results }] of Object.entries(theirs)) {
    const before = own(section, name);
    section[name] = { text, results: { ...(before?.text === text && before.results), ...results } };
  }
  return section;
}

/** The results that this version uses, and a count of the others. */
function sortedOut({ kernels, algorithms }: Sections, names: TunedNames): { sections: Sections; use: TunedUse } {
  let used = 0;
  const unused: UnusedResults[] = [];
  const leaveOut = (reason: UnusedReason, name: string, results: number) => {
    if (results > 0) unused.push({ reason, name, results });
  };
  const sort = <One extends TunedShape | TunedProblem>(section: (typeof SECTIONS)[number], of: Section<One>) => {
    const left: Record<string, Results<One>> = {};
    for (const [name, { text, results }] of Object.entries(of)) {
      const all = Object.entries(results);
      const wanted = names.text(section, name);
      if (wanted !== text) {
        leaveOut(wanted === undefined ? 'name' : 'text', name, all.length);
        continue;
      }
      const known = all.filter(([, { choice }]) => names.has(section, name, choice));
      leaveOut('choice', name, all.length - known.length);
      used += known.length;
      if (known.length > 0) left[name] = { text, results: Object.fromEntries(known) };
    }
    return left;
  };
  const sections = { kernels: sort('kernels', kernels), algorithms: sort('algorithms', algorithms) };
  return { sections, use: { used, unused } };
}

const NAMES = withMembers('what this version has, { text, has }', { text: FUNCTION.is, has: FUNCTION.is });

/** What is wrong with a file's contents, or nothing. */
function problemOf(contents: unknown, adapter: TunedAdapter): string | undefined {
  if (!isRecord(contents) || contents['format'] !== FORMAT) return `it is not of the format '${FORMAT}'`;
  const theirs = isRecord(contents['adapter']) ? contents['adapter'] : {};
  const differing = (['name', 'driver', 'dawn', 'processor'] as const).filter((key) => theirs[key] !== adapter[key]);
  if (differing.length > 0) {
    const both = differing.map((key) => `${key} '${String(theirs[key])}', here '${String(adapter[key])}'`);
    return `it was measured on another adapter: ${both.join('; ')}`;
  }
  const isVariant = (choice: unknown) =>
    isRecord(choice) && typeof choice['variant'] === 'string' && isRecord(choice['configuration']);
  return (
    problemOfSection(contents, 'kernels', isVariant) ??
    problemOfSection(contents, 'algorithms', (choice) => typeof choice === 'string')
  );
}

function problemOfSection(
  contents: Record<string, unknown>,
  name: (typeof SECTIONS)[number],
  isChoice: (choice: unknown) => boolean,
): string | undefined {
  const section = contents[name];
  if (!isRecord(section)) return `its results are damaged: it has no '${name}'`;
  for (const [key, of] of Object.entries(section)) {
    const at = `its results are damaged: ${name}, '${key}'`;
    if (!isRecord(of) || typeof of['text'] !== 'string' || !isRecord(of['results'])) return at;
    for (const [one, result] of Object.entries(of['results'])) {
      const whole = isRecord(result) && isChoice(result['choice']) && Array.isArray(result['measurements']);
      if (!whole) return `${at}, '${one}'`;
    }
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A key of the file's own: 'constructor' is none. */
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
