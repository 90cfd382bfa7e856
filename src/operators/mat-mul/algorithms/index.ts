/** The algorithms of a product of matrices and of its two gradients, the plain one first. */

import type { Capabilities } from '../../../kernels/kernel.ts';
import { type Decision, refuseUnknown, type Selected, select } from '../../algorithms/algorithm.ts';
import { eachProductMethod, measuredProductMethods } from '../../algorithms/product.ts';
import { byProduct, caseOf, type Operands, type Products, type ProductsAlgorithm, type Result } from './products.ts';

const decisionOn = (result: Result): Decision<Products, Operands> => ({
  purpose: `matMul ${result}`,
  algorithms: eachProductMethod((method) => byProduct(result, method)),
  measured: measuredProductMethods.map((method) => byProduct(result, method)),
  caseOf,
});

/** By what they compute; mapped, so that none can be left out. */
export const matMulDecisions: { readonly [R in Result]: Decision<Products, Operands> } = {
  forward: decisionOn('forward'),
  'left gradient': decisionOn('left gradient'),
  'right gradient': decisionOn('right gradient'),
};

/** @throws FrostlineError where an algorithm is forced that products of matrices have not */
export function selectMatMul(adapter: Capabilities, result: Result, problem: Products): Selected<ProductsAlgorithm> {
  refuseUnknown(adapter, 'matMul', Object.values(matMulDecisions));
  return select(adapter, matMulDecisions[result], problem);
}
