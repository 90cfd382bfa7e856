/** Reading ONNX files: the graph by onnx-proto, the weights as places in the file. */
import path from 'node:path';
import type { onnx as Proto } from 'onnx-proto';
import onnxProto from 'onnx-proto';
import { checkArguments, type Expectation, OBJECT, PATH } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { type ByteSource, fileSource, memorySource } from './byte-source.ts';
import { dataTypeOf } from './data-types.ts';
import type { ModelPlace } from './external-data.ts';
import { shortestFloat32 } from './half.ts';
import type { Attribute, Dim, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode, ValueInfo } from './model.ts';
import { keyAndValue, scanTensor } from './read-tensor.ts';
import type { OnnxTensor } from './tensor.ts';
import { type Field, FieldReader, isDamage, toNumber, wellFormed, wireType } from './wire.ts';

const { onnx } = onnxProto;

/** Field numbers of ModelProto, GraphProto and FunctionProto (onnx.proto). */
const modelField = { graph: 7, metadata: 14, functions: 25 } as const;
const graphField = { node: 1, initializer: 5, sparseInitializer: 15 } as const;
/** onnx-proto's FunctionProto is of the draft of 2021. */
const functionField = { name: 1, input: 4, output: 5, node: 7, opset: 9, domain: 10, default: 11 } as const;

const FILE_OR_BYTES: Expectation = {
  is: (value) => PATH.is(value) || value instanceof Uint8Array,
  words: 'the path of a file, or its bytes in a Uint8Array',
};

/**
 * Reads an ONNX model. Its weights stay in the file until they are asked for (see OnnxTensor).
 *
 * @param from path of a file, or its bytes
 * @param options.folder where external data may lie; that of the file unless given
 * @throws FrostlineError for a file that is missing, empty, truncated or no ONNX file, and for unusable external data
 */
export function readModel(from: string | Uint8Array, options: { folder?: string } = {}): OnnxModel {
  checkArguments('readModel', { from: [from, FILE_OR_BYTES], options: [options, OBJECT] });
  const source = typeof from === 'string' ? fileSource(from) : memorySource(from);
  const file = typeof from === 'string' ? from : undefined;
  const folder = options.folder ?? (file === undefined ? undefined : path.dirname(file));
  const place = folder === undefined ? undefined : { folder, file };
  return wellFormed(source.name, () => readFrom(source, place));
}

function readFrom(source: ByteSource, place: ModelPlace | undefined): OnnxModel {
  refuseOther(source);
  const reader = new FieldReader(source, source.name);
  const metadata = new Map<string, string>();
  const functions: OnnxFunction[] = [];
  const rest: Uint8Array[] = [];
  let graph: OnnxGraph | undefined;
  for (const field of reader.fields(0, source.length)) {
    if (field.number === modelField.graph && field.wire === wireType.bytes) graph = readGraph(source, field, place);
    else if (field.number === modelField.metadata) metadata.set(...keyAndValue(reader, field));
    else if (field.number === modelField.functions && field.wire === wireType.bytes)
      functions.push(readFunction(source, field, place));
    else rest.push(source.read(field.start, field.offset + field.length - field.start));
  }
  if (graph === undefined) throw notOnnx(source, 'it holds no graph');
  const model = decode(source, () => onnx.ModelProto.decode(plainBytes(Buffer.concat(rest))));
  const opsets = opsetsOf(model.opsetImport);
  return {
    irVersion: toNumber(model.irVersion),
    // Before IR version 3 there was but one operator set and no entry for it.
    opsets: opsets.size > 0 ? opsets : new Map([['', 1]]),
    producer: model.producerName,
    producerVersion: model.producerVersion,
    metadata,
    graph,
    ...(functions.length > 0 && { functions }),
  };
}

const opsetsOf = (imports: readonly Proto.IOperatorSetIdProto[]) =>
  new Map(imports.map(({ domain, version }) => [plainDomain(domain), toNumber(version)] as const));

function readFunction(source: ByteSource, message: Field, place: ModelPlace | undefined): OnnxFunction {
  const reader = new FieldReader(source, `${source.name}: function`);
  const texts = { [functionField.name]: '', [functionField.domain]: '' } as Record<number, string>;
  const lists: Record<number, string[]> = { [functionField.input]: [], [functionField.output]: [] };
  const nodes: OnnxNode[] = [];
  const opsets: Proto.IOperatorSetIdProto[] = [];
  const defaults = new Map<string, Attribute>();
  for (const field of reader.fields(message.offset, message.offset + message.length)) {
    if (field.wire !== wireType.bytes) continue;
    const bytes = () => plainBytes(reader.bytes(field));
    if (field.number in texts) texts[field.number] = reader.text(field);
    else if (field.number in lists) lists[field.number].push(reader.text(field));
    else if (field.number === functionField.node)
      nodes.push(readNode(onnx.NodeProto.decode(bytes()) as Proto.NodeProto, source, place));
    else if (field.number === functionField.opset) opsets.push(onnx.OperatorSetIdProto.decode(bytes()));
    else if (field.number === functionField.default) {
      const attribute = onnx.AttributeProto.decode(bytes()) as Proto.AttributeProto;
      defaults.set(attribute.name, readAttribute(attribute, source, place));
    }
  }
  return {
    domain: plainDomain(texts[functionField.domain]),
    name: texts[functionField.name],
    inputs: lists[functionField.input],
    outputs: lists[functionField.output],
    defaults,
    nodes,
    opsets: opsetsOf(opsets),
  };
}

/** Reads one TensorProto, as the `.pb` files of ONNX test data hold it. Throws FrostlineError as `readModel` does. */
export function readTensor(from: string | Uint8Array): OnnxTensor {
  const source = typeof from === 'string' ? fileSource(from) : memorySource(from);
  if (source.length === 0)
    throw new FrostlineError(`${source.name} is empty, a TensorProto is expected. Fetch or save it again.`);
  return scanTensor(source, 0, source.length);
}

function readGraph(source: ByteSource, graph: Field, place: ModelPlace | undefined): OnnxGraph {
  const reader = new FieldReader(source, `${source.name}: graph`);
  const initializers: OnnxTensor[] = [];
  const sparse: string[] = [];
  const rest = new Runs(source);
  for (const field of reader.fields(graph.offset, graph.offset + graph.length)) {
    if (field.number === graphField.initializer && field.wire === wireType.bytes) {
      initializers.push(scanTensor(source, field.offset, field.offset + field.length, place));
    } else if (field.number === graphField.sparseInitializer && field.wire === wireType.bytes) {
      const { values } = decode(source, () => onnx.SparseTensorProto.decode(plainBytes(reader.bytes(field))));
      sparse.push(values?.name ?? '');
    } else rest.add(field);
  }
  const small = decode(source, () => onnx.GraphProto.decode(plainBytes(rest.bytes())));
  return graphOf(small, initializers, source, place, sparse);
}

/** A graph's message whose initialisers have been read. */
function graphOf(
  message: Proto.IGraphProto,
  initializers: readonly OnnxTensor[],
  source: ByteSource,
  place: ModelPlace | undefined,
  sparseInitializers: readonly string[],
): OnnxGraph {
  const byName = new Map(initializers.map((tensor) => [tensor.name, tensor]));
  const twice = initializers.find((tensor) => byName.get(tensor.name) !== tensor);
  if (twice !== undefined) {
    throw new FrostlineError(`${source.name}: two initialisers are called '${twice.name}'. Export the model again.`);
  }
  return {
    name: message.name ?? '',
    nodes: (message.node ?? []).map((node) => readNode(node as Proto.NodeProto, source, place)),
    initializers: byName,
    inputs: (message.input ?? []).map(readValueInfo),
    outputs: (message.output ?? []).map(readValueInfo),
    sparseInitializers,
  };
}

/** Fields that are read as they lie, those behind each other at once: a graph has as many as it has nodes. */
class Runs {
  private readonly runs: { start: number; end: number }[] = [];
  private readonly source: ByteSource;
  constructor(source: ByteSource) {
    this.source = source;
  }

  add({ start, offset, length }: Field): void {
    const last = this.runs.at(-1);
    if (last?.end === start) last.end = offset + length;
    else this.runs.push({ start, end: offset + length });
  }

  bytes(): Buffer {
    return Buffer.concat(this.runs.map(({ start, end }) => this.source.read(start, end - start)));
  }
}

function readNode(node: Proto.NodeProto, source: ByteSource, place: ModelPlace | undefined): OnnxNode {
  return {
    name: node.name,
    opType: node.opType,
    domain: plainDomain(node.domain),
    inputs: node.input,
    outputs: node.output,
    attributes: new Map(
      node.attribute.map((attribute) => [
        attribute.name ?? '',
        readAttribute(attribute as Proto.AttributeProto, source, place),
      ]),
    ),
  };
}

function readAttribute(attribute: Proto.AttributeProto, source: ByteSource, place: ModelPlace | undefined): Attribute {
  const types = onnx.AttributeProto.AttributeType;
  // An attribute's tensor is small as a rule: encoded again it takes the one path that all tensors take.
  const tensor = (message: Proto.ITensorProto) => {
    const bytes = onnx.TensorProto.encode(message).finish();
    return scanTensor(memorySource(bytes, `${source.name}: attribute '${attribute.name}'`), 0, bytes.length, place);
  };
  // In the body of a function: the value is the caller's.
  if (attribute.refAttrName) return { type: 'reference', name: attribute.refAttrName };
  switch (attributeType(attribute)) {
    case types.FLOAT:
      return { type: 'float', value: shortestFloat32(attribute.f) };
    case types.INT:
      return { type: 'int', value: toNumber(attribute.i) };
    case types.STRING:
      return { type: 'string', value: text(attribute.s) };
    case types.TENSOR:
      return attribute.t ? { type: 'tensor', value: tensor(attribute.t) } : { type: 'opaque' };
    case types.FLOATS:
      return { type: 'floats', value: attribute.floats.map(shortestFloat32) };
    case types.INTS:
      return { type: 'ints', value: attribute.ints.map(toNumber) };
    case types.STRINGS:
      return { type: 'strings', value: attribute.strings.map(text) };
    case types.TENSORS:
      return { type: 'tensors', value: attribute.tensors.map(tensor) };
    case types.GRAPH: {
      const { g } = attribute;
      if (!g) return { type: 'opaque' };
      const sparse = (g.sparseInitializer ?? []).map(({ values }) => values?.name ?? '');
      return { type: 'graph', value: graphOf(g, (g.initializer ?? []).map(tensor), source, place, sparse) };
    }
    default:
      return { type: 'opaque' };
  }
}

/** IR version 1 had no type entry: the field that is there tells it. */
function attributeType(attribute: Proto.AttributeProto): number {
  const types = onnx.AttributeProto.AttributeType;
  if (attribute.type !== types.UNDEFINED) return attribute.type;
  if (attribute.ints.length > 0) return types.INTS;
  if (attribute.floats.length > 0) return types.FLOATS;
  if (attribute.strings.length > 0) return types.STRINGS;
  if (attribute.t) return types.TENSOR;
  if (attribute.s.length > 0) return types.STRING;
  if (Object.hasOwn(attribute, 'f')) return types.FLOAT;
  if (Object.hasOwn(attribute, 'i')) return types.INT;
  return types.UNDEFINED;
}

function readValueInfo(info: Proto.IValueInfoProto): ValueInfo {
  const tensor = info.type?.tensorType;
  const dims = tensor?.shape?.dim?.map((dim): Dim => {
    if (dim.dimParam) return dim.dimParam;
    const size = Object.hasOwn(dim, 'dimValue') ? toNumber(dim.dimValue) : -1;
    return size >= 0 ? size : undefined;
  });
  // A missing shape is an unknown rank, an empty one is a scalar.
  return {
    name: info.name ?? '',
    dataType: dataTypeOf(tensor?.elemType ?? 0),
    dims: tensor?.shape ? (dims ?? []) : undefined,
  };
}

function plainDomain(domain: string | null | undefined): string {
  return domain === 'ai.onnx' || !domain ? '' : domain;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** protobufjs ends a text that is too long with a Node Buffer, without a word; of plain bytes it refuses it. */
const plainBytes = (bytes: Uint8Array) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

function decode<T>(source: ByteSource, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw isDamage(error) ? notOnnx(source, error.message) : error;
  }
}

/** Names what people give by mistake, and files whose first bytes cannot be a ModelProto. */
function refuseOther(source: ByteSource): void {
  if (source.length === 0)
    throw new FrostlineError(`${source.name} is empty, an ONNX model is expected. Fetch or export it again.`);
  const head = Buffer.from(source.read(0, Math.min(source.length, 256)));
  const start = head.toString('latin1');
  if (start.startsWith('version https://git-lfs')) {
    throw new FrostlineError(
      `${source.name} is a Git LFS pointer of ${source.length} bytes, not the model. Fetch the file itself, e.g. with 'git lfs pull'.`,
    );
  }
  const other = [
    ['<', 'a web page or XML'],
    ['\x89PNG', 'an image'],
    ['\xff\xd8\xff', 'an image'],
    ['PK', 'a zip archive (a PyTorch checkpoint?)'],
    ['\x1f\x8b', 'a gzip archive'],
    ['\x89HDF', 'an HDF5 file'],
    ['MATLAB', 'a MATLAB file'],
    ['\x93NUMPY', 'a NumPy array'],
  ].find(([magic]) => start.startsWith(magic));
  if (other) throw notOnnx(source, `it is ${other[1]}`);
}

function notOnnx(source: ByteSource, why: string): FrostlineError {
  return new FrostlineError(
    `${source.name} is no ONNX model: ${why}. Export the network to ONNX, or fetch the file again.`,
  );
}
