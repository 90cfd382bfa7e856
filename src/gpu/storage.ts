/**
 * Memory as kernels see it. A `Storage` is a place for `bytes` bytes that gets its GPUBuffer when a program is
 * compiled (transient storages share buffers) or at once (parameters, inputs). A `View` is a range of it: what one
 * binding of one dispatch reads or writes.
 */
import { checkArguments, describeValue, type Expectation, oneOf, TEXT, wholeFrom } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';

const BYTES = wholeFrom(0);
/** Two halves take the bytes of one value of f32, and are counted as such. */
const BYTES_OF_HALVES: Expectation = {
  is: (value) => BYTES.is(value) && (value as number) % 4 === 0,
  words: 'four bytes for each value, of halves too: a multiple of 4',
};

/** A place for values on a device, with a name for messages. `gpu.storage` makes one with a buffer. */
export class Storage {
  readonly label: string;
  /** what it takes on the device */
  readonly bytes: number;
  readonly precision: Precision;
  buffer: GPUBuffer | undefined;

  /** @param bytes of its values at four bytes each, whatever `precision` makes of them */
  constructor(label: string, bytes: number, { precision = 'f32', buffer }: StorageOptions = {}) {
    checkArguments('a storage', { 'its label': [label, TEXT] });
    checkArguments(label, {
      precision: [precision, PRECISION],
      bytes: [bytes, precision === 'f16' ? BYTES_OF_HALVES : BYTES],
    });
    this.label = label;
    this.bytes = bytes * shareOf(precision);
    this.precision = precision;
    this.buffer = buffer;
  }

  /**
   * The whole, or a range of it. Both numbers count four bytes a value, as if it held f32: who cuts a tensor in windows
   * need not know what it is stored as. The view has the bytes on the device.
   * @throws FrostlineError for a range that is not within the storage
   */
  view(offset = 0, bytes = this.bytes / shareOf(this.precision) - offset): View {
    const share = shareOf(this.precision);
    const view = { storage: this, offset: offset * share, bytes: bytes * share };
    checkView('storage.view', view);
    return view;
  }
}

/** How a storage holds its values, and a buffer where it has one already. */
export interface StorageOptions {
  readonly precision?: Precision;
  readonly buffer?: GPUBuffer;
}

/**
 * What the numbers of a storage are on the device: single precision, or half precision in half the bytes. Kernels compute
 * in single precision with both. Integers take four bytes, as f32 does.
 */
export type Precision = 'f32' | 'f16';

/** Bytes of a value, over those of an f32. */
export const shareOf = (precision: Precision) => (precision === 'f16' ? 1 / 2 : 1);

/** A range of a storage: what one binding reads or writes. */
export interface View {
  readonly storage: Storage;
  /** in bytes, a multiple of a value's; the binding's own alignment is the recorder's care */
  readonly offset: number;
  readonly bytes: number;
}

const PRECISION: Expectation = oneOf('f32', 'f16');
/** A place for values, as an argument: what `gpu.storage` gives. */
const STORAGE: Expectation = {
  is: (value) => value instanceof Storage,
  words: 'a storage: what gpu.storage() gives',
};
const VIEW: Expectation = {
  is: (value) => (value as Partial<View> | undefined)?.storage instanceof Storage,
  words: 'a view: what storage.view() gives',
};

/** Refuses what is no storage, before anything of it is read. */
export function checkStorage(what: string, storage: unknown): asserts storage is Storage {
  checkArguments(what, { storage: [storage, STORAGE] });
}

/**
 * Refuses a range that does not lie within a storage: WebGPU would tell of it too late, and all that is computed on the device
 * after would fail.
 * @param unit bytes of what both numbers are multiples of; of a value of the storage unless given
 */
export function checkView(what: string, view: unknown, unit?: number): asserts view is View {
  checkArguments(what, { 'the view': [view, VIEW] });
  const { storage, offset, bytes } = view as View;
  const { label, bytes: all, precision } = storage;
  const step = unit ?? 4 * shareOf(precision);
  const numbers = typeof offset === 'number' && typeof bytes === 'number';
  const within = numbers && offset >= 0 && bytes > 0 && offset + bytes <= all;
  if (within && offset % step === 0 && bytes % step === 0) return;
  const shown = [offset, bytes].map((one) => (typeof one === 'number' ? String(one) : describeValue(one)));
  throw new FrostlineError(
    `${what}: the view of ${label} begins at byte ${shown[0]} and has ${shown[1]} bytes; ${label} has ${all}. ` +
      `Give a range within it, of one value or more: multiples of ${step} bytes.`,
  );
}

/** Offsets of bindings are aligned downward; what is left over is the kernel's `<binding>_base`, in elements. */
export function splitOffset(offset: number, alignment: number): { aligned: number; rest: number } {
  const aligned = Math.floor(offset / alignment) * alignment;
  return { aligned, rest: offset - aligned };
}

/** The buffer behind a storage; a storage without one was used outside its program. */
export function bufferOf(storage: Storage): GPUBuffer {
  if (storage.buffer !== undefined) return storage.buffer;
  throw new FrostlineError(
    `${storage.label} has no buffer yet: its program is not compiled. Compile it, or make the storage by gpu.storage().`,
  );
}
