/** What is made of all operators for those who check: cases, families of kernels, mutations. */
import type { Broken } from '../check/broken.ts';
import type { KernelFamily } from '../check/case.ts';
import { graphFamilies } from '../check/families.ts';
import { graphCases } from '../graph/cases.ts';
import { define, type OperationCases } from '../graph/operation-case.ts';
import type { Checks } from './checks.ts';
import { ours } from './registry.ts';

/** Each operator with what checks it. */
export const checkedOperators = await Promise.all(
  ours.all.map(async (operator) => ({ operator, checks: (await operator.checks()).checks as Checks<object> })),
);

/** Every operation that has a derivative. */
export const operationCases: readonly OperationCases[] = [
  ...checkedOperators
    .filter(({ checks }) => !checks.handsOn)
    .map(({ operator, checks }) =>
      define(operator.kind, (choose, random) => {
        const { attributes, inputs, parameters } = checks.draw(choose, random);
        return {
          options: attributes as Readonly<Record<string, unknown>>,
          inputs: { ...inputs, ...parameters },
          build: (tensors) =>
            operator.build({
              name: operator.kind,
              attributes,
              inputs: Object.keys(inputs).map((name) => tensors[name]),
              parameters: Object.fromEntries(Object.keys(parameters ?? {}).map((role) => [role, tensors[role]])),
            })[0],
        };
      }),
    ),
  ...graphCases,
];

/** The operations in PyTorch, by name: a lambda of the options and the inputs. */
export const torchOperations: Readonly<Record<string, string>> = Object.fromEntries(
  checkedOperators.map(({ operator, checks }) => [operator.kind, checks.torch]),
);

/** Every family of kernel cases: what tests, `frostline gradcheck kernels` and the mutation check go through. */
export const kernelFamilies: readonly KernelFamily[] = [
  ...new Set([...checkedOperators.flatMap(({ checks }) => checks.families), ...graphFamilies]),
];

export const operatorMutations: Readonly<Record<string, readonly Broken[]>> = Object.assign(
  {},
  ...checkedOperators.map(({ checks }) => checks.mutations),
);
