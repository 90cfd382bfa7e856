import { type None, type Rule, refuse, show } from '../operator.ts';

/** Two activations; a dimension of 1 is repeated to that of the other. */
export const rule: Rule<None> = {
  attributes: {},
  shape({ inputs }) {
    const [a, b] = inputs.map(({ shape }) => shape);
    if (a.length !== b.length || a.some((n, i) => n !== b[i] && n !== 1 && b[i] !== 1)) {
      refuse(
        `combines activations of shapes ${inputs.map(({ shape }) => show(shape)).join(' and ')}`,
        'Each dimension of an item must be equal in both, or 1 in one of them.',
      );
    }
    return [a.map((n, i) => Math.max(n, b[i]))];
  },
};
