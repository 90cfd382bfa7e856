/** A drawn case of an operator as a network of one layer. */
import type { Network } from '../../src/models/network.ts';
import type { Drawn } from '../../src/operators/checks.ts';

/** One node behind an identity, so that nothing of it is the network's input. */
export function networkOf(kind: string, { attributes, inputs, parameters = {} }: Drawn<object>, count = 1): Network {
  const values = Object.entries(inputs);
  const outputs = ['y', ...Array.from({ length: count - 1 }, (_, i) => `y${i + 1}`)] as const;
  return {
    name: kind,
    inputs: values.map(([name, { shape }]) => ({ name, shape: shape.slice(1) })),
    outputs,
    nodes: [
      {
        op: { kind, ...attributes } as never,
        name: 'layer',
        number: 2,
        inputs: values.map(([name]) => name),
        outputs,
        parameters: Object.fromEntries(Object.keys(parameters).map((role) => [role, `layer.${role}`])),
      },
    ],
    parameters: new Map(
      Object.entries(parameters).map(([role, { shape, values }]) => [
        `layer.${role}`,
        { shape, data: values as Float32Array },
      ]),
    ),
  };
}
