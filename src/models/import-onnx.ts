/** An ONNX model as a network: what the file computes, in frostline's operations, with its layers named and numbered. */
import { checkArguments, FLAG, FUNCTION, listOf, OBJECT, oneOf, TEXT, wholeFrom, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { withinLimit } from '../limits.ts';
import { type Dim, MODEL, type OnnxModel, type OnnxNode, type ValueInfo } from '../onnx/model.ts';
import type { OnnxTensor } from '../onnx/tensor.ts';
import { ElementTypes } from '../operators/onnx/element-types.ts';
import type { Reading, ReadParameter, Surroundings } from '../operators/onnx/form.ts';
import { foldRemedy, refuse } from '../operators/onnx/reading.ts';
import { checkAxes, checkBroadcast, checkLists, checkSchema } from '../operators/onnx/schema.ts';
import { newestOpset } from '../operators/onnx/schema-table.ts';
import { reshaped } from '../operators/onnx/tensors.ts';
import type { Role } from '../operators/operator.ts';
import { type OperatorSet, ours } from '../operators/registry.ts';
import { expanded, expandedFirst } from '../operators/rewrites/index.ts';
import { rewritten } from '../operators/rewrites/match.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import { checkNames } from './check-names.ts';
import { restoreDropout } from './dropout-heads.ts';
import { foldedBy } from './fold-constants.ts';
import { imageLayout } from './image-layout.ts';
import { inlineFunctions } from './inline-functions.ts';
import { numberLayers } from './layers.ts';
import { liveNodes, readsOf } from './live-nodes.ts';
import { mergedConstants } from './merge-constants.ts';
import { parseMetadata } from './metadata.ts';
import {
  type LeftOut,
  type Network,
  type NetworkInput,
  type Node,
  type Op,
  type Pair,
  type ParameterValue,
  type Preprocessing,
  rolesOf,
} from './network.ts';
import { Constants, type Extent } from './onnx-constants.ts';
import { translate } from './onnx-operators.ts';
import { PREPROCESSING } from './preprocessing.ts';
import { count, outputShapes, type Shape } from './shapes.ts';

export { supportedOperators } from './onnx-operators.ts';

/** How an ONNX model becomes a network. */
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
  /**
   * Which outputs the network gets: 'all' (the default), where one that cannot be computed is refused; 'possible': those
   * that can be computed, at least one, the others told in `Network.leftOut`; or names.
   */
  readonly outputs?: 'all' | 'possible' | readonly string[];
  /** For messages and `Network.name`; the graph's name otherwise. */
  readonly name?: string;
  /** With those of other packages: `withOperators`. Default: frostline's own. */
  readonly operators?: OperatorSet;
}

export const IMPORT_OPTIONS: OptionNames<ImportOptions> = {
  inputSize: listOf(wholeFrom(1), '[height, width]'),
  inputShapes: OBJECT,
  dropout: oneOf('auto', 'off'),
  batchFirst: FLAG,
  asItStands: FLAG,
  preprocessing: PREPROCESSING,
  labels: listOf(TEXT, 'a list of names'),
  outputs: {
    is: (value) => value === 'all' || value === 'possible' || listOf(TEXT, '').is(value),
    words: "'all', 'possible' or a list of names",
  },
  name: TEXT,
  operators: withMembers('what withOperators() gives', { rewrites: Array.isArray, operatorOf: FUNCTION.is }),
};

/**
 * Turns an ONNX model into a network.
 *
 * @throws FrostlineError naming the node for an unsupported operator (with the list of supported ones), shapes that do
 *   not fit, weights that are no constants, and everything else that frostline would compute differently
 */
export function importOnnx(model: OnnxModel, options: ImportOptions = {}): Network {
  checkArguments('importOnnx', { model: [model, MODEL] });
  return new Importer(model, checkOptions('importOnnx', options, IMPORT_OPTIONS)).network();
}

class Importer {
  private readonly model: OnnxModel;
  private readonly options: ImportOptions;
  private readonly constants: Constants;
  private readonly types: ElementTypes;
  private readonly operators: OperatorSet;
  private readonly opset: number;
  private readonly shapes = new Map<string, Shape>();
  private readonly parameters = new Map<string, ParameterValue>();
  /** The tensor each parameter is made of, to tell a shared weight from one used in two layouts; and the reverse. */
  private readonly origins = new Map<string, OnnxTensor>();
  /** Names of the parameters that a tensor is. */
  private readonly names = new Map<OnnxTensor, string[]>();
  /** Of parameters beside state, the initialisers of the node that has them. */
  private readonly companions = new Map<string, string>();
  private readonly readers = new Map<string, number>();
  private readonly nodes: Node[] = [];
  /** Where in `nodes` a value is made. */
  private readonly places = new Map<string, number>();
  /** Values that cannot be computed, and why: a refusal only where one of them is needed. */
  private readonly refused = new Map<string, FrostlineError>();
  /** Dimensions before those of an item. */
  private readonly lead: 0 | 1;

  constructor(model: OnnxModel, options: ImportOptions) {
    this.model = inlineFunctions(model);
    this.options = options;
    this.operators = options.operators ?? ours;
    this.constants = new Constants(model.graph.initializers);
    this.types = new ElementTypes(model.graph);
    this.lead = options.batchFirst === false ? 0 : 1;
    const opset = model.opsets.get('');
    if (opset === undefined) {
      throw new FrostlineError(
        `the model uses only the operators of ${[...model.opsets.keys()].join(', ')}, ONNX's own are expected.`,
      );
    }
    if (opset > newestOpset) {
      throw new FrostlineError(
        `the model is of operator set ${opset}, the newest known here is ${newestOpset}. Export it with opset_version=${newestOpset} or older.`,
      );
    }
    this.opset = opset;
    withinLimit('graph-nodes', this.model.graph.nodes.length, 'the model has');
    checkNames(this.model.graph);
  }

  network(): Network {
    const { metadata, graph } = this.model;
    const wanted = this.wantedOutputs();
    const live = this.simplified(wanted);
    this.countReads([...live.flatMap(readsOf), ...wanted]);
    const inputs = this.inputs(live);
    const around = this.surroundings();
    for (const node of live) this.read(node, around);
    this.checkOutputTypes();

    const { outputs, leftOut } = this.computedOutputs(wanted);
    const { nodes: needed, inputs: read } = this.needed(outputs, inputs);
    const told = parseMetadata(metadata);
    const restored = restoreDropout(needed, this.parameters, this.shapes);
    const nodes = uniqueNames(restored).map((node): Node => {
      const off = node.op.kind === 'dropout' && this.options.dropout === 'off';
      return off ? { ...node, op: { kind: 'dropout', ratio: 0 } } : node;
    });
    const used = new Set(nodes.flatMap((node) => Object.values(rolesOf(node))));
    return {
      name: this.options.name ?? graph.name,
      inputs: read,
      outputs,
      ...(leftOut.length > 0 && { leftOut }),
      nodes: numberLayers(
        nodes,
        read.map(({ name }) => name),
        told.layers,
        this.operators,
      ),
      parameters: new Map([...this.parameters].filter(([name]) => used.has(name))),
      preprocessing: this.options.preprocessing ?? told.preprocessing,
      labels: this.options.labels ?? told.labels,
      ...(this.operators !== ours && { operators: this.operators }),
    };
  }

  private wantedOutputs(): readonly string[] {
    const all = this.model.graph.outputs.map(({ name }) => name);
    const { outputs } = this.options;
    if (outputs === undefined || typeof outputs === 'string') return all;
    const stranger = outputs.find((name) => !all.includes(name));
    if (stranger !== undefined) {
      throw new FrostlineError(`the model has no output '${stranger}'. Its outputs are ${all.join(', ')}.`);
    }
    return outputs;
  }

  /** The nodes that outputs depend on, patterns of several made one, what is constant whatever the images folded away. */
  private simplified(wanted: readonly string[]): readonly OnnxNode[] {
    const valid = liveNodes(this.model.graph.nodes, wanted).filter((node) => this.isValid(node));
    const alive = valid.flatMap((node) =>
      expandedFirst(node, { lead: this.lead, constants: this.constants, opset: this.opsetOf(node) }),
    );
    const open = alive.filter((node) => !this.folds(node));
    const { rewrites } = this.operators;
    const { constants, opset } = this;
    return liveNodes(rewritten({ nodes: open, outputs: wanted, constants, opset }, rewrites), wanted);
  }

  /** Whether a node is one of its operator's; what others make is refused. */
  private isValid(node: OnnxNode): boolean {
    return (
      this.unlessRefused(node, () => {
        checkSchema(node, this.opsetOf(node));
        this.types.add(node, this.opsetOf(node));
        return true;
      }) ?? false
    );
  }

  /** Whether a node is of constants alone, which are computed, or refused for good. */
  private folds(node: OnnxNode): boolean {
    return (
      this.unlessRefused(node, () => {
        if (node.domain !== '') return false;
        this.checkShapes(node, this.opsetOf(node));
        return this.constants.fold(node, this.opsetOf(node), () => undefined);
      }) ?? true
    );
  }

  private opsetOf(node: OnnxNode): number {
    return node.opset ?? this.opset;
  }

  /** Works on a node; a refusal is kept for whoever needs what the node makes. */
  private unlessRefused<T>(node: OnnxNode, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof FrostlineError)) throw error;
      this.refuseValues(node, error);
      return undefined;
    }
  }

  private refuseValues({ outputs }: OnnxNode, error: FrostlineError): void {
    for (const output of outputs) if (output !== '') this.refused.set(output, error);
  }

  private inputs(live: readonly OnnxNode[]): NetworkInput[] {
    const { graph } = this.model;
    const infos = graph.inputs.filter(({ name }) => !graph.initializers.has(name) && this.readers.has(name));
    if (infos.length === 0 && this.refused.size === 0)
      throw new FrostlineError('the model has no input that its outputs depend on.');
    const inputs: NetworkInput[] = [];
    for (const [i, info] of infos.entries()) {
      try {
        const input = this.input(info, i === 0, live);
        inputs.push(input);
        this.shapes.set(input.name, input.shape);
      } catch (error) {
        if (!(error instanceof FrostlineError)) throw error;
        this.refused.set(info.name, error);
      }
    }
    return inputs;
  }

  private surroundings(): Surroundings {
    return {
      opset: this.opset,
      lead: this.lead,
      asItStands: this.options.asItStands ?? false,
      constants: this.constants,
      shapeOf: (value, node) => this.shapeOf(value, node),
      isActivation: (value) => this.shapes.has(value),
      isRead: (value) => (this.readers.get(value) ?? 0) > 0,
    };
  }

  /** A node of the file becomes constants, nodes of the network, or values that are refused. */
  private read(node: OnnxNode, general: Surroundings): void {
    const missing = node.inputs.find((value) => this.refused.has(value));
    if (missing !== undefined) {
      this.refuseValues(node, this.refused.get(missing)!);
      return;
    }
    const opset = this.opsetOf(node);
    const around = opset === general.opset ? general : { ...general, opset };
    this.unlessRefused(node, () => {
      for (const output of node.outputs) this.checkNew(node, output);
      if (node.domain === '' && node.opType === 'If') {
        this.branch(node, around);
        return;
      }
      this.checkShapes(node, opset);
      // Branches that were chosen have types since then.
      this.types.add(node, opset);
      for (const part of expanded(node, around)) {
        if (part.domain === '' && this.constants.fold(part, opset, (value) => this.extents(value))) continue;
        if (this.fold(part, around)) continue;
        this.add(part, around);
      }
    });
  }

  private checkShapes(node: OnnxNode, opset: number): void {
    const shapes = node.inputs.map((value) => this.extents(value) ?? this.constants.dimsOf(value));
    if (shapes[0] !== undefined) checkAxes(node, shapes[0].length, this.constants.integersOf(node.inputs[1] ?? ''));
    checkLists(node, shapes);
    checkBroadcast(node, opset, shapes);
  }

  /**
   * Branches beside each other may use the same names; what became a part of the network keeps its name. Constants are
   * handed on by their tensors, and one after another may be called so.
   */
  private checkNew(node: OnnxNode, name: string): void {
    if (this.shapes.has(name)) refuse(node, `makes '${name}' a second time`, oneName);
  }

  private countReads(values: readonly string[], by: 1 | -1 = 1): void {
    for (const value of values) this.readers.set(value, (this.readers.get(value) ?? 0) + by);
  }

  /** A branch whose condition is known at import: its nodes stand in place of the If. */
  private branch(node: OnnxNode, around: Surroundings): void {
    const condition = this.constants.tensor(node.inputs[0]);
    if (condition === undefined) {
      refuse(
        node,
        `chooses between branches by '${node.inputs[0]}', which depends on the images`,
        'Export the network without If, or with a fixed input size.',
      );
    }
    const chosen = node.attributes.get(condition.data[0] ? 'then_branch' : 'else_branch');
    if (chosen?.type !== 'graph' || chosen.value.outputs.length < node.outputs.length) {
      refuse(node, 'has no such branch', 'Export the model again.');
    }
    const { nodes, initializers, outputs } = chosen.value;
    for (const [name, tensor] of initializers) {
      this.checkNew(node, name);
      this.constants.define(tensor, name);
      this.types.define(tensor, name);
    }
    const names = outputs.map(({ name }) => name);
    const live = liveNodes(nodes, names);
    this.countReads(readsOf(node), -1);
    this.countReads([...live.flatMap(readsOf), ...names]);
    for (const inner of live) if (this.isValid(inner)) this.read(inner, around);
    for (const [i, output] of node.outputs.entries()) {
      if (output === '') continue;
      const handing = { name: '', opType: 'Identity', domain: '', inputs: [names[i]], outputs: [output] };
      this.read({ ...handing, attributes: new Map() }, around);
    }
  }

  /** An output is of the type that the file says it has. */
  private checkOutputTypes(): void {
    for (const { name, dataType } of this.model.graph.outputs) {
      const made = this.types.of(name);
      if (dataType === undefined || made === undefined || made === dataType || this.refused.has(name)) continue;
      const what = `the model's output '${name}' is said to be ${dataType}, its nodes make ${made}`;
      this.refused.set(name, new FrostlineError(`${what}. Put a Cast before it, or export the model again.`));
    }
  }

  /** The outputs that there are, and why the others are not. */
  private computedOutputs(wanted: readonly string[]): { outputs: readonly string[]; leftOut: readonly LeftOut[] } {
    const why = (name: string) =>
      this.refused.get(name) ?? new FrostlineError(`the model's output '${name}' does not depend on any image.`);
    const made = (name: string) => this.shapes.has(name) && !this.refused.has(name);
    const outputs = wanted.filter(made);
    const missing = wanted.filter((name) => !made(name));
    if (missing.length === 0) return { outputs, leftOut: [] };
    if (this.options.outputs === 'possible' && outputs.length > 0) {
      return { outputs, leftOut: missing.map((name) => ({ name, why: why(name).message })) };
    }
    if (outputs.length === 0) throw why(missing[0]);
    throw new FrostlineError(
      `${why(missing[0]).message} Output '${missing[0]}' depends on it; ask for others alone: --outputs ${outputs.join(' ')}`,
    );
  }

  /** What outputs need, where some values were refused: the parts of those that were not are there as well. */
  private needed(outputs: readonly string[], inputs: readonly NetworkInput[]) {
    if (this.refused.size === 0) return { nodes: this.nodes, inputs };
    const wanted = new Set(outputs);
    const nodes = this.nodes
      .toReversed()
      .filter((node) => {
        if (!node.outputs.some((value) => wanted.has(value))) return false;
        for (const value of node.inputs) wanted.add(value);
        return true;
      })
      .reverse();
    return { nodes, inputs: inputs.filter(({ name }) => wanted.has(name)) };
  }

  /** An operator of constants alone, by its reference: what the graph computes without looking at an image. */
  private fold(source: OnnxNode, around: Surroundings): boolean {
    const given = source.inputs.filter((value) => value !== '');
    if (given.length === 0 || !given.every((value) => this.constants.has(value))) return false;
    const folded = foldedBy(source, around, this.operators, (work) => this.constants.spend(work));
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
    if (twice !== undefined) refuse(source, `makes '${twice}' a second time`, oneName);
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
    for (const [value, shape] of outputShapes(complete, shapes, this.parameters, this.operators)) {
      this.shapes.set(value, shape);
      this.places.set(value, this.nodes.length);
    }
    this.nodes.push(complete);
  }

  /** What `mergeConstants` makes one with the node before, where nobody else reads the value between. */
  private mergeIntoLast(source: OnnxNode, node: Node): boolean {
    const [input] = node.inputs;
    const at = this.places.get(input);
    if (at === undefined || this.readers.get(input) !== 1 || this.nodes[at].outputs.length !== 1) return false;
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
    this.places.set(node.outputs[0], at);
    return true;
  }

  /**
   * Registers a parameter under its initialiser's name. One tensor is one parameter, whatever names lead to it; a name
   * whose tensor two layers read in different layouts gets a second one, and so does one that stands in another place of
   * another normalisation (`besideState`).
   */
  private parameter({ name, tensor }: ReadParameter, node: Node, place = ''): string {
    const names = this.names.get(tensor) ?? [];
    this.names.set(tensor, names);
    const known = names.find((one) => (this.companions.get(one) ?? '') === place);
    if (known !== undefined) return known;
    const key = this.origins.has(name) ? `${name}@${node.name}${place && `.${place.split(' ', 1)[0]}`}` : name;
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
      const sized = this.constants.tensor(value) === undefined;
      refuse(
        node,
        `reads the constant '${value}' where an activation is expected`,
        sized
          ? 'It holds the size of the batch, which is known in a run alone: export the model with a fixed batch.'
          : foldRemedy,
      );
    }
    if (this.model.graph.sparseInitializers.includes(value)) {
      refuse(node, `reads the sparse initialiser '${value}'`, 'Export the weights in dense form.');
    }
    refuse(node, `reads '${value}', which no earlier node makes`, 'Export the model again, with sorted nodes.');
  }

  /** An input without its batch: its shape from the options, else from the file. */
  private input({ name, dims }: ValueInfo, isImage: boolean, live: readonly OnnxNode[]): NetworkInput {
    const images = isImage && this.lead === 1 && dims !== undefined;
    const layout = images ? imageLayout(live, name, dims, this.constants) : undefined;
    const shape = this.options.inputShapes?.[name] ?? this.declaredShape(name, dims, isImage, layout);
    withinLimit('activation-values', count(shape), `an item of the input '${name}' has`);
    return layout === undefined ? { name, shape } : { name, shape, layout };
  }

  private declaredShape(name: string, dims: readonly Dim[] | undefined, isImage: boolean, layout?: 'NHWC'): Shape {
    const shape = dims?.slice(this.lead) ?? [];
    const { inputSize } = this.options;
    if (isImage && inputSize && shape.length === 3) shape.splice(layout === 'NHWC' ? 0 : 1, 2, ...inputSize);
    if (dims === undefined || dims.length < this.lead || shape.some((dim) => typeof dim !== 'number' || dim < 1)) {
      const shown = dims?.map((dim) => dim ?? '?').join(', ') ?? 'unknown';
      throw new FrostlineError(
        `the model's input '${name}' has the shape [${shown}]: all sizes but the batch must be known. ` +
          "Give the input's size: --input-size HEIGHT,WIDTH.",
      );
    }
    return shape as number[];
  }
}

const oneName = 'Each value is made once: give those of branches names of their own, or export the model again.';

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
