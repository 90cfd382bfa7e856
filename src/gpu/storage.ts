/**
 * Memory as kernels see it. A `Storage` is a place for `bytes` bytes that gets its GPUBuffer when a program is
 * compiled (transient storages share buffers) or at once (parameters, inputs). A `View` is a range of it: what one
 * binding of one dispatch reads or writes.
 */
export class Storage {
  readonly label: string;
  readonly bytes: number;
  buffer: GPUBuffer | undefined;

  constructor(label: string, bytes: number, buffer?: GPUBuffer) {
    this.label = label;
    this.bytes = bytes;
    this.buffer = buffer;
  }

  /** The whole, or `bytes` from `offset` on. Both in bytes, multiples of 4. */
  view(offset = 0, bytes = this.bytes - offset): View {
    return { storage: this, offset, bytes };
  }
}

/** A range of a storage: what one binding reads or writes. */
export interface View {
  readonly storage: Storage;
  /** in bytes, a multiple of 4; the binding's own alignment is the recorder's care */
  readonly offset: number;
  readonly bytes: number;
}

/** Offsets of bindings are aligned downward; what is left over is the kernel's `<binding>_base`, in elements of 4 bytes. */
export function splitOffset(offset: number, alignment: number): { aligned: number; rest: number } {
  const aligned = Math.floor(offset / alignment) * alignment;
  return { aligned, rest: offset - aligned };
}
