import { FrostlineError } from '../errors.ts';
import { type DataType, dataTypeInfo, type TensorData } from './data-types.ts';
import { bfloat16ToFloat32, float16ToFloat32 } from './half.ts';

/**
 * A tensor of an ONNX file: an initialiser, an attribute's value or a `.pb` file. Its values are read when they are
 * asked for, and kept no longer than somebody holds them: a file of 600 MB may be copied to a GPU tensor by tensor.
 */
export class OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: DataType;
  private readonly load: () => TensorData;
  private held: WeakRef<TensorData & object> | undefined;

  /** @param load makes the values, row-major; called again when they were let go of. */
  constructor(name: string, dims: readonly number[], dataType: DataType, load: () => TensorData) {
    this.name = name;
    this.dims = dims;
    this.dataType = dataType;
    this.load = load;
  }

  /** Number of elements; 1 for a scalar. */
  get size(): number {
    return elementCount(this.dims);
  }

  /** The values in the array of the tensor's own type; float16 and bfloat16 as bit patterns. Not to be written to. */
  get data(): TensorData {
    let data: TensorData | undefined = this.held?.deref();
    if (data === undefined) {
      data = this.load();
      this.held = new WeakRef(data);
    }
    return data;
  }

  /** The values as float32: as they are, widened from 16 bits, or rounded from doubles and integers. */
  toFloat32(): Float32Array {
    const { data } = this;
    if (data instanceof Float32Array) return data;
    if (this.dataType === 'float16') return float16ToFloat32(data as Uint16Array);
    if (this.dataType === 'bfloat16') return bfloat16ToFloat32(data as Uint16Array);
    return Float32Array.from(this.numbers());
  }

  /** The values as whole JavaScript numbers, as shapes and axes are. Throws FrostlineError for other types. */
  toIntegers(): number[] {
    if (!/^u?int/.test(this.dataType)) {
      throw new FrostlineError(`tensor '${this.name}' holds ${this.dataType}, integers are expected.`);
    }
    return this.numbers();
  }

  private numbers(): number[] {
    const { data } = this;
    if (this.dataType === 'string') {
      throw new FrostlineError(`tensor '${this.name}' holds strings, numbers are expected.`);
    }
    return Array.from(data as ArrayLike<number | bigint>, Number);
  }

  /** A tensor of values already there. Throws FrostlineError when their number is not that of the shape. */
  static of(name: string, dims: readonly number[], dataType: DataType, data: TensorData): OnnxTensor {
    if (data.length !== elementCount(dims)) {
      throw new FrostlineError(`tensor '${name}' has ${data.length} values, its shape [${dims}] needs another number.`);
    }
    const { array } = dataTypeInfo(dataType);
    if (array ? !(data instanceof array) : !Array.isArray(data)) {
      throw new FrostlineError(`tensor '${name}': values of ${dataType} come in a ${array?.name ?? 'string[]'}.`);
    }
    return new OnnxTensor(name, dims, dataType, () => data);
  }
}

export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}
