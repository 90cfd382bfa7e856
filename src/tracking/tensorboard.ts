/**
 * TensorBoard's event files, a folder a run: `tensorboard --logdir` shows them. A file is a row of records,
 *
 *   length (uint64)   masked CRC-32C of the length   data   masked CRC-32C of the data      all little-endian
 *
 * and each record's data is an Event (tensorflow/core/util/event.proto): the first one names the version, every other
 * one is a step with its scalars.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs/minimal.js';
import { FrostlineError } from '../errors.ts';
import { crc32c } from './crc32c.ts';
import type { Scalars, TrackedRun, Tracker } from './tracker.ts';

/** Keys of the fields: number and wire type. */
const EVENT = { wallTime: (1 << 3) | 1, step: (2 << 3) | 0, fileVersion: (3 << 3) | 2, summary: (5 << 3) | 2 } as const;
const SUMMARY = { value: (1 << 3) | 2 } as const;
const VALUE = { tag: (1 << 3) | 2, simpleValue: (2 << 3) | 5 } as const;

/** A rotation by 15 bits and a constant: a CRC of data that holds CRCs would be weak. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One record of an event file. */
export function eventRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(16 + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

/** @param wallTime seconds since 1970 */
function versionEvent(wallTime: number): Uint8Array {
  return new protobuf.Writer()
    .uint32(EVENT.wallTime)
    .double(wallTime)
    .uint32(EVENT.fileVersion)
    .string('brain.Event:2')
    .finish();
}

/** @param step from 0 */
export function scalarEvent(wallTime: number, step: number, values: Scalars): Uint8Array {
  const writer = new protobuf.Writer().uint32(EVENT.wallTime).double(wallTime).uint32(EVENT.step).int64(step);
  writer.uint32(EVENT.summary).fork();
  for (const [tag, value] of Object.entries(values)) {
    writer.uint32(SUMMARY.value).fork().uint32(VALUE.tag).string(tag).uint32(VALUE.simpleValue).float(value).ldelim();
  }
  return writer.ldelim().finish();
}

/** Writes an event file for each run into a folder of its own below `folder`, which is made if missing. */
export class TensorBoard implements Tracker {
  private readonly folder: string;
  private readonly now: () => number;
  private file: number | undefined;
  private files = 0;

  /** @param now milliseconds since 1970 */
  constructor(folder: string, now: () => number = Date.now) {
    this.folder = folder;
    this.now = now;
  }

  begin({ name }: TrackedRun): void {
    this.end();
    const own = join(this.folder, name);
    const seconds = String(Math.floor(this.now() / 1000)).padStart(10, '0');
    // A name of its own, where a run goes on from a checkpoint in the same second: TensorBoard reads all of a folder.
    const path = join(own, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${this.files++}`);
    try {
      mkdirSync(own, { recursive: true });
      this.file = openSync(path, 'wx');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new FrostlineError(
        `--tensorboard: ${path} cannot be written (${code}). Free the place, or leave the option out.`,
      );
    }
    this.write(versionEvent(this.now() / 1000));
  }

  scalars(step: number, values: Scalars): void {
    this.write(scalarEvent(this.now() / 1000, step, values));
  }

  end(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }

  async close(): Promise<void> {
    this.end();
  }

  private write(event: Uint8Array): void {
    if (this.file === undefined) return;
    try {
      writeSync(this.file, eventRecord(event));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new FrostlineError(
        `--tensorboard: ${this.folder} cannot be written (${code}). Free some space, or leave the option out.`,
      );
    }
  }
}
