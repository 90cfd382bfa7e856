import { gemmFamily } from '../../check/cases/gemm.ts';
import { normal } from '../../graph/operation-case.ts';
import { sums } from '../bounds.ts';
import type { Checks, Drawn } from '../checks.ts';
import type { None } from '../operator.ts';

export const checks: Checks<None> = {
  bound: sums(({ inputs: [a] }) => a.shape.at(-1)! + 1),
  // By the contraction, as convolutions and large fully connected layers: it stands with the kernels that several share.
  families: [gemmFamily],
  draw(choose, random): Drawn<None> {
    const leading = choose(0, 1) === 1 ? [choose(1, 4), choose(1, 3)] : [choose(1, 5)];
    const [m, k, p] = [choose(1, 9), choose(1, 9), choose(1, 9)];
    const a = normal(random, [...leading, m, k]);
    if (choose(0, 1) === 0) return { attributes: {}, inputs: { a, b: normal(random, [...leading, k, p]) } };
    const bias = choose(0, 1) === 1 ? { bias: normal(random, [p]) } : undefined;
    return { attributes: {}, inputs: { a }, parameters: { weight: normal(random, [p, k]), ...bias } };
  },
  torch: 'lambda o, a, b=None, weight=None, bias=None: a @ b if weight is None else F.linear(a, weight, bias)',
  mutations: {},
};
