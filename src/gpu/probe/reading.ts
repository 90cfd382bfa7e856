/**
 * Readings of the probe, kept: one file an adapter in the cache folder, beside the tables of `tune`. A plan hangs on them, so
 * a device is probed once, and every later opening goes by the same times. They count for the adapter, its driver, Dawn's
 * version and the probe's texts; anything else is measured anew.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FrostlineError } from '../../errors.ts';
import { createFile, makeFolder, writeFileAtomically } from '../../files.ts';
import type { Gpu } from '../device.ts';
import { cacheFolder } from '../embedded.ts';
import { type MachineReport, machineReport } from '../machine.ts';
import { adapterFile, type TunedAdapter, textHash } from '../tuning.ts';
import { measureTimes, probeText } from './measure.ts';
import { type ProbeTimes, readTimes } from './times.ts';

const FORMAT = 'frostline probe 1';

/** Milliseconds that a failure counts for: a day. The machine may have been busy. */
const FAILURE_LASTS = 24 * 3600e3;

/**
 * What came of one probe. One that failed is kept too, for a day, or each opening would try again, and plan by what it got.
 */
export interface ProbeReading {
  /** ISO 8601 */
  readonly date: string;
  readonly times?: ProbeTimes;
  /** why there are none */
  readonly failure?: string;
}

/**
 * Probes now. What goes wrong is the reading's failure: nobody's work ends because of a probe.
 * @param open opens a device that is the probe's alone
 */
export async function takeReading(open: () => Promise<Gpu>): Promise<ProbeReading> {
  const date = new Date().toISOString();
  try {
    const gpu = await open();
    try {
      return { date, times: await measureTimes(gpu) };
    } finally {
      gpu.destroy();
    }
  } catch (error) {
    return { date, failure: (error instanceof Error ? error.message : String(error)).split('\n')[0] };
  }
}

/**
 * What estimates go by on an adapter of this name.
 * @returns with the reason where its reading is not to be believed, and does not count
 */
export function readMachine(name: string, reading?: ProbeReading): MachineReport & { readonly refused?: string } {
  const without = machineReport(name);
  if (reading === undefined) return without;
  const { times, failure = 'there are no times' } = reading;
  const read = times === undefined ? { refused: failure } : readTimes(times, without.machine.lanes);
  return 'refused' in read ? { ...without, ...read } : machineReport(name, read.measured);
}

/** Whether FROSTLINE_PROBE lets hardware adapters be probed. */
export const probeWanted = (): boolean => !/^(off|0)$/.test(process.env['FROSTLINE_PROBE'] ?? '');

/** The reading of an adapter in a folder, and in this process. */
export class ReadingFile {
  readonly path: string;
  private readonly adapter: TunedAdapter;

  /** What this process goes by, by path: it stays the same whatever becomes of the file, or where none can be written. */
  private static readonly inUse = new Map<string, ProbeReading>();

  constructor(adapter: TunedAdapter, folder = join(cacheFolder(), 'probe')) {
    this.adapter = adapter;
    this.path = adapterFile(folder, adapter);
  }

  /** Nothing where the device is yet to be probed, with these texts. */
  find(): ProbeReading | undefined {
    const reading = ReadingFile.inUse.get(this.path) ?? this.read();
    if (reading !== undefined) ReadingFile.inUse.set(this.path, reading);
    return reading;
  }

  /**
   * Keeps a reading. Of processes that probe the same device at the same time one is the first, and all go by its reading,
   * unless it is to be replaced.
   * @param warn is told where it cannot be written: the next process measures again
   * @returns the one to go by
   */
  async keep(reading: ProbeReading, { replace = false, warn }: { replace?: boolean; warn: (text: string) => void }) {
    let inUse = reading;
    try {
      await makeFolder(dirname(this.path));
      if (replace || !(await createFile(this.path, this.text(reading)))) {
        const first = replace ? undefined : this.read();
        if (first === undefined) await writeFileAtomically(this.path, this.text(reading));
        else inUse = first;
      }
    } catch (error) {
      if (!(error instanceof FrostlineError)) throw error;
      warn(`what was probed of ${this.adapter.name} is not kept, the next process measures again: ${error.message}`);
    }
    ReadingFile.inUse.set(this.path, inUse);
    return inUse;
  }

  private text({ date, times, failure }: ProbeReading): string {
    const contents = { format: FORMAT, adapter: this.adapter, text: textHash(probeText()), date, times, failure };
    return `${JSON.stringify(contents, null, 1)}\n`;
  }

  /** A file that is damaged, or about something else, is as none. */
  private read(): ProbeReading | undefined {
    try {
      const { format, adapter, text, date, times, failure } = JSON.parse(readFileSync(this.path, 'utf8'));
      const ours =
        format === FORMAT &&
        text === textHash(probeText()) &&
        JSON.stringify(adapter) === JSON.stringify(this.adapter) &&
        typeof date === 'string';
      if (ours && isTimes(times)) return { date, times };
      const failed = ours && times === undefined && typeof failure === 'string';
      if (failed && Date.now() - Date.parse(date) < FAILURE_LASTS) return { date, failure };
    } catch {}
    return undefined;
  }
}

function isTimes(value: unknown): value is ProbeTimes {
  const { work, stairs, copy, chains } = (value ?? {}) as Partial<ProbeTimes>;
  const isSeries = (one: unknown, count: string) => {
    const { milliseconds, [count]: of } = (one ?? {}) as Record<string, unknown>;
    const isNumber = (x: unknown) => typeof x === 'number';
    return isNumber(of) && Array.isArray(milliseconds) && milliseconds.every(isNumber);
  };
  const areSeries = (all: unknown, count: string) => Array.isArray(all) && all.every((one) => isSeries(one, count));
  return (
    typeof work === 'number' &&
    areSeries(stairs, 'workgroups') &&
    isSeries(copy, 'bytes') &&
    areSeries(chains, 'dispatches')
  );
}
