/**
 * Memory as kernels see it. A `Storage` is a place for `bytes` bytes that gets its GPUBuffer when a program is
 * compiled (transient storages share buffers) or at once (parameters, inputs). A `View` is a range of it: what one
 * binding of one dispatch reads or writes.
 */
export class Storage {
  readonly label: string;
  /** what it takes on the device */
  readonly bytes: number;
  readonly precision: Precision;
  buffer: GPUBuffer | undefined;

  /** @param bytes of its values at four bytes each, whatever `precision` makes of them */
  constructor(label: string, bytes: number, { precision = 'f32', buffer }: StorageOptions = {}) {
    this.label = label;
    this.bytes = bytes * shareOf(precision);
    this.precision = precision;
    this.buffer = buffer;
  }

  /**
   * The whole, or a range of it. Both numbers count four bytes a value, as if it held f32: who cuts a tensor in windows
   * need not know what it is stored as. The view has the bytes on the device.
   */
  view(offset = 0, bytes = this.bytes / shareOf(this.precision) - offset): View {
    const share = shareOf(this.precision);
    return { storage: this, offset: offset * share, bytes: bytes * share };
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

/** Offsets of bindings are aligned downward; what is left over is the kernel's `<binding>_base`, in elements. */
export function splitOffset(offset: number, alignment: number): { aligned: number; rest: number } {
  const aligned = Math.floor(offset / alignment) * alignment;
  return { aligned, rest: offset - aligned };
}

/** The buffer behind a storage; a storage without one was used outside its program. */
export function bufferOf(storage: Storage): GPUBuffer {
  if (storage.buffer === undefined) throw new Error(`${storage.label} has no buffer yet: its program is not compiled`);
  return storage.buffer;
}
