import { number, type Rule } from '../operator.ts';

export interface DropoutAttributes {
  readonly ratio: number;
}

export const rule: Rule<DropoutAttributes> = {
  attributes: {
    ratio: number('share of the elements that are dropped', (v) => v >= 0 && v < 1, ' from 0 up to, but not, 1'),
  },
  shape: ({ inputs: [x] }) => [x.shape],
};
