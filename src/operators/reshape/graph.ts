/** Reshaping as an operation of tensors: it moves nothing. */
import { checkArguments, NUMBERS } from '../../arguments.ts';
import { apply } from '../../graph/operation.ts';
import { checkTensors, type Shape, type Tensor } from '../../graph/tensor.ts';
import { asked, expectBatch } from '../operator.ts';
import { checkReshape } from './rule.ts';

/** The same elements in another shape. */
export function reshape(x: Tensor, shape: Shape, name = 'reshape'): Tensor {
  checkTensors(name, { x });
  checkArguments(name, { shape: [shape, NUMBERS] });
  asked(`${name}:`, () => checkReshape(x, shape));
  return apply({ name: 'reshape', alias: 'always', forward() {}, backward() {} }, [x], shape, name);
}

/** To [N, rest]. */
export function flatten(x: Tensor, name = 'flatten'): Tensor {
  checkTensors(name, { x });
  expectBatch(name, x);
  return reshape(x, [x.shape[0], x.size / x.shape[0]], name);
}
