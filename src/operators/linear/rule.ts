import { count, type None, type Rule, refuse, show, type Value } from '../operator.ts';

export type LinearRole = 'weight' | 'bias';

/** The number of outputs of a weight [out, in], where it fits rows of `width` values. */
export function outputsOf(width: number, read: string, weight: Value | undefined, bias: Value | undefined): number {
  if (weight === undefined) refuse("has no parameter 'weight'", 'Add its values.');
  if (weight.shape.length !== 2) {
    refuse(`has weight '${weight.name}' of shape ${show(weight.shape)}`, '[out, in] is expected.');
  }
  const [outputs, columns] = weight.shape;
  if (columns !== width) {
    refuse(
      `reads ${read}, its weight '${weight.name}' ${show(weight.shape)} needs ${columns}`,
      'Give the input size the network was made for.',
    );
  }
  if (bias !== undefined && (bias.shape.length !== 1 || bias.shape[0] !== outputs)) {
    refuse(`has bias '${bias.name}' of shape ${show(bias.shape)}`, `[${outputs}] is expected, one a channel out.`);
  }
  return outputs;
}

/** x flattened to [in], weight [out, in], bias [out] */
export const rule: Rule<None, LinearRole> = {
  attributes: {},
  shape({ inputs: [x], parameters: { weight, bias } }) {
    const read = `'${x.name}' of shape ${show(x.shape)}, ${count(x.shape)} values an image`;
    return [[outputsOf(count(x.shape), read, weight, bias)]];
  },
};
