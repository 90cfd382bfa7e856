/**
 * A walk over the fields of a protobuf message that touches their headers alone. onnx-proto decodes whole messages,
 * and turns a packed field of 100 million floats into an array of as many JavaScript numbers; this walk finds where
 * the bytes of a big field lie instead, and leaves them there.
 */
import protobuf from 'protobufjs/minimal.js';
import { FrostlineError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';

export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

export interface Field {
  readonly number: number;
  readonly wire: number;
  /** Where the field's header begins. */
  readonly start: number;
  /** Where its value begins: for `bytes` after the length. */
  readonly offset: number;
  /** Length of the value in bytes; of a run up to the end of its last value. */
  readonly length: number;
  /** Fixed-width fields of one number in a row are given as one field: so many values, `width + 1` bytes apart. */
  readonly count: number;
}

/** A key and a length take at most 5 + 10 bytes. */
const longestHeader = 15;
const windowSize = 8192;
const runWindowSize = 2 ** 20;

/** Reads field headers through a small window, so that a file needs few reads. */
export class FieldReader {
  private window: Uint8Array = new Uint8Array(0);
  private windowStart = 0;
  private readonly source: ByteSource;
  /** Names the message in errors: "weights.onnx: graph". */
  private readonly what: string;

  constructor(source: ByteSource, what: string) {
    this.source = source;
    this.what = what;
  }

  /** The fields of the message that fills the bytes from `start` to `end`. */
  *fields(start: number, end: number): Generator<Field> {
    for (let at = start; at < end; ) {
      const field = this.field(at, end);
      yield field;
      at = field.offset + field.length;
    }
  }

  /** The value of a varint field as a JavaScript number; exact up to 2^53. */
  varint(field: Field): number {
    return toNumber(this.readerAt(field.offset, field.offset + field.length).int64());
  }

  bytes(field: Field): Uint8Array {
    return this.source.read(field.offset, field.length);
  }

  text(field: Field): string {
    return new TextDecoder().decode(this.bytes(field));
  }

  private field(start: number, end: number): Field {
    const reader = this.readerAt(start, end);
    const base = start - reader.pos;
    try {
      const key = reader.uint32();
      const number = key >>> 3;
      const wire = key & 7;
      if (number === 0) throw this.malformed(start);
      let offset = base + reader.pos;
      let length: number;
      if (wire === wireType.bytes) {
        length = toNumber(reader.uint64());
        offset = base + reader.pos;
      } else if (wire === wireType.varint) {
        reader.uint64();
        length = base + reader.pos - offset;
      } else if (wire === wireType.fixed32) length = 4;
      else if (wire === wireType.fixed64) length = 8;
      else throw this.malformed(start);
      if (offset + length > end) {
        throw new FrostlineError(
          `${this.what}: field ${number} at byte ${start} needs ${length} bytes, ${end - offset} are there. ` +
            'The file is truncated or no ONNX file: fetch it again and check its size and sha256.',
        );
      }
      const fixedWidth = wire === wireType.fixed32 || wire === wireType.fixed64;
      const count = fixedWidth && offset === start + 1 ? this.runLength(start, end, length + 1) : 1;
      return { number, wire, start, offset, length: length + (count - 1) * (length + 1), count };
    } catch (error) {
      throw isDamage(error) ? this.malformed(start) : error;
    }
  }

  /** How many fields with the one-byte key at `start` follow each other at `stride` bytes. */
  private runLength(start: number, end: number, stride: number): number {
    const key = this.source.read(start, 1)[0];
    let at = start + stride;
    while (at + stride <= end) {
      const length = Math.min(Math.floor(runWindowSize / stride), Math.floor((end - at) / stride)) * stride;
      const bytes = this.source.read(at, length);
      for (let i = 0; i < length; i += stride) if (bytes[i] !== key) return (at + i - start) / stride;
      at += length;
    }
    return (at - start) / stride;
  }

  private readerAt(start: number, end: number): protobuf.Reader {
    const needed = Math.min(longestHeader, end - start);
    const at = start - this.windowStart;
    if (at < 0 || at + needed > this.window.length) {
      this.windowStart = start;
      this.window = this.source.read(start, Math.min(windowSize, this.source.length - start));
    }
    const reader = protobuf.Reader.create(this.window);
    reader.pos = start - this.windowStart;
    reader.len = Math.min(this.window.length, end - this.windowStart);
    return reader;
  }

  private malformed(at: number): FrostlineError {
    return new FrostlineError(
      `${this.what}: no ONNX data at byte ${at}. The file is damaged or no ONNX file: fetch it again, or export it to ONNX.`,
    );
  }
}

/**
 * What protobufjs throws at damaged bytes, as the user's error. Nothing else is taken for damage: want of memory is told
 * as that, and an error of our own stays what it is.
 */
export function wellFormed<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw asReadingError(what, error);
  }
}

/** What protobufjs' reader says of bytes that are no message. */
const damage = /^(index out of range|invalid (varint|wire type|end group))/;
const tooDeep = /call stack/i;
const outOfMemory = /allocation failed|out of memory|invalid (typed )?array (buffer )?length/i;

export const isDamage = (error: unknown): error is Error =>
  error instanceof Error && !(error instanceof FrostlineError) && damage.test(error.message);

function asReadingError(what: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof FrostlineError) return error;
  const { message } = error;
  if (isDamage(error))
    return new FrostlineError(`${what} is damaged (${message}). Fetch the file again, or export it again.`);
  if (tooDeep.test(message)) {
    return new FrostlineError(
      `${what} holds messages nested thousands deep, which no exporter writes. Export it again.`,
    );
  }
  if (outOfMemory.test(message)) {
    return new FrostlineError(
      `${what} needs more memory than there is (${message}). End other programs, or use a smaller model.`,
    );
  }
  return error;
}

/** protobufjs gives 64-bit integers as Long objects, or as numbers where the package `long` is missing. */
export function toNumber(value: unknown): number {
  if (value === null || value === undefined) return 0;
  return typeof value === 'number' ? value : (value as { toNumber(): number }).toNumber();
}
