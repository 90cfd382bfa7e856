import { extended, type Rule } from '../operator.ts';

export interface ClipAttributes {
  readonly low: number;
  readonly high: number;
}

export const rule: Rule<ClipAttributes> = {
  attributes: {
    low: extended('the lower bound; -Infinity: none'),
    high: extended('the upper bound, which wins where both cross; Infinity: none'),
  },
  shape: ({ inputs: [x] }) => [x.shape],
};
