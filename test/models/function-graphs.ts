/** Files with functions of their own. */
import type { onnx as Proto } from 'onnx-proto';
import onnxProto from 'onnx-proto';
import protobuf from 'protobufjs/minimal.js';
import type { OnnxModel, OnnxNode } from '../../src/onnx/model.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { float, GraphBuilder } from './zoo-graphs.ts';

const { onnx } = onnxProto;

/** A file with functions, which are written here by hand: ours writes none. */
export function withFunctions(model: OnnxModel, functions: readonly object[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const { name, inputs, outputs, attributes = [], nodes } of functions as readonly LocalFunction[]) {
    const body = writer.uint32((25 << 3) | 2).fork();
    body.uint32((1 << 3) | 2).string(name);
    for (const one of inputs) body.uint32((4 << 3) | 2).string(one);
    for (const one of outputs) body.uint32((5 << 3) | 2).string(one);
    for (const one of attributes) body.uint32((6 << 3) | 2).string(one);
    for (const one of nodes) body.uint32((7 << 3) | 2).bytes(onnx.NodeProto.encode(one).finish());
    for (const [domain, version] of [
      ['', 17],
      ['own', 1],
    ] as const)
      body.uint32((9 << 3) | 2).bytes(onnx.OperatorSetIdProto.encode({ domain, version }).finish());
    body.uint32((10 << 3) | 2).string('own');
    body.ldelim();
  }
  const opsets = new Map([...model.opsets, ['own', 1]]);
  return Buffer.concat([writeModel({ ...model, opsets }), writer.finish()]);
}

interface LocalFunction {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: readonly string[];
  readonly nodes: readonly Proto.INodeProto[];
}

/** A node of a function's body. */
export const functionStep = (opType: string, input: string[], output: string[], more: Proto.INodeProto = {}) => ({
  opType,
  input,
  output,
  ...more,
});
/** Conv and an activation whose slope the caller gives, twice, one within the other; names are those of the caller. */
const functions: LocalFunction[] = [
  {
    name: 'Leaky',
    inputs: ['a'],
    outputs: ['b'],
    attributes: ['slope'],
    nodes: [functionStep('LeakyRelu', ['a'], ['b'], { attribute: [{ name: 'alpha', type: 1, refAttrName: 'slope' }] })],
  },
  {
    name: 'ConvLeaky',
    inputs: ['x', 'w', 'unused'],
    outputs: ['y', 'conv'],
    attributes: ['slope'],
    nodes: [
      functionStep('Conv', ['x', 'w'], ['conv']),
      functionStep('Leaky', ['conv'], ['y'], {
        domain: 'own',
        attribute: [{ name: 'slope', type: 1, refAttrName: 'slope' }],
      }),
    ],
  },
];
/** A model that calls them. */
export function callingFunctions(): Uint8Array {
  const g = new GraphBuilder(5);
  g.node('ConvLeaky', ['x', g.weight('w1', 4, 3, 3, 3)], ['first', 'between'], { slope: float(0.3) }, 'call');
  g.node('ConvLeaky', ['first', g.weight('call/conv', 2, 4, 2, 2)], ['second', 'conv'], { slope: float(0.1) }, 'again');
  g.node('Add', ['second', 'conv'], 'y');
  const { graph, ...model } = g.model(17, { name: 'x', dims: ['N', 3, 7, 6] }, 'y');
  const own = (node: OnnxNode) => ({ ...node, domain: node.opType === 'ConvLeaky' ? 'own' : '' });
  return withFunctions({ ...model, graph: { ...graph, nodes: graph.nodes.map(own) } }, functions);
}
