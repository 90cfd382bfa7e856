/** A network as an ONNX model of operator set 13, which onnxruntime and every other runtime of today loads. */
import { checkArguments, describeValue, type Expectation, isMap } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { OnnxModel, OnnxNode } from '../onnx/model.ts';
import { OnnxTensor } from '../onnx/tensor.ts';
import type { Writer } from '../operators/onnx/form.ts';
import { transposed } from '../operators/onnx/tensors.ts';
import { formatMetadata } from './metadata.ts';
import { NETWORK, type Network, type Node, operatorOf, rolesOf } from './network.ts';
import { inferShapes } from './shapes.ts';

const opset = 13;
/** IR version 7 came with operator set 13. */
const irVersion = 7;
const batch = 'batch';

const VALUES: Expectation = { is: isMap, words: 'a Map of Float32Array by name' };

/**
 * The model of a network: initialisers under their parameters' names, a symbolic batch, and labels, preprocessing and
 * layer numbers in its metadata. `importOnnx` gives the same network back. Write it with `writeModelFile`.
 *
 * @param values new values of parameters by name (those that were trained); all others are the network's own
 * @throws FrostlineError when a value's length is not its parameter's
 */
export function exportOnnx(network: Network, values: ReadonlyMap<string, Float32Array> = new Map()): OnnxModel {
  checkArguments('exportOnnx', { network: [network, NETWORK], values: [values, VALUES] });
  return new Exporter(network, values).model();
}

class Exporter implements Writer {
  private readonly network: Network;
  private readonly values: ReadonlyMap<string, Float32Array>;
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly initializers = new Map<string, OnnxTensor>();
  private readonly nodes: OnnxNode[] = [];
  private readonly domains = new Set<string>();

  constructor(network: Network, values: ReadonlyMap<string, Float32Array>) {
    this.network = network;
    this.values = values;
    this.shapes = inferShapes(network, 1);
    const stranger = [...values.keys()].find((name) => !network.parameters.has(name));
    if (stranger !== undefined) throw new FrostlineError(`${network.name} has no parameter '${stranger}'.`);
  }

  model(): OnnxModel {
    const { network } = this;
    for (const node of network.nodes) {
      this.add(node);
      // A layer that is left out would be noticed by nobody: the file has its numbers, and another network.
      const made = new Set(this.nodes.flatMap(({ outputs }) => outputs));
      const lost = node.outputs.find((output) => output !== '' && !made.has(output));
      if (lost !== undefined) {
        throw new FrostlineError(`layer '${node.name}' (${node.op.kind}) cannot be written: no node makes '${lost}'.`);
      }
    }
    const info = (name: string) => ({
      name,
      dataType: 'float32' as const,
      dims: [batch, ...this.shapes.get(name)!.slice(1)],
    });
    return {
      irVersion,
      opsets: new Map([['', opset], ...[...this.domains].map((domain) => [domain, 1] as const)]),
      producer: 'frostline',
      producerVersion: '',
      metadata: formatMetadata(network),
      graph: {
        name: network.name,
        nodes: this.nodes,
        initializers: this.initializers,
        inputs: network.inputs.map(({ name }) => info(name)),
        outputs: network.outputs.map(info),
        sparseInitializers: [],
      },
    };
  }

  private add(node: Node): void {
    this.parameters(node);
    const parameters = Object.entries(rolesOf(node)).map(([role, name]) => [
      role,
      { name, shape: this.initializers.get(name)!.dims },
    ]);
    const { name, inputs } = node;
    const shapes = inputs.map((value) => this.shapes.get(value)!.slice(1));
    const written = { name, attributes: node.op, inputs, outputs: node.outputs, shapes };
    operatorOf(this.network, node).onnx.write({ ...written, parameters: Object.fromEntries(parameters) }, this);
  }

  readonly opset = opset;

  /** What operators write with: src/operators/onnx/form.ts. */
  node(
    ...[opType, inputs, outputs, { name = '', domain = '', attributes = {} } = {}]: Parameters<Writer['node']>
  ): void {
    if (domain !== '') this.domains.add(domain);
    this.nodes.push({ name, opType, domain, inputs, outputs, attributes: new Map(Object.entries(attributes)) });
  }

  /** Puts the node's parameters among the initialisers. */
  private parameters(node: Node): void {
    for (const name of Object.values(rolesOf(node))) {
      const parameter = this.network.parameters.get(name)!;
      const value = this.values.get(name);
      const size = parameter.shape.reduce((product, dim) => product * dim, 1);
      if (value !== undefined && !(value instanceof Float32Array)) {
        throw new FrostlineError(`parameter '${name}' is given ${describeValue(value)}. Give a Float32Array.`);
      }
      if (value && value.length !== size) {
        throw new FrostlineError(
          `parameter '${name}' of shape [${parameter.shape}] is given ${value.length} values, ${size} are expected.`,
        );
      }
      this.initializers.set(name, new OnnxTensor(name, parameter.shape, 'float32', () => value ?? parameter.data));
    }
  }

  transposed(parameter: string): string {
    this.initializers.set(parameter, transposed(this.initializers.get(parameter)!, parameter));
    return parameter;
  }

  integers(wanted: string, values: readonly number[]): string {
    const name = this.unused(wanted);
    const data = BigInt64Array.from(values.map(BigInt));
    this.initializers.set(name, OnnxTensor.of(name, [values.length], 'int64', data));
    return name;
  }

  constant(wanted: string, dims: readonly number[], data: Float32Array): string {
    const name = this.unused(wanted);
    this.initializers.set(name, OnnxTensor.of(name, dims, 'float32', data));
    return name;
  }

  private unused(wanted: string): string {
    let name = wanted;
    while (this.network.parameters.has(name) || this.initializers.has(name) || this.shapes.has(name)) name += '_';
    return name;
  }
}
