/** Functions that a model brings itself (PyTorch's newer exporter, onnxscript, sklearn): their nodes in place of calls. */
import { FrostlineError } from '../errors.ts';
import { withinLimit } from '../limits.ts';
import type { Attribute, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode } from '../onnx/model.ts';
import { describeNode } from '../operators/onnx/attributes.ts';
import { valuesOf } from './live-nodes.ts';

/**
 * The model without functions: every call is the function's nodes, whose inner values get names of their own.
 *
 * @throws FrostlineError for functions that call themselves, are there twice, or unfold to too many nodes
 */
export function inlineFunctions(model: OnnxModel): OnnxModel {
  if (!model.functions?.length) return model;
  const { functions: _, ...rest } = model;
  return { ...rest, graph: new Inliner(model).graph(model.graph, []) };
}

const keyOf = ({ domain }: { domain: string }, name: string) => `${domain}:${name}`;

class Inliner {
  private readonly functions = new Map<string, OnnxFunction>();
  private readonly twice = new Set<string>();
  private readonly used = new Set<string>();
  private readonly opset: number | undefined;
  private nodes = 0;

  constructor({ functions = [], graph, opsets }: OnnxModel) {
    this.opset = opsets.get('');
    for (const one of functions) {
      const key = keyOf(one, one.name);
      if (this.functions.has(key)) this.twice.add(key);
      this.functions.set(key, one);
    }
    for (const value of valuesOf(graph)) this.used.add(value);
  }

  graph(graph: OnnxGraph, calling: readonly string[]): OnnxGraph {
    return { ...graph, nodes: graph.nodes.flatMap((node) => this.expanded(node, calling)) };
  }

  /** The node, or what its function makes of it. */
  private expanded(node: OnnxNode, calling: readonly string[]): readonly OnnxNode[] {
    const key = keyOf(node, node.opType);
    const called = this.functions.get(key);
    if (called === undefined) {
      withinLimit('graph-nodes', ++this.nodes, 'with its functions expanded the model has');
      const bodies = [...node.attributes].map(([name, attribute]): [string, Attribute] => [
        name,
        attribute.type === 'graph' ? { type: 'graph', value: this.graph(attribute.value, calling) } : attribute,
      ]);
      return [{ ...node, attributes: new Map(bodies) }];
    }
    if (this.twice.has(key)) {
      throw new FrostlineError(
        `${describeNode(node)} calls a function of which the model has several. Expand them with onnx.inliner.`,
      );
    }
    if (calling.includes(key) || calling.length > 1000) {
      throw new FrostlineError(`${describeNode(node)} calls a function that calls itself. Export the model again.`);
    }
    // Functions without nodes of their own that call each other twice would double unseen.
    withinLimit('graph-nodes', ++this.nodes, 'with its functions expanded the model has');
    return this.body(node, called).flatMap((inner) => this.expanded(inner, [...calling, key]));
  }

  /** The function's nodes with the caller's values and attributes. */
  private body(call: OnnxNode, called: OnnxFunction): OnnxNode[] {
    const place = call.name || call.outputs.find((output) => output !== '') || call.opType;
    const names = new Map<string, string>();
    called.inputs.forEach((name, i) => {
      names.set(name, call.inputs[i] ?? '');
    });
    // An output that is an input is handed on.
    const handedOn = called.outputs.flatMap((name, i) =>
      call.outputs[i] && called.inputs.includes(name) ? [[names.get(name)!, call.outputs[i]] as const] : [],
    );
    called.outputs.forEach((name, i) => {
      if (!names.has(name) && call.outputs[i]) names.set(name, call.outputs[i]);
    });
    const value = (name: string): string => {
      if (name === '') return '';
      if (!names.has(name)) names.set(name, this.unused(`${place}/${name}`));
      return names.get(name)!;
    };
    const attribute = (name: string) => call.attributes.get(name) ?? called.defaults.get(name);
    const opset = called.opsets.get('');
    const own = opset === undefined || opset === this.opset ? {} : { opset };
    const nodes = called.nodes.map((node) => ({ ...renamed(node, value, attribute, place), ...own }));
    const handing = handedOn.map(
      ([from, to]): OnnxNode => ({
        name: '',
        opType: 'Identity',
        domain: '',
        inputs: [from],
        outputs: [to],
        attributes: new Map(),
      }),
    );
    return [...nodes, ...handing];
  }

  private unused(wanted: string): string {
    let name = wanted;
    for (let copy = 2; this.used.has(name); copy++) name = `${wanted}_${copy}`;
    this.used.add(name);
    return name;
  }
}

/** A node of a function with the caller's names; an attribute that the caller leaves out is left out. */
function renamed(
  node: OnnxNode,
  value: (name: string) => string,
  attribute: (name: string) => Attribute | undefined,
  place: string,
): OnnxNode {
  const attributes = [...node.attributes].flatMap(([name, given]): [string, Attribute][] => {
    if (given.type === 'reference') {
      const own = attribute(given.name);
      return own === undefined ? [] : [[name, own]];
    }
    if (given.type !== 'graph') return [[name, given]];
    const { nodes, initializers, inputs, outputs } = given.value;
    const body: OnnxGraph = {
      ...given.value,
      nodes: nodes.map((inner) => renamed(inner, value, attribute, place)),
      initializers: new Map([...initializers].map(([key, tensor]) => [value(key), tensor])),
      inputs: inputs.map((info) => ({ ...info, name: value(info.name) })),
      outputs: outputs.map((info) => ({ ...info, name: value(info.name) })),
    };
    return [[name, { type: 'graph', value: body }]];
  });
  return {
    ...node,
    name: node.name === '' ? '' : `${place}/${node.name}`,
    inputs: node.inputs.map(value),
    outputs: node.outputs.map(value),
    attributes: new Map(attributes),
  };
}
