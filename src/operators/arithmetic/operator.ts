import { binary } from '../../check/reference/tensors.ts';
import { type BinaryOperator, binaryKernels, broadcastGradient } from '../../kernels/binary/binary.ts';
import { defineOperator, type None } from '../operator.ts';
import * as graph from './graph.ts';
import { onnxOf } from './onnx.ts';
import { rule } from './rule.ts';

const arithmetic = <const K extends BinaryOperator>(
  kind: K,
  formula: string,
  opType: string,
  build: typeof graph.add,
) =>
  defineOperator<None>()({
    kind,
    formula,
    ...rule,
    parameters: {},
    inputs: 2,
    outputs: 1,
    build: ({ inputs: [a, b], name }) => [build(a, b, name)],
    reference: ({ values: [a, b], inputs, outputs: [y] }) => [
      binary(kind, y, [a, inputs[0].shape], [b, inputs[1].shape]),
    ],
    folds: 'reference',
    onnx: onnxOf(kind, opType),
    kernels: [binaryKernels[kind], broadcastGradient],
    checks: async () => ({ checks: (await import('./cases.ts'))[kind] }),
    numbered: 'always',
    detail: () => [],
  });

export const add = arithmetic('add', 'y = a + b', 'Add', graph.add);
export const subtract = arithmetic('subtract', 'y = a - b', 'Sub', graph.subtract);
export const multiply = arithmetic('multiply', 'y = a b', 'Mul', graph.multiply);
export const divide = arithmetic('divide', 'y = a / b', 'Div', graph.divide);
