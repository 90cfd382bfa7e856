/**
 * Claims: how any number of processes share a grid's folder, and none runs what another one runs.
 *
 * A claim on a folder is a file `claim-N.json` in it: the process, where it runs, and a name of its own. The highest N
 * counts. It is made whole under another name and then linked to its own, which only one process can do, so nobody ever
 * reads half of one. N only grows while the folder's result is not there: who finds that the owner is dead, or has
 * given the claim back, makes N + 1, and again only one can. (Were a claim's file taken away in place of outbid, a
 * process that judged the old one dead could take away the next one's.) With the result all claims go; so a claim is
 * followed by a look whether the result has come in the meantime.
 *
 * Whether an owner lives: on the same machine its process is asked for, and on Linux when it was started, for numbers
 * come again. From another machine nothing can be asked: an owner writes its claim anew every `beat`, and is dead when
 * the file is older than `expiry`, by the clock of the file system, the one clock that all share. An owner that only
 * slept finds its claim outbid, and its result is not written.
 */
import { z } from 'zod';
import { createFile, isHalfWritten, writeFilesIn } from '../files.ts';
import {
  hostname,
  join,
  open,
  randomUUID,
  readdir,
  readFile,
  readFileSync,
  readlinkSync,
  rm,
  stat,
  writeFile,
} from '../host.ts';

/** Who claims: enough to ask whether it still lives. */
const owner = z.object({
  name: z.string(),
  /** the machine, this start of it, and its name space of process numbers, as far as the system says */
  place: z.string(),
  pid: z.int(),
  /** when the process was started, in the system's own count; nothing where it does not say */
  started: z.string().nullable(),
  /** given back without a result */
  released: z.boolean(),
});
type Owner = z.output<typeof owner>;

export interface ClaimTimes {
  /** ms between two signs of life */
  readonly beat: number;
  /** ms without one after which an owner on another machine counts as dead */
  readonly expiry: number;
}

const usual: ClaimTimes = { beat: 20_000, expiry: 600_000 };

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

const place = [
  hostname(),
  attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
  attempt(() => readlinkSync('/proc/self/ns/pid')),
].join(' ');

/** Field 22 of Linux's stat; the second field, a name in brackets, may hold spaces. */
function startOf(pid: number): string | null {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return text === '' ? null : text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const textOf = (self: Owner) => `${JSON.stringify(self)}\n`;
const fileOf = (folder: string, generation: number) => join(folder, `claim-${generation}.json`);

/** The generations of claims in a folder, growing. */
async function generations(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .flatMap((name) => /^claim-(\d+)\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** What a file system says the time is: its clock may be another one than ours. */
async function clockOf(folder: string): Promise<number> {
  const file = join(folder, `.clock-${randomUUID()}.tmp`);
  try {
    await writeFile(file, '');
    return (await stat(file)).mtimeMs;
  } finally {
    await rm(file, { force: true });
  }
}

async function isAlive(folder: string, generation: number, { expiry }: ClaimTimes): Promise<boolean> {
  const file = fileOf(folder, generation);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  // Gone since it was listed: its result is there.
  if (text === undefined) return false;
  const read = owner.safeParse(attemptJson(text));
  if (read.success) {
    const { released, place: where, pid, started } = read.data;
    if (released) return false;
    if (where === place && !exists(pid)) return false;
    if (where === place && started !== null) return startOf(pid) === started;
  }
  const written = (await stat(file).catch(() => undefined))?.mtimeMs;
  return written !== undefined && (await clockOf(folder)) - written < expiry;
}

function attemptJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A claim that this process holds; it gives signs of life until it is released or settled. */
export class Claim {
  private readonly timer: NodeJS.Timeout;
  private readonly folder: string;
  private readonly generation: number;
  private readonly self: Owner;

  private constructor(folder: string, generation: number, self: Owner, { beat }: ClaimTimes) {
    this.folder = folder;
    this.generation = generation;
    this.self = self;
    this.timer = setInterval(() => {
      // One that fails is one less; whether the claim still counts is asked before a result is written.
      void this.signal().catch(() => {});
    }, beat);
    this.timer.unref();
  }

  /** Writes over the bytes that are there, and makes no file where there is none: the server's clock dates it. */
  private async signal(): Promise<void> {
    const file = await open(this.file, 'r+');
    try {
      await file.write(textOf(this.self), 0);
    } finally {
      await file.close();
    }
  }

  private get file(): string {
    return fileOf(this.folder, this.generation);
  }

  /**
   * Claims a folder.
   * @param folder there already: a place that somebody removed or renamed is not made anew
   * @returns nothing where a living process holds it
   */
  static async take(folder: string, times: ClaimTimes = usual): Promise<Claim | undefined> {
    const last = (await generations(folder)).at(-1) ?? 0;
    if (last > 0 && (await isAlive(folder, last, times))) return undefined;
    const self: Owner = { name: randomUUID(), place, pid: process.pid, started: startOf(process.pid), released: false };
    return (await createFile(fileOf(folder, last + 1), textOf(self)))
      ? new Claim(folder, last + 1, self, times)
      : undefined;
  }

  /** Whether the claim still counts: a process that slept may find another one's. */
  async holds(): Promise<boolean> {
    if ((await generations(this.folder)).at(-1) !== this.generation) return false;
    const read = owner.safeParse(attemptJson(await readFile(this.file, 'utf8').catch(() => '')));
    return read.success && read.data.name === this.self.name;
  }

  /** Gives it back without a result: whoever comes next may have it. */
  async release(): Promise<void> {
    clearInterval(this.timer);
    if (!(await this.holds())) return;
    const given = { [`claim-${this.generation}.json`]: textOf({ ...this.self, released: true }) };
    await writeFilesIn(this.folder, given).catch(() => {});
  }

  /** After the result is there: no claim is needed any more. */
  async settle(): Promise<void> {
    clearInterval(this.timer);
    await clearClaims(this.folder);
  }
}

/** Removes the claims on a folder whose result is there, and what a process that was killed left half written. */
export async function clearClaims(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (/^claim-\d+\.json$|^\.clock-.*\.tmp$/.test(name) || isHalfWritten(name))
      await rm(join(folder, name), { force: true }).catch(() => {});
  }
}
