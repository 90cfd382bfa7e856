/** Constants of a file in another form. One tensor has one of each, so that layers that share it still do. */
import { OnnxTensor } from '../../onnx/tensor.ts';

const made = new WeakMap<OnnxTensor, Map<string, OnnxTensor>>();

function once(from: OnnxTensor, form: string, make: () => OnnxTensor): OnnxTensor {
  const forms = made.get(from) ?? new Map<string, OnnxTensor>();
  made.set(from, forms);
  const tensor = forms.get(form) ?? make();
  forms.set(form, tensor);
  return tensor;
}

/** The tensor times a constant. */
export function scaled(tensor: OnnxTensor, factor: number): OnnxTensor {
  if (factor === 1) return tensor;
  const values = () => tensor.toFloat32().map((value) => value * factor);
  return once(tensor, `times ${factor}`, () => new OnnxTensor(tensor.name, tensor.dims, 'float32', values));
}

/** The same values in another shape, as float32. */
export const reshaped = (tensor: OnnxTensor, dims: readonly number[]): OnnxTensor =>
  once(tensor, `as ${dims}`, () => new OnnxTensor(tensor.name, dims, 'float32', () => tensor.toFloat32()));

/** A matrix with rows and columns exchanged, as float32. */
export const transposed = (matrix: OnnxTensor, name: string): OnnxTensor =>
  once(matrix, 'transposed', () => turned(matrix, name));

function turned(matrix: OnnxTensor, name: string): OnnxTensor {
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
