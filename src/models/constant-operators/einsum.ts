/** Sums of products by Einstein's convention: 'ij,jk->ik' (numpy.einsum). */
import { elementCount } from '../../onnx/tensor.ts';
import { attribute } from '../../operators/onnx/attributes.ts';
import { foldRemedy, refuse } from '../../operators/onnx/reading.ts';
import { type ConstantOperator, filled, kept, numbersOf, operand, rounding, stridesOf, walk } from './operator.ts';

/** Letters of each operand and of the result: in order of the alphabet those that stand once, where none is given. */
function parsed(equation: string): { readonly terms: readonly string[]; readonly result: string } | undefined {
  const [left, right, ...more] = equation.replaceAll(' ', '').split('->');
  const terms = left.split(',');
  const letters = [...terms.join('')];
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort();
  const result = right ?? once.join('');
  const words = [...terms, result].every((word) => /^[a-zA-Z]*$/.test(word));
  const known = new Set(result).size === result.length && [...result].every((letter) => letters.includes(letter));
  return words && known && more.length === 0 ? { terms, result } : undefined;
}

export const einsum: ConstantOperator = (operands) => {
  const { node, inputs } = operands;
  const equation = attribute(node, 'equation', 'string') ?? '';
  const { terms, result } = parsed(equation) ?? {};
  if (terms === undefined || result === undefined)
    refuse(node, `has the equation '${equation}'`, `Letters as in ij,jk->ik are computed here. ${foldRemedy}`);
  const tensors = inputs.map((_, i) => operand(operands, i));
  const sizes = new Map<string, number>();
  const fits = tensors.every(({ dims }, i) => {
    const term = terms[i] ?? '';
    return (
      term.length === dims.length &&
      dims.every((size, d) => (sizes.get(term[d]) ?? size) === size && sizes.set(term[d], size))
    );
  });
  if (!fits || terms.length !== tensors.length) {
    const shown = tensors.map(({ dims }) => `[${dims}]`).join(', ');
    refuse(node, `has '${equation}' for ${shown}`, 'A letter a dimension, of one size each, is expected.');
  }
  const summed = [...sizes.keys()].filter((letter) => !result.includes(letter));
  const sizesOf = (letters: Iterable<string>) => Array.from(letters, (letter) => sizes.get(letter)!);
  const [dims, inner] = [sizesOf(result), sizesOf(summed)];
  const [count, products] = [elementCount(dims), elementCount(inner)];
  const values = () => {
    const data = tensors.map(numbersOf);
    // A letter that stands twice in an operand walks along its diagonal.
    const steps = (letters: Iterable<string>, i: number) => {
      const strides = stridesOf(tensors[i].dims);
      return Array.from(letters, (letter) =>
        strides.reduce((sum, stride, d) => sum + (terms[i][d] === letter ? stride : 0), 0),
      );
    };
    const outer = tensors.map((_, i) => walk(dims, steps(result, i)));
    const along = tensors.map((_, i) => walk(inner, steps(summed, i)));
    const round = rounding(tensors[0].dataType);
    return filled(node, kept(tensors[0].dataType), count, (place) => {
      let sum = 0;
      for (let k = 0; k < products; k++) {
        let product = 1;
        for (let i = 0; i < data.length; i++) product *= data[i][outer[i](place) + along[i](k)];
        sum += product;
      }
      return round(sum);
    });
  };
  return [{ dims, dataType: kept(tensors[0].dataType), values, work: count * products * tensors.length }];
};
