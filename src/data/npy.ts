import { checkArguments, NUMBERS, OBJECT, PATH } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { writeFileAtomically } from '../files.ts';
import { readGiven } from '../read-files.ts';

/** NumPy's names without the byte order, which is always little-endian; 'b1' is a boolean, a byte of 0 or 1. */
export interface NpyTypes {
  b1: Uint8Array;
  u1: Uint8Array;
  i1: Int8Array;
  u2: Uint16Array;
  i2: Int16Array;
  u4: Uint32Array;
  i4: Int32Array;
  i8: BigInt64Array;
  f4: Float32Array;
  f8: Float64Array;
}
/** Element types of npy files that are read. */
export type NpyType = keyof NpyTypes;

/** An array as NumPy has it: element type, shape, and the values in C (row-major) order. */
export type NpyArray = {
  [T in NpyType]: { readonly type: T; readonly shape: readonly number[]; readonly data: NpyTypes[T] };
}[NpyType];

const constructors = {
  b1: Uint8Array,
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  i8: BigInt64Array,
  f4: Float32Array,
  f8: Float64Array,
} as const;

const magic = [0x93, ...Buffer.from('NUMPY')];

/**
 * Parses a `.npy` file (NEP 1), versions 1 to 3. Fortran order is turned into C order; big-endian values and other
 * types (half precision, complex, text, objects) are refused.
 *
 * @param name stands in messages
 */
export function parseNpy(bytes: Uint8Array<ArrayBuffer>, name: string): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 10 || magic.some((byte, i) => bytes[i] !== byte)) {
    throw new FrostlineError(`${name} is no .npy file: it does not begin with \\x93NUMPY; save it with numpy.save`);
  }
  const version = bytes[6];
  if (version < 1 || version > 3) throw new FrostlineError(`${name} has .npy version ${version}; expected 1, 2 or 3`);
  const dataAt = version === 1 ? 10 + view.getUint16(8, true) : 12 + (bytes.length < 12 ? 0 : view.getUint32(8, true));
  if (dataAt > bytes.length) throw new FrostlineError(`${name} ends within its header; copy or save it again`);
  const header = Buffer.from(bytes.subarray(version === 1 ? 10 : 12, dataAt)).toString('utf8');

  const descr = /['"]descr['"]\s*:\s*['"]([^'"]*)['"]/.exec(header)?.[1];
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(header)?.[1];
  const dimensions = /['"]shape['"]\s*:\s*\(([\d\s,L]*)\)/.exec(header)?.[1];
  if (descr === undefined || order === undefined || dimensions === undefined) {
    throw new FrostlineError(`${name} has the header ${header.trim()}; expected one type, an order and a shape`);
  }
  const type = descr.replace(/^[<|=]/, '');
  if (!Object.hasOwn(constructors, type)) {
    throw new FrostlineError(
      `${name} holds values of type '${descr}'; expected little-endian ${Object.keys(constructors).join(', ')}. ` +
        "Convert it, for example with numpy.save(file, array.astype('<f4'))",
    );
  }
  const shape = (dimensions.match(/\d+/g) ?? []).map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  const Typed = constructors[type as NpyType];
  const found = bytes.length - dataAt;
  if (found !== count * Typed.BYTES_PER_ELEMENT) {
    throw new FrostlineError(
      `${name} holds ${found} bytes of values; ${shape.join(' x ') || 'a single value'} of '${descr}' takes ` +
        `${count * Typed.BYTES_PER_ELEMENT}. Copy or save it again`,
    );
  }
  // Headers are padded so that values are aligned; copy where a writer did not.
  const start = bytes.byteOffset + dataAt;
  const aligned = start % Typed.BYTES_PER_ELEMENT === 0;
  const data = new Typed(
    aligned ? bytes.buffer : Uint8Array.from(bytes.subarray(dataAt)).buffer,
    aligned ? start : 0,
    count,
  );
  if (order === 'True' && shape.length > 1) toRowMajor(data, shape);
  return { type, shape, data } as NpyArray;
}

/** Reads a `.npy` file, or what comes on standard input for `-`; see `parseNpy`. */
export async function readNpy(path: string): Promise<NpyArray> {
  checkArguments('readNpy', { path: [path, PATH] });
  return parseNpy(await readGiven(path), path === '-' ? 'standard input' : path);
}

/** The bytes before the values: version 1, padded so that they begin at a multiple of 64. */
function npyHeader({ type, shape }: NpyArray): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const order = constructors[type].BYTES_PER_ELEMENT === 1 ? '|' : '<';
  const text = `{'descr': '${order}${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  return Buffer.concat([
    Buffer.from([...magic, 1, 0, length & 255, length >> 8]),
    Buffer.from(`${text.padEnd(length - 1)}\n`),
  ]);
}

/** The bytes of a `.npy` file, version 1, C order. */
export function formatNpy(array: NpyArray): Uint8Array {
  const { buffer, byteOffset, byteLength } = array.data;
  return Buffer.concat([npyHeader(array), new Uint8Array(buffer, byteOffset, byteLength)]);
}

/** Writes a `.npy` file (version 1, C order) under its name only when it is complete. */
export async function writeNpy(path: string, array: NpyArray): Promise<void> {
  checkArguments('writeNpy', { path: [path, PATH], array: [array, OBJECT], shape: [array?.shape, NUMBERS] });
  const Typed = Object.hasOwn(constructors, array.type) ? constructors[array.type] : undefined;
  if (Typed === undefined) {
    const types = Object.keys(constructors).join(', ');
    throw new FrostlineError(`${path}: there is no type '${array.type}'. Use one of ${types}.`);
  }
  if (!(array.data instanceof Typed)) {
    const found = (array.data as object | undefined)?.constructor.name ?? array.data;
    throw new FrostlineError(`${path}: values of type '${array.type}' are a ${Typed.name}; found ${found}.`);
  }
  const count = array.shape.reduce((product, size) => product * size, 1);
  if (count !== array.data.length) {
    throw new FrostlineError(
      `${path}: shape ${array.shape.join(' x ')} takes ${count} values, found ${array.data.length}`,
    );
  }
  const { buffer, byteOffset, byteLength } = array.data;
  await writeFileAtomically(path, [npyHeader(array), new Uint8Array(buffer, byteOffset, byteLength)]);
}

/** Reorders column-major values in place. */
function toRowMajor(data: NpyTypes[NpyType], shape: readonly number[]): void {
  const source = data.slice();
  const index = new Array<number>(shape.length).fill(0);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1));
  for (let at = 0, from = 0; at < data.length; at++) {
    data[at] = source[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}
