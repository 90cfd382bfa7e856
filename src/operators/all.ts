/** What is made of all operators for those who check: cases, families of kernels, mutations. */
import type { Broken } from '../check/broken.ts';
import type { KernelFamily } from '../check/case.ts';
import { graphFamilies } from '../check/families.ts';
import { graphCases } from '../graph/cases.ts';
import { define, type OperationCases } from '../graph/operation-case.ts';
import { Parameter, type Tensor } from '../graph/tensor.ts';
import type { Checks } from './checks.ts';
import { concat } from './concat/graph.ts';
import type { Role } from './operator.ts';
import { ours } from './registry.ts';
import { reshape } from './reshape/graph.ts';

/** Each operator with what checks it. */
export const checkedOperators = await Promise.all(
  ours.all.map(async (operator) => ({ operator, checks: (await operator.checks()).checks as Checks<object> })),
);

/** Several outputs as one, a row an item: values and gradients of all are looked at. */
const sideBySide = (outputs: readonly Tensor[]) =>
  concat(outputs.map((output) => reshape(output, [output.shape[0], output.size / output.shape[0]])));

/** Every operation that has a derivative. */
export const operationCases: readonly OperationCases[] = [
  ...checkedOperators
    .filter(({ checks }) => !checks.handsOn)
    .map(({ operator, checks }) =>
      define(operator.kind, (choose, random) => {
        const { attributes, inputs, parameters = {} } = checks.draw(choose, random);
        const ofKind = (kind: Role['kind']) =>
          Object.entries(parameters).filter(([role]) => operator.parameters[role].kind === kind);
        // No gradient reaches state: it is no input, and an option for an oracle.
        const state = ofKind('state');
        return {
          options: {
            ...attributes,
            ...Object.fromEntries(state.map(([role, { values }]) => [role, Array.from(values)])),
          },
          inputs: { ...inputs, ...Object.fromEntries(ofKind('trained')) },
          build: (tensors) => {
            const still = state.map(([role, { shape, values }]) => {
              const parameter = new Parameter(role, shape, values as Float32Array<ArrayBuffer>, { mask: 0 });
              return [role, parameter] as const;
            });
            const trained = ofKind('trained').map(([role]) => [role, tensors[role]] as const);
            const outputs = operator.build({
              name: operator.kind,
              attributes,
              inputs: Object.keys(inputs).map((name) => tensors[name]),
              parameters: Object.fromEntries([...trained, ...still]),
            });
            return outputs.length === 1 ? outputs[0] : sideBySide(outputs);
          },
        };
      }),
    ),
  ...checkedOperators.flatMap(({ checks }) => (checks.operations ?? []).map(({ cases }) => cases)),
  ...graphCases,
];

/** The operations in PyTorch, by name: a lambda of the options and the inputs. */
export const torchOperations: Readonly<Record<string, string>> = Object.fromEntries(
  checkedOperators.flatMap(({ operator, checks }) => [
    [operator.kind, checks.torch],
    ...(checks.operations ?? []).map(({ cases, torch }) => [cases.operation, torch]),
  ]),
);

/** Every family of kernel cases: what tests, `frostline gradcheck kernels` and the mutation check go through. */
export const kernelFamilies: readonly KernelFamily[] = [
  ...new Set([...checkedOperators.flatMap(({ checks }) => checks.families), ...graphFamilies]),
];

export const operatorMutations: Readonly<Record<string, readonly Broken[]>> = Object.assign(
  {},
  ...checkedOperators.map(({ checks }) => checks.mutations),
);
