/** Constants of a file in another form. */
import { OnnxTensor } from '../../onnx/tensor.ts';

/** The tensor times a constant. */
export function scaled(tensor: OnnxTensor, factor: number): OnnxTensor {
  if (factor === 1) return tensor;
  return new OnnxTensor(tensor.name, tensor.dims, 'float32', () => tensor.toFloat32().map((value) => value * factor));
}

/** The same values in another shape, as float32. */
export const reshaped = (tensor: OnnxTensor, dims: readonly number[]): OnnxTensor =>
  new OnnxTensor(tensor.name, dims, 'float32', () => tensor.toFloat32());

/** A matrix with rows and columns exchanged, as float32. */
export function transposed(matrix: OnnxTensor, name: string): OnnxTensor {
  const [rows, columns] = matrix.dims;
  return new OnnxTensor(name, [columns, rows], 'float32', () => {
    const from = matrix.toFloat32();
    const to = new Float32Array(from.length);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) to[column * rows + row] = from[row * columns + column];
    }
    return to;
  });
}
