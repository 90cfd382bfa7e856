/** A network as an ONNX model of operator set 13, which onnxruntime and every other runtime of today loads. */
import { FrostlineError } from '../errors.ts';
import type { Attribute, OnnxModel, OnnxNode } from '../onnx/model.ts';
import { OnnxTensor } from '../onnx/tensor.ts';
import type { Writer } from '../operators/onnx/form.ts';
import { formatMetadata } from './metadata.ts';
import { type LegacyOp, type Network, type Node, operatorsOf, outputsOf, rolesOf } from './network.ts';
import { transposed } from './onnx-constants.ts';
import { inferShapes } from './shapes.ts';

const opset = 13;
/** IR version 7 came with operator set 13. */
const irVersion = 7;
const batch = 'batch';

/**
 * The model of a network: initialisers under their parameters' names, a symbolic batch, and labels, preprocessing and
 * layer numbers in its metadata. `importOnnx` gives the same network back. Write it with `writeModelFile`.
 *
 * @param values new values of parameters by name (those that were trained); all others are the network's own
 * @throws FrostlineError when a value's length is not its parameter's
 */
export function exportOnnx(network: Network, values: ReadonlyMap<string, Float32Array> = new Map()): OnnxModel {
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
      const lost = outputsOf(node).find((output) => output !== '' && !made.has(output));
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
    const operator = operatorsOf(this.network).operatorOf(node.op);
    if (operator !== undefined) {
      this.parameters(node);
      const roles = Object.entries(rolesOf(node)).map(([role, name]) => [
        role,
        { name, shape: this.initializers.get(name)!.dims },
      ]);
      const { name, inputs } = node;
      const shapes = inputs.map((value) => this.shapes.get(value)!.slice(1));
      const written = { name, attributes: node.op, inputs, outputs: outputsOf(node), shapes };
      operator.onnx.write({ ...written, parameters: Object.fromEntries(roles) }, this);
      return;
    }
    const op = node.op as LegacyOp;
    switch (op.kind) {
      case 'linear': {
        let [input] = node.inputs;
        if (this.shapes.get(input)!.length !== 2) {
          const flat = `${node.output}/flat`;
          this.emit({ ...node, name: `${node.name}/flatten`, output: flat }, 'Flatten', [input], { axis: int(1) });
          input = flat;
        }
        this.emit(node, 'Gemm', [input, ...this.parameters(node)], { transB: int(1) });
        break;
      }
      case 'clip': {
        const bound = (role: string, value: number) =>
          Number.isFinite(value) ? this.constant(`${node.name}.${role}`, [], Float32Array.of(value)) : '';
        this.emit(node, 'Clip', [...node.inputs, bound('min', op.low), bound('max', op.high)]);
        break;
      }
      case 'lrn':
        this.emit(node, 'LRN', node.inputs, {
          size: int(op.size),
          alpha: float(op.alpha),
          beta: float(op.beta),
          bias: float(op.bias),
        });
        break;
      case 'maxPool':
        this.emit(node, 'MaxPool', node.inputs, {
          kernel_shape: ints(op.kernel),
          strides: ints(op.strides),
          pads: ints(op.pads),
          dilations: ints(op.dilations),
          ceil_mode: int(op.ceilMode ? 1 : 0),
        });
        break;
      case 'averagePool':
        this.emit(node, 'AveragePool', node.inputs, {
          kernel_shape: ints(op.kernel),
          strides: ints(op.strides),
          pads: ints(op.pads),
          ceil_mode: int(op.ceilMode ? 1 : 0),
          count_include_pad: int(op.countIncludePad ? 1 : 0),
        });
        break;
      case 'globalAveragePool':
        this.emit(node, 'GlobalAveragePool', node.inputs);
        break;
      case 'softmax':
      case 'logSoftmax':
        this.softmax(node, op.kind === 'softmax' ? 'Softmax' : 'LogSoftmax', op.axes);
        break;
      case 'dropout': {
        const ratio = this.constant(`${node.name}.ratio`, [], Float32Array.of(op.ratio));
        this.emit(node, 'Dropout', [...node.inputs, ratio]);
        break;
      }
      case 'flatten':
        this.emit(node, 'Flatten', node.inputs, { axis: int(1) });
        break;
      case 'reshape': {
        const shape = this.integers(`${node.name}.shape`, [-1, ...op.shape]);
        this.emit(node, 'Reshape', [...node.inputs, shape]);
        break;
      }
      case 'add':
        this.emit(node, 'Add', node.inputs);
        break;
      case 'subtract':
        this.emit(node, 'Sub', node.inputs);
        break;
      case 'multiply':
        this.emit(node, 'Mul', node.inputs);
        break;
      case 'divide':
        this.emit(node, 'Div', node.inputs);
        break;
      case 'matMul':
        this.matMul(node);
        break;
      case 'concat':
        this.emit(node, 'Concat', node.inputs, { axis: int((op.axis ?? 0) + 1) });
        break;
      case 'transpose':
        this.emit(node, 'Transpose', node.inputs, { perm: ints([0, ...op.perm.map((axis) => axis + 1)]) });
        break;
      case 'pad': {
        const pads = this.integers(`${node.name}.pads`, [0, ...op.before, 0, ...op.after]);
        const value = op.value === 0 ? [] : [this.constant(`${node.name}.value`, [], Float32Array.of(op.value))];
        this.emit(node, 'Pad', [...node.inputs, pads, ...value], { mode: { type: 'string', value: op.mode } });
        break;
      }
      case 'identity':
        this.emit(node, 'Identity', node.inputs);
        break;
    }
  }

  /** Softmax of operator set 13 takes one axis: that which has all the values. Others are taken apart by a Reshape. */
  private softmax(node: Node, opType: string, axes?: readonly [number, number]): void {
    const [, ...shape] = this.shapes.get(node.inputs[0])!;
    const [first, end] = axes ?? [0, shape.length];
    const within = shape.map((dim, i) => (i >= first && i < end ? dim : 1));
    if (within.filter((dim) => dim !== 1).length <= 1) {
      const axis = Math.max(
        within.findIndex((dim) => dim !== 1),
        Math.min(first, shape.length - 1),
      );
      this.emit(node, opType, node.inputs, { axis: int(axis + 1) });
      return;
    }
    const joined = [...shape.slice(0, first), -1, ...shape.slice(end)];
    const steps = [
      ['Reshape', this.integers(`${node.name}.joined`, [0, ...joined]), `${node.output}/joined`],
      [opType, undefined, `${node.output}/normalised`],
      ['Reshape', this.integers(`${node.name}.apart`, [0, ...shape]), node.output],
    ] as const;
    let [input] = node.inputs;
    for (const [type, constant, output] of steps) {
      const name = type === opType ? node.name : `${node.name}/${output === node.output ? 'apart' : 'joined'}`;
      const inputs = constant === undefined ? [input] : [input, constant];
      this.emit({ ...node, name, output }, type, inputs, constant === undefined ? { axis: int(first + 1) } : {});
      input = output;
    }
  }

  /** MatMul's weight is [in, out], the network's [out, in]. */
  private matMul(node: Node): void {
    if (node.weight === undefined) {
      this.emit(node, 'MatMul', node.inputs);
      return;
    }
    const [weight, bias] = this.parameters(node);
    this.initializers.set(weight, transposed(this.initializers.get(weight)!, weight));
    const output = bias === undefined ? node.output : `${node.output}/product`;
    this.emit({ ...node, output }, 'MatMul', [...node.inputs, weight]);
    if (bias !== undefined) this.emit({ ...node, name: `${node.name}/bias` }, 'Add', [output, bias]);
  }

  readonly opset = opset;

  /** What operators write with: src/operators/onnx/form.ts. */
  node(
    ...[opType, inputs, outputs, { name = '', domain = '', attributes = {} } = {}]: Parameters<Writer['node']>
  ): void {
    if (domain !== '') this.domains.add(domain);
    this.nodes.push({ name, opType, domain, inputs, outputs, attributes: new Map(Object.entries(attributes)) });
  }

  private emit(
    { name, output }: Node,
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
  ): void {
    this.nodes.push({
      name,
      opType,
      domain: '',
      inputs,
      outputs: [output],
      attributes: new Map(Object.entries(attributes)),
    });
  }

  /** Names of the node's weight and bias, which stand among the initialisers from now on. */
  private parameters(node: Node): string[] {
    const names = [node.weight, node.bias, ...Object.values(node.roles ?? {})].filter((name) => name !== undefined);
    for (const name of names) {
      const parameter = this.network.parameters.get(name)!;
      const value = this.values.get(name);
      const size = parameter.shape.reduce((product, dim) => product * dim, 1);
      if (value && value.length !== size) {
        throw new FrostlineError(
          `parameter '${name}' of shape [${parameter.shape}] is given ${value.length} values, ${size} are expected.`,
        );
      }
      this.initializers.set(name, new OnnxTensor(name, parameter.shape, 'float32', () => value ?? parameter.data));
    }
    return names;
  }

  private integers(wanted: string, values: readonly number[]): string {
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

function int(value: number): Attribute {
  return { type: 'int', value };
}

function ints(value: readonly number[]): Attribute {
  return { type: 'ints', value };
}

function float(value: number): Attribute {
  return { type: 'float', value };
}
