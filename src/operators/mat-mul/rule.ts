import { type LinearRole, outputsOf } from '../linear/rule.ts';
import { type None, type Rule, refuse, type Shape, show } from '../operator.ts';

function productOf(a: Shape, b: Shape): Shape {
  const fits =
    a.length >= 2 &&
    a.length === b.length &&
    a.at(-1) === b.at(-2) &&
    String(a.slice(0, -2)) === String(b.slice(0, -2));
  if (!fits) {
    refuse(
      `multiplies activations of shapes ${show(a)} and ${show(b)}`,
      '[..., M, K] and [..., K, P] with the same leading dimensions are expected.',
    );
  }
  return [...a.slice(0, -1), b.at(-1)!];
}

/** Two activations [..., M, K] and [..., K, P]; or one [..., K] and a weight [P, K] (as linear's), with bias [P]. */
export const rule: Rule<None, LinearRole> = {
  attributes: {},
  shape({ inputs, parameters: { weight, bias } }) {
    const wanted = weight === undefined ? 2 : 1;
    if (inputs.length !== wanted) {
      refuse(
        `has ${inputs.length} activations as input`,
        weight === undefined ? 'Two are expected.' : 'One is expected beside a weight.',
      );
    }
    const [{ name, shape: a }] = inputs;
    if (weight === undefined) return [productOf(a, inputs[1].shape)];
    const width = a.at(-1);
    if (width === undefined) refuse('multiplies single numbers', 'Items of one dimension or more are expected.');
    return [[...a.slice(0, -1), outputsOf(width, `rows of ${width} values of '${name}' ${show(a)}`, weight, bias)]];
  },
};
