/** An ONNX model as a network: what the file computes, in frostline's operations, with its layers named and numbered. */
import { FrostlineError } from '../errors.ts';
import type { OnnxModel, OnnxNode } from '../onnx/model.ts';
import type { OnnxTensor } from '../onnx/tensor.ts';
import type { Reading, ReadParameter, Surroundings } from '../operators/onnx/form.ts';
import { refuse } from '../operators/onnx/reading.ts';
import { reshaped } from '../operators/onnx/tensors.ts';
import type { Role } from '../operators/operator.ts';
import { type OperatorSet, ours } from '../operators/registry.ts';
import { expanded } from '../operators/rewrites/index.ts';
import { rewritten } from '../operators/rewrites/match.ts';
import { restoreDropout } from './dropout-heads.ts';
import { foldedBy } from './fold-constants.ts';
import { numberLayers } from './layers.ts';
import { mergedConstants } from './merge-constants.ts';
import { parseMetadata } from './metadata.ts';
import type { Network, Node, Op, Pair, ParameterValue, Preprocessing } from './network.ts';
import { Constants, type Extent } from './onnx-constants.ts';
import { translate } from './onnx-operators.ts';
import { outputShapes, type Shape } from './shapes.ts';

export { supportedOperators } from './onnx-operators.ts';

export interface ImportOptions {
  /** Height and width of the image input, in place of those in the file (227 for the zoo's AlexNet). */
  readonly inputSize?: Pair;
  /** Shapes of inputs by name, without the batch, where the file leaves them open. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /**
   * 'auto' (the default) puts dropout back into AlexNet and VGG files that were exported without it. 'off' sets every
   * ratio to 0; the nodes stay, so that layer numbers do not depend on it.
   */
  readonly dropout?: 'auto' | 'off';
  /**
   * Whether the first dimension of every activation is the batch, whatever size the file gives it. Default true. With
   * false the graph is read as it stands, as one item with the shapes of its inputs: for graphs that mix the items of
   * their batch. Convolutions, pools and normalisations, which work on batches of images, are refused then.
   */
  readonly batchFirst?: boolean;
  /**
   * The file's own numbers are wanted: dropout that is told to train, whose outputs are random, is refused. Default false:
   * dropout draws in training, whatever the file says.
   */
  readonly asItStands?: boolean;
  /** In place of what the file's metadata says. */
  readonly preprocessing?: Preprocessing;
  readonly labels?: readonly string[];
  /** For messages and `Network.name`; the graph's name otherwise. */
  readonly name?: string;
  /** With those of other packages: `withOperators`. Default: frostline's own. */
  readonly operators?: OperatorSet;
}

/**
 * Turns an ONNX model into a network.
 *
 * @throws FrostlineError naming the node for an unsupported operator (with the list of supported ones), shapes that do
 *   not fit, weights that are no constants, and everything else that frostline would compute differently
 */
export function importOnnx(model: OnnxModel, options: ImportOptions = {}): Network {
  return new Importer(model, options).network();
}

class Importer {
  private readonly model: OnnxModel;
  private readonly options: ImportOptions;
  private readonly constants: Constants;
  private readonly operators: OperatorSet;
  private readonly shapes = new Map<string, Shape>();
  private readonly parameters = new Map<string, ParameterValue>();
  /** The tensor each parameter is made of, to tell a shared weight from one used in two layouts. */
  private readonly origins = new Map<string, OnnxTensor>();
  /** names of parameters that a tensor is */
  private readonly names = new Map<OnnxTensor, string[]>();
  /** Of parameters beside state, the initialisers of the node that has them. */
  private readonly companions = new Map<string, string>();
  private readonly readers = new Map<string, number>();
  private readonly nodes: Node[] = [];
  /** Dimensions before those of an item. */
  private readonly lead: 0 | 1;

  constructor(model: OnnxModel, options: ImportOptions) {
    this.model = model;
    this.options = options;
    this.operators = options.operators ?? ours;
    this.constants = new Constants(model.graph.initializers);
    this.lead = options.batchFirst === false ? 0 : 1;
  }

  network(): Network {
    const { graph, metadata } = this.model;
    const opset = this.model.opsets.get('');
    if (opset === undefined) {
      throw new FrostlineError(
        `the model uses only the operators of ${[...this.model.opsets.keys()].join(', ')}, ONNX's own are expected.`,
      );
    }
    const outputNames = graph.outputs.map(({ name }) => name);
    const known = { lead: this.lead, constants: this.constants };
    const alive = liveNodes(graph.nodes, outputNames).flatMap((node) => expanded(node, 'first', known));
    for (const node of alive) if (node.opType === 'Constant') this.constants.fold(node, opset, () => undefined);
    const { rewrites } = this.operators;
    const live = liveNodes(
      rewritten({ nodes: alive, outputs: outputNames, constants: this.constants, opset }, rewrites),
      outputNames,
    );
    for (const value of [...live.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ name }) => name)]) {
      this.readers.set(value, (this.readers.get(value) ?? 0) + 1);
    }
    const inputs = graph.inputs
      .filter(({ name }) => !graph.initializers.has(name) && this.readers.has(name))
      .map((info, i) => ({ name: info.name, shape: this.inputShape(info.name, i === 0) }));
    if (inputs.length === 0) throw new FrostlineError('the model has no input that its outputs depend on.');
    for (const { name, shape } of inputs) this.shapes.set(name, shape);

    const lead = this.lead;
    const around: Surroundings = {
      opset,
      lead,
      asItStands: this.options.asItStands ?? false,
      constants: this.constants,
      shapeOf: (value, node) => this.shapeOf(value, node),
      isActivation: (value) => this.shapes.has(value),
      isRead: (value) => this.readers.has(value),
    };
    for (const node of live) {
      for (const part of expanded(node, 'read', around)) {
        if (part.domain === '' && this.constants.fold(part, opset, (value) => this.extents(value))) continue;
        if (this.fold(part, around)) continue;
        this.add(part, around);
      }
    }
    const outputs = graph.outputs.map(({ name }) => name);
    const missing = outputs.find((name) => !this.shapes.has(name));
    if (missing !== undefined)
      throw new FrostlineError(`the model's output '${missing}' does not depend on any image.`);

    const told = parseMetadata(metadata);
    const restored = restoreDropout(this.nodes, this.parameters, this.shapes);
    const nodes = uniqueNames(restored).map((node): Node => {
      const off = node.op.kind === 'dropout' && this.options.dropout === 'off';
      return off ? { ...node, op: { kind: 'dropout', ratio: 0 } } : node;
    });
    return {
      name: this.options.name ?? graph.name,
      inputs,
      outputs,
      nodes: numberLayers(
        nodes,
        inputs.map(({ name }) => name),
        told.layers,
        this.operators,
      ),
      parameters: this.parameters,
      preprocessing: this.options.preprocessing ?? told.preprocessing,
      labels: this.options.labels ?? told.labels,
      ...(this.operators !== ours && { operators: this.operators }),
    };
  }

  /** An operator of constants alone, by its reference: what the graph computes without looking at an image. */
  private fold(source: OnnxNode, around: Surroundings): boolean {
    const given = source.inputs.filter((value) => value !== '');
    if (given.length === 0 || !given.every((value) => this.constants.has(value))) return false;
    const folded = foldedBy(source, around, this.operators);
    for (const tensor of folded ?? []) this.constants.define(tensor);
    return folded !== undefined;
  }

  private add(source: OnnxNode, around: Surroundings): void {
    const { op, inputs, parameters = {} } = translate(source, around, this.operators);
    const shapes = inputs.map((value) => this.shapeOf(value, source));
    const [output, ...further] = source.outputs;
    const known = this.operators.operatorOf(op)?.outputs ?? 1;
    const rest = further.slice(0, known - 1).map((value) => (around.isRead(value) ? value : ''));
    // What nobody reads is not named.
    const last = rest.findLastIndex((value) => value !== '');
    const outputs: Node['outputs'] = [output, ...rest.slice(0, last + 1)];
    const twice = outputs.find((value) => this.shapes.has(value) || this.constants.has(value));
    if (twice !== undefined) throw refuse(source, `makes '${twice}' a second time`, 'Each value is made once.');
    const node: Node = {
      op,
      name: layerName(source, parameters['weight'] ?? parameters['scale']),
      inputs,
      outputs,
      parameters: {},
    };
    if (this.mergeIntoLast(source, node)) return;
    const named = Object.entries(parameters).flatMap(([role, one]) =>
      one === undefined ? [] : [[role, this.parameter(one, node, this.besideState(op, parameters, role))] as const],
    );
    const complete: Node = { ...node, parameters: Object.fromEntries(named) };
    for (const [value, shape] of outputShapes(complete, shapes, this.parameters, this.operators))
      this.shapes.set(value, shape);
    this.nodes.push(complete);
  }

  /** What `mergeConstants` makes one with the node before, where nobody else reads the value between. */
  private mergeIntoLast(source: OnnxNode, node: Node): boolean {
    const [input] = node.inputs;
    const at = this.nodes.findLastIndex(({ outputs }) => outputs.length === 1 && outputs[0] === input);
    if (at < 0 || this.readers.get(input) !== 1) return false;
    const before = this.nodes[at];
    const shape = this.shapes.get(input)!;
    const name = source.inputs.find((value) => this.constants.has(value)) ?? '';
    const addend = source.opType === 'Add' ? this.constants.tensor(name) : undefined;
    const roles = this.operators.operatorOf(before.op)?.parameters ?? {};
    const change = mergedConstants({ before, op: node.op, shape, roles, addend });
    if (change === undefined) return false;
    const bias = change.bias && this.parameter({ name, tensor: change.bias }, before);
    const parameters = bias === undefined ? before.parameters : { ...before.parameters, bias };
    this.nodes[at] = { ...before, op: change.op, parameters, outputs: node.outputs };
    this.shapes.delete(input);
    this.shapes.set(node.outputs[0], shape);
    return true;
  }

  /**
   * Registers a parameter under its initialiser's name; one that two layers read in different layouts gets a second name,
   * and so does one that stands in another place of another normalisation (`besideState`).
   */
  private parameter({ name, tensor }: ReadParameter, node: Node, place = ''): string {
    const taken = this.origins.get(name);
    const names = this.names.get(tensor) ?? [];
    this.names.set(tensor, names);
    const known = names.find((one) => (this.companions.get(one) ?? '') === place);
    if (known !== undefined) return known;
    const key = taken === undefined ? name : `${name}@${node.name}${place && `.${place.split(' ', 1)[0]}`}`;
    this.companions.set(key, place);
    this.origins.set(key, tensor);
    names.push(key);
    this.parameters.set(key, asParameter(tensor));
    return key;
  }

  /**
   * Exporters write equal tensors once: an untrained normalisation's scale and variance are one initialiser of ones, its
   * shift and mean, and all biases, one of zeros. Trained, they part. So what stands beside state is the same parameter only
   * in the same role of a node with the same initialisers: a layer that is applied twice.
   */
  private besideState(op: Op, parameters: NonNullable<Reading['parameters']>, role: string): string {
    const roles: Readonly<Record<string, Role>> = this.operators.operatorOf(op)?.parameters ?? {};
    if (!Object.values(roles).some(({ kind }) => kind === 'state')) return '';
    return [role, ...Object.values(parameters).map((one) => one?.name)].join(' ');
  }

  private extents(value: string): readonly Extent[] | undefined {
    const shape = this.shapes.get(value);
    return shape && this.lead === 1 ? ['batch', ...shape] : shape;
  }

  private shapeOf(value: string, node: OnnxNode): Shape {
    const shape = this.shapes.get(value);
    if (shape !== undefined) return shape;
    if (this.constants.has(value)) {
      throw refuse(node, `reads the constant '${value}' where an activation is expected`, 'Fold it before exporting.');
    }
    if (this.model.graph.sparseInitializers.includes(value)) {
      throw refuse(node, `reads the sparse initialiser '${value}'`, 'Export the weights in dense form.');
    }
    throw refuse(node, `reads '${value}', which no earlier node makes`, 'Export the model again, with sorted nodes.');
  }

  /** The shape of an input without the batch: from the options, else from the file. */
  private inputShape(name: string, isImage: boolean): Shape {
    const given = this.options.inputShapes?.[name];
    if (given) return given;
    const { dims } = this.model.graph.inputs.find((info) => info.name === name)!;
    const shape = dims?.slice(this.lead) ?? [];
    const { inputSize } = this.options;
    if (isImage && inputSize && shape.length === 3) shape.splice(1, 2, ...inputSize);
    if (dims === undefined || dims.length < this.lead || shape.some((dim) => typeof dim !== 'number' || dim < 1)) {
      const shown = dims?.map((dim) => dim ?? '?').join(', ') ?? 'unknown';
      throw new FrostlineError(
        `the model's input '${name}' has the shape [${shown}]: all sizes but the batch must be known. Give the input's size.`,
      );
    }
    return shape as number[];
  }
}

/** Nodes that the outputs depend on, in the file's order: what else stands in the file need not be supported. */
function liveNodes(nodes: readonly OnnxNode[], outputs: readonly string[]): OnnxNode[] {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
  const live = new Set<OnnxNode>();
  const wanted = [...outputs];
  for (let value = wanted.pop(); value !== undefined; value = wanted.pop()) {
    const maker = makers.get(value);
    if (maker === undefined || live.has(maker)) continue;
    live.add(maker);
    wanted.push(...maker.inputs);
  }
  return nodes.filter((node) => live.has(node));
}

/** Suffixes that exporters put to a layer's name: torch and Keras, Gluon, Caffe2, MATLAB. */
const weightSuffix = /(\.weight|_weight|_w_0|_W|_w|_gamma|\/(kernel|gamma)(:0)?)$/;

/**
 * The node's own name; but torch numbers its nodes ('Conv_0', '/features/features.0/Conv') and Caffe2 gives none: then
 * the weight tells ('features.0', 'conv1'), and layers without weights are called after the value they make.
 */
function layerName(node: OnnxNode, weight: ReadParameter | undefined): string {
  if (node.name && !node.name.includes('/') && node.name !== `${node.opType}_${node.name.split('_').at(-1)}`)
    return node.name;
  if (weight && weightSuffix.test(weight.name)) return weight.name.replace(weightSuffix, '');
  return node.name || node.outputs[0];
}

function uniqueNames(nodes: readonly Node[]): Node[] {
  const used = new Set<string>();
  return nodes.map((node) => {
    let name = node.name;
    for (let copy = 2; used.has(name); copy++) name = `${node.name}_${copy}`;
    used.add(name);
    return { ...node, name };
  });
}

function asParameter(tensor: OnnxTensor): ParameterValue {
  const float32 = tensor.dataType === 'float32' ? tensor : reshaped(tensor, tensor.dims);
  return {
    shape: tensor.dims,
    get data() {
      return float32.toFloat32();
    },
  };
}
