/**
 * One case in every process: each prepares it and runs it once, outputs are compared with ours, then all that are right
 * are timed in turn, a sample each a round, while the others wait. What drifts (clock, other work) then meets all alike.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sampling } from '../sample.ts';
import { type Timing, timingOf } from '../statistics.ts';
import { Unsupported } from './peer.ts';
import { PeerFailure, type PeerProcess } from './process.ts';
import { type WorkCase, workName } from './work.ts';

/** What came of one peer at one case. */
export type Outcome =
  | {
      readonly status: 'timed';
      readonly timing: Timing;
      /** milliseconds of the first run, with its compilation */
      readonly first: number;
      /** the worst output's distance to ours: see `distance`; 0 for ours */
      readonly error: number;
    }
  /** its output is not ours: no time is worth anything */
  | { readonly status: 'wrong'; readonly output: string; readonly error: number }
  | { readonly status: 'unsupported' | 'failed'; readonly reason: string };

export interface PeerRow extends WorkCase {
  readonly name: string;
  /** by peer's name, ours among them */
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

export interface RoundOptions extends Sampling {
  /** seconds that one peer may take of a case's rounds, but for its first sample */
  readonly patience: number;
  /** for outputs, on their way from process to process */
  readonly folder: string;
}

/** Rounding of sums of some thousands of products stays far below; garbage and missing terms are far above. */
export const TOLERANCE = 1e-3;
/**
 * Milliseconds that a turn begins with, not counted: threads of the one before still spin, waiting for more of its work,
 * and our own sleep. After PyTorch or onnxruntime on the processor a product of 18 ms took 33. Longer runs hardly notice.
 */
const WARM = 50;

/**
 * Milliseconds of a sample, as many runs as it takes. JavaScript's garbage is collected about once in as long,
 * for 5 ms: samples of 10 ms of a kernel of 0.2 ms had the mean of either 0.2 or 0.6.
 */
const SAMPLE = 100;

/** What one step changed is a difference of nearly equal numbers: it has fewer digits. */
export const CHANGE_TOLERANCE = 1e-2;

interface Contender {
  readonly process: PeerProcess;
  readonly first: number;
  readonly error: number;
  readonly times: number[];
  /** milliseconds before each sample that do not count as one */
  warm: number;
  spent: number;
}

/**
 * @param processes ours first; the others' outputs are compared with its
 */
export async function measureCase(
  work: WorkCase,
  processes: readonly PeerProcess[],
  options: RoundOptions,
  note: (text: string) => void = () => {},
): Promise<PeerRow> {
  const outcomes: Record<string, Outcome> = {};
  const contenders: Contender[] = [];
  let ours: Map<string, Float32Array> | undefined;
  for (const process of processes) {
    note(`${process.name}: first run`);
    await settle(process, outcomes, async () => {
      const { first } = await process.ask({ do: 'prepare', work });
      const outputs = await outputsOf(process, join(options.folder, process.name));
      ours ??= outputs;
      const { name, error, passed } = worstOf(ours, outputs);
      if (!passed) outcomes[process.name] = { status: 'wrong', output: name, error };
      else contenders.push({ process, first, error, times: [], warm: 0, spent: 0 });
    });
    // Nothing to compare with.
    if (ours === undefined) break;
  }
  // Then it is ours that is off.
  const wrong = Object.values(outcomes).filter(({ status }) => status === 'wrong').length;
  if (wrong >= 2 && contenders.length === 1) {
    const reason = `its outputs are not those of any of the ${wrong} others; they may be right`;
    outcomes[contenders.pop()!.process.name] = { status: 'failed', reason };
  }
  for (const contender of contenders) {
    note(`${contender.process.name}: second run`);
    await settle(contender.process, outcomes, () => warmUp(contender, options));
  }
  const running = () => contenders.filter(({ process }) => outcomes[process.name] === undefined);
  for (let round = 1; running().some((contender) => wantsMore(contender, options)); round++) {
    note(`round ${round}`);
    for (const contender of running()) {
      if (!wantsMore(contender, options)) continue;
      await settle(contender.process, outcomes, () => takeSample(contender));
    }
  }
  for (const { process, times, first, error } of running()) {
    outcomes[process.name] = { status: 'timed', timing: timingOf(times), first, error };
  }
  for (const process of processes.filter(({ alive }) => alive)) {
    await process.ask({ do: 'dispose' }).catch(() => process.kill());
  }
  return { name: workName(work), ...work, outcomes };
}

/** Runs a part of one peer's; its failure is its outcome, not the benchmark's. */
async function settle(process: PeerProcess, outcomes: Record<string, Outcome>, part: () => Promise<void>) {
  try {
    await part();
  } catch (error) {
    if (error instanceof Unsupported) outcomes[process.name] = { status: 'unsupported', reason: error.message };
    else if (error instanceof PeerFailure) outcomes[process.name] = { status: 'failed', reason: error.message };
    else throw error;
  }
}

/** A second run, no longer cold. One that is long counts as the first sample. */
async function warmUp(contender: Contender, { patience }: RoundOptions): Promise<void> {
  const { milliseconds } = await contender.process.ask({ do: 'time', least: 0, warm: 0 });
  contender.warm = milliseconds < WARM ? WARM : 0;
  if (milliseconds > (1000 * patience) / 10) {
    contender.times.push(milliseconds);
    contender.spent = milliseconds;
  }
}

async function takeSample(contender: Contender): Promise<void> {
  const { process, warm, times } = contender;
  const { milliseconds, runs } = await process.ask({ do: 'time', least: SAMPLE, warm });
  times.push(milliseconds);
  contender.spent += warm + milliseconds * runs;
}

function wantsMore({ times, spent }: Contender, { samples, seconds, patience }: RoundOptions): boolean {
  if (times.length === 0) return true;
  if (spent >= 1000 * patience) return false;
  return times.length < samples || spent < 1000 * seconds;
}

async function outputsOf(process: PeerProcess, folder: string): Promise<Map<string, Float32Array>> {
  await mkdir(folder, { recursive: true });
  const { files } = await process.ask({ do: 'outputs', folder });
  const read = async ([name, file]: [string, string]) => {
    const { buffer, byteOffset, byteLength } = await readFile(file);
    return [name, new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength))] as const;
  };
  return new Map(await Promise.all(Object.entries(files).map(read)));
}

/** The output that is farthest from ours, and whether all are near enough. */
export function worstOf(ours: ReadonlyMap<string, Float32Array>, theirs: ReadonlyMap<string, Float32Array>) {
  let worst = { name: '', error: 0, passed: true };
  for (const [name, values] of ours) {
    const other = theirs.get(name);
    const error = other === undefined ? Number.POSITIVE_INFINITY : distance(values, other);
    const passed = error <= (name.startsWith('change of') ? CHANGE_TOLERANCE : TOLERANCE);
    if (!(error <= worst.error) || !passed) worst = { name, error, passed: passed && worst.passed };
    if (!passed) return worst;
  }
  return worst;
}

/** |theirs - ours| / |ours|, Euclidean norms: a few elements on the other side of a kink hardly count, garbage does. */
export function distance(ours: Float32Array, theirs: Float32Array): number {
  if (ours.length !== theirs.length) return Number.POSITIVE_INFINITY;
  let [square, difference] = [0, 0];
  for (let i = 0; i < ours.length; i++) {
    square += ours[i] ** 2;
    difference += (theirs[i] - ours[i]) ** 2;
  }
  if (difference === 0) return 0;
  const result = Math.sqrt(difference / square);
  return Number.isNaN(result) ? Number.POSITIVE_INFINITY : result;
}
