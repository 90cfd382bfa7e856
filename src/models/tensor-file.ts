/** Tensors as files: NumPy's `.npy`, and ONNX's `.pb` as its test data come. */
import { type NpyType, readNpy } from '../data/npy.ts';
import { FrostlineError } from '../errors.ts';
import { basename, extname } from '../host.ts';
import type { DataType } from '../onnx/data-types.ts';
import { readTensor } from '../onnx/read.ts';
import { OnnxTensor } from '../onnx/tensor.ts';
import type { GivenTensor } from './infer.ts';

const dataTypes: Readonly<Record<NpyType, DataType>> = {
  b1: 'bool',
  u1: 'uint8',
  i1: 'int8',
  u2: 'uint16',
  i2: 'int16',
  u4: 'uint32',
  i4: 'int32',
  i8: 'int64',
  f4: 'float32',
  f8: 'float64',
};

/** @throws FrostlineError for a file that is missing, damaged, or neither .npy nor .pb */
export async function readTensorFile(file: string): Promise<GivenTensor> {
  switch (extname(file).toLowerCase()) {
    case '.npy': {
      const { type, shape, data } = await readNpy(file);
      return { tensor: OnnxTensor.of(basename(file), shape, dataTypes[type], data), source: file };
    }
    case '.pb': {
      const tensor = readTensor(file);
      // Now, so that a damaged file is named before anything runs.
      void tensor.data;
      return { tensor, source: file };
    }
    default:
      throw new FrostlineError(`${file}: a tensor comes as .npy or as ONNX's .pb, not as '${basename(file)}'.`);
  }
}

/** File systems take 255 bytes, of which the file's other name while it is written needs some. */
const LONGEST_NAME = 200;

/** File names for the outputs of a model, whose names may hold slashes and colons: '/fc/Gemm_output_0'. */
export function outputFileNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const plain = name
      .replaceAll(/[^\w.-]+/g, '_')
      .replace(/^[_.]+(?=.)/, '')
      .slice(0, LONGEST_NAME);
    let unique = plain;
    for (let copy = 2; taken.has(unique.toLowerCase()); copy++) unique = `${plain}_${copy}`;
    taken.add(unique.toLowerCase());
    return `${unique}.npy`;
  });
}
