/** The element types of ONNX tensors (onnx.proto, TensorProto.DataType) and the arrays that hold them. */

export type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** Values of an ONNX tensor as a typed array. */
export type TensorData = NumericArray | readonly string[];

interface NumericArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): NumericArray;
  new (buffer: ArrayBufferLike, offset: number, length: number): NumericArray;
}

interface DataTypeInfo {
  readonly code: number;
  /** The array of its elements: float16 and bfloat16 are kept as bit patterns, bool as 0 and 1. */
  readonly array?: NumericArrayConstructor;
  /** The TensorProto field that holds it when it is not in raw_data. */
  readonly field: 'float' | 'double' | 'int32' | 'int64' | 'uint64' | 'string';
}

export const dataTypes = {
  float32: { code: 1, array: Float32Array, field: 'float' },
  uint8: { code: 2, array: Uint8Array, field: 'int32' },
  int8: { code: 3, array: Int8Array, field: 'int32' },
  uint16: { code: 4, array: Uint16Array, field: 'int32' },
  int16: { code: 5, array: Int16Array, field: 'int32' },
  int32: { code: 6, array: Int32Array, field: 'int32' },
  int64: { code: 7, array: BigInt64Array, field: 'int64' },
  string: { code: 8, field: 'string' },
  bool: { code: 9, array: Uint8Array, field: 'int32' },
  float16: { code: 10, array: Uint16Array, field: 'int32' },
  float64: { code: 11, array: Float64Array, field: 'double' },
  uint32: { code: 12, array: Uint32Array, field: 'uint64' },
  uint64: { code: 13, array: BigUint64Array, field: 'uint64' },
  bfloat16: { code: 16, array: Uint16Array, field: 'int32' },
} as const satisfies Record<string, DataTypeInfo>;

/** Names of ONNX's element types. */
export type DataType = keyof typeof dataTypes;

export function dataTypeInfo(type: DataType): DataTypeInfo {
  return dataTypes[type];
}

const byCode = new Map(Object.entries(dataTypes).map(([name, { code }]) => [code as number, name as DataType]));

/** The type of a code, or undefined for one that frostline has no arrays for (complex numbers, 8-bit floats, ...). */
export function dataTypeOf(code: number): DataType | undefined {
  return byCode.get(code);
}
