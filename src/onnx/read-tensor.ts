/** TensorProto: where its bytes lie, and the arrays made of them when they are asked for. */
import protobuf from 'protobufjs/minimal.js';
import { FrostlineError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { type DataType, dataTypeInfo, dataTypeOf, type NumericArray, type TensorData } from './data-types.ts';
import { externalBytes, type ModelPlace, withoutFolder } from './external-data.ts';
import { elementCount, OnnxTensor } from './tensor.ts';
import { type Field, FieldReader, wellFormed, wireType } from './wire.ts';

/** Field numbers of TensorProto (onnx.proto). */
const tensorField = {
  dims: 1,
  dataType: 2,
  segment: 3,
  floatData: 4,
  int32Data: 5,
  stringData: 6,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  uint64Data: 11,
  externalData: 13,
  dataLocation: 14,
} as const;

const fieldOfData = {
  float: tensorField.floatData,
  double: tensorField.doubleData,
  int32: tensorField.int32Data,
  int64: tensorField.int64Data,
  uint64: tensorField.uint64Data,
  string: tensorField.stringData,
} as const;

/**
 * Finds the parts of the TensorProto between `start` and `end` without reading its values.
 *
 * @param place where external data may lie
 * @throws FrostlineError when the values are missing, too few, or of a type without arrays here
 */
export function scanTensor(source: ByteSource, start: number, end: number, place?: ModelPlace): OnnxTensor {
  return wellFormed(source.name, () => scan(source, start, end, place));
}

function scan(source: ByteSource, start: number, end: number, place: ModelPlace | undefined): OnnxTensor {
  const reader = new FieldReader(source, source.name);
  const dims: number[] = [];
  const values = new Map<number, Field[]>();
  const external = new Map<string, string>();
  let name = '';
  let code = 0;
  let raw: Field | undefined;
  let isExternal = false;
  for (const field of reader.fields(start, end)) {
    switch (field.number) {
      case tensorField.dims:
        dims.push(...varints(reader.bytes(field), 'int64').map(Number));
        break;
      case tensorField.dataType:
        code = reader.varint(field);
        break;
      case tensorField.name:
        name = reader.text(field);
        break;
      case tensorField.rawData:
        raw = field;
        break;
      case tensorField.externalData: {
        const [key, value] = keyAndValue(reader, field);
        external.set(key, value);
        break;
      }
      case tensorField.dataLocation:
        isExternal = reader.varint(field) === 1;
        break;
      case tensorField.segment:
        throw new FrostlineError(`${source.name}: tensor '${name}' is split in segments. Export the model unsplit.`);
      default:
        if (!values.has(field.number)) values.set(field.number, []);
        values.get(field.number)!.push(field);
    }
  }
  const what = `${source.name}: tensor '${name}'`;
  const dataType = dataTypeOf(code);
  if (dataType === undefined) {
    throw new FrostlineError(`${what} has element type ${code}, which is not supported. Export the model in float32.`);
  }
  if (dims.some((dim) => dim < 0)) throw new FrostlineError(`${what} has the impossible shape [${dims}].`);
  const { array, field } = dataTypeInfo(dataType);
  const size = elementCount(dims);
  const bytes = size * (array?.BYTES_PER_ELEMENT ?? 0);

  if (isExternal) {
    if (place === undefined) throw withoutFolder(external, what);
    // Looked for when it is asked for: a weight that is not needed need not be there.
    return new OnnxTensor(name, dims, dataType, () => {
      const part = externalBytes(external, place, bytes, what);
      checkLength(part.length, bytes, dims, dataType, what);
      return typedArray(part.source.read(part.offset, part.length), dataType);
    });
  }
  if (raw !== undefined) {
    checkLength(raw.length, bytes, dims, dataType, what);
    return new OnnxTensor(name, dims, dataType, () => typedArray(reader.bytes(raw), dataType));
  }
  const pieces = values.get(fieldOfData[field]) ?? [];
  if (pieces.length === 0 && size > 0) {
    throw new FrostlineError(`${what} of shape [${dims}] holds no values. Export the model again, with its weights.`);
  }
  // No value takes less than a byte: a shape that asks for more must not make us reserve memory for it.
  if (dataType !== 'string' && pieces.reduce((sum, piece) => sum + piece.length, 0) < size) {
    throw new FrostlineError(`${what}: shape [${dims}] needs ${size} values, the file holds fewer. Fetch it again.`);
  }
  return new OnnxTensor(name, dims, dataType, () => {
    const data = wellFormed(what, () => readPieces(source, reader, pieces, dataType, size));
    if (data.length !== size) {
      throw new FrostlineError(`${what}: shape [${dims}] needs ${size} values, ${data.length} are there.`);
    }
    return data;
  });
}

function checkLength(found: number, expected: number, dims: readonly number[], dataType: DataType, what: string): void {
  if (found === expected) return;
  throw new FrostlineError(
    `${what}: ${dataType} of shape [${dims}] needs ${expected} bytes, ${found} are there. The file is damaged: fetch it again.`,
  );
}

/** Little-endian bytes as an array; without a copy where they lie aligned. Every host of WebGPU is little-endian. */
function typedArray(bytes: Uint8Array, dataType: DataType): NumericArray {
  const array = dataTypeInfo(dataType).array!;
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  // A Buffer's slice is a view again, so that its offset may still be odd.
  const own = aligned.byteOffset % array.BYTES_PER_ELEMENT === 0 ? aligned : Uint8Array.from(aligned);
  return new array(own.buffer, own.byteOffset, own.length / array.BYTES_PER_ELEMENT);
}

function readPieces(
  source: ByteSource,
  reader: FieldReader,
  pieces: readonly Field[],
  dataType: DataType,
  size: number,
): TensorData {
  const { array, field } = dataTypeInfo(dataType);
  if (array === undefined) return pieces.map((piece) => reader.text(piece));
  // The usual case: one packed field, read as it lies.
  if ((field === 'float' || field === 'double') && pieces.length === 1 && pieces[0].wire === wireType.bytes) {
    const bytes = reader.bytes(pieces[0]);
    return typedArray(bytes.subarray(0, bytes.length - (bytes.length % array.BYTES_PER_ELEMENT)), dataType);
  }
  const out = new array(size);
  let filled = 0;
  for (const piece of pieces) {
    const values = pieceValues(source, reader, piece, field as 'float');
    // One value too many is kept in the count, so that the caller can tell.
    if (filled + values.length > size) return new array(filled + values.length);
    const isBig = out instanceof BigInt64Array || out instanceof BigUint64Array;
    for (let i = 0; i < values.length; i++) out[filled++] = isBig ? values[i] : Number(values[i]);
  }
  return filled === size ? out : (out.subarray(0, filled) as NumericArray);
}

function pieceValues(
  source: ByteSource,
  reader: FieldReader,
  piece: Field,
  field: 'float' | 'double' | 'int32' | 'int64' | 'uint64',
): ArrayLike<number> | ArrayLike<bigint> {
  const bytes = source.read(piece.offset, piece.length);
  if (field === 'float' || field === 'double') {
    const width = field === 'float' ? 4 : 8;
    const stride = piece.wire === wireType.bytes ? width : width + 1;
    const count = piece.wire === wireType.bytes ? Math.floor(bytes.length / width) : piece.count;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      values[i] = field === 'float' ? view.getFloat32(i * stride, true) : view.getFloat64(i * stride, true);
    }
    return values;
  }
  if (piece.wire !== wireType.bytes && piece.wire !== wireType.varint) {
    throw new FrostlineError(`${source.name}: integer data with wire type ${piece.wire} at byte ${piece.start}.`);
  }
  return varints(reader.bytes(piece), field);
}

/** All varints of packed bytes: as numbers for int32, as bigint for the 64-bit fields. */
function varints(bytes: Uint8Array, field: 'int32' | 'int64' | 'uint64'): number[] | bigint[] {
  const reader = protobuf.Reader.create(bytes);
  if (field === 'int32') {
    const values: number[] = [];
    while (reader.pos < reader.len) values.push(reader.int32());
    return values;
  }
  const values: bigint[] = [];
  while (reader.pos < reader.len) {
    const bits = reader.uint64() as number | { low: number; high: number };
    const value = typeof bits === 'number' ? BigInt(bits) : (BigInt(bits.high >>> 0) << 32n) | BigInt(bits.low >>> 0);
    values.push(field === 'int64' ? BigInt.asIntN(64, value) : value);
  }
  return values;
}

/** A StringStringEntryProto. */
export function keyAndValue(reader: FieldReader, entry: Field): [string, string] {
  let key = '';
  let value = '';
  for (const field of reader.fields(entry.offset, entry.offset + entry.length)) {
    if (field.number === 1) key = reader.text(field);
    if (field.number === 2) value = reader.text(field);
  }
  return [key, value];
}
