/** Each part of an operator is required: `tsc` fails here where one could be left out, or an attribute forgotten. */
import { type Fields, field, sameInOnnx } from '../../src/operators/onnx/form.ts';
import type { AnyOperator, Operator, Schema } from '../../src/operators/operator.ts';

type Forgettable = { [K in keyof Operator]-?: Omit<AnyOperator, K> extends AnyOperator ? K : never }[keyof Operator];
export const everyPartIsRequired: [Forgettable] extends [never] ? true : Forgettable = true;

interface Two {
  readonly slope: number;
  readonly size: number;
}
// @ts-expect-error size is not written and not read
export const fields: Fields<Two> = { slope: field('alpha', 'float', 0.01) };
// @ts-expect-error size has no documentation and no check
export const schema: Schema<Two> = { slope: { doc: '', wrong: () => undefined } };
// @ts-expect-error size
sameInOnnx<Two>('x', 'X', { slope: field('alpha', 'float', 1) });
