/**
 * The algorithms of a fully connected layer. Input gradient and update are one decision where both are wanted, since one
 * pass over the weight may make them; the plain one of each comes first.
 */

import type { Capabilities } from '../../../kernels/kernel.ts';
import {
  type Algorithm,
  type Decision,
  type PartialAlgorithm,
  refuseUnknown,
  type Selected,
  select,
  ways,
} from '../../algorithms/algorithm.ts';
import { eachProductMethod, measuredProductMethods } from '../../algorithms/product.ts';
import { caseOf, type Layer, type LayerAlgorithm, type Operands } from './layer.ts';
import { byProduct, updateBy } from './products.ts';
import { fusedUpdate, onePass, vectorsForward, vectorsInputGradient } from './vectors.ts';

type List<O> = readonly [Algorithm<Layer, O>, ...Algorithm<Layer, O>[]];

const inputGradients: List<Operands['input gradient']> = [
  ...eachProductMethod((method) => byProduct('input gradient', method)),
  vectorsInputGradient,
];
const [plainUpdate, ...otherUpdates] = [...eachProductMethod(updateBy), fusedUpdate];

type Part = PartialAlgorithm<Layer, Operands['backward'], 'dx' | 'update'>;
const [plainBackward, ...otherBackwards] = ways<Layer, Operands['backward'], 'dx' | 'update'>(
  [...inputGradients.map((one): Part => ({ ...one, makes: ['dx'] })), plainUpdate, ...otherUpdates, onePass],
  ['dx', 'update'],
);

/** By what they compute; mapped, so that none can be left out. */
export const linearDecisions: { readonly [R in keyof Operands]: Decision<Layer, Operands[R]> } = {
  forward: {
    purpose: 'linear forward',
    algorithms: [...eachProductMethod((method) => byProduct('forward', method)), vectorsForward],
    measured: measuredProductMethods.map((method) => byProduct('forward', method)),
    caseOf,
  },
  'input gradient': {
    purpose: 'linear input gradient',
    algorithms: inputGradients,
    measured: measuredProductMethods.map((method) => byProduct('input gradient', method)),
    caseOf,
  },
  'weight gradient': {
    purpose: 'linear weight gradient',
    algorithms: eachProductMethod((method) => byProduct('weight gradient', method)),
    measured: measuredProductMethods.map((method) => byProduct('weight gradient', method)),
    caseOf,
  },
  update: { purpose: 'linear update', algorithms: [plainUpdate, ...otherUpdates], caseOf },
  backward: { purpose: 'linear backward', algorithms: [plainBackward, ...otherBackwards], caseOf },
};

/** @throws FrostlineError where an algorithm is forced that fully connected layers have not */
export function selectLinear<R extends keyof Operands>(
  adapter: Capabilities,
  result: R,
  layer: Layer,
): Selected<LayerAlgorithm<R>> {
  refuseUnknown(adapter, 'linear', Object.values(linearDecisions));
  return select(adapter, linearDecisions[result], layer);
}
