/** Reading ONNX files: the graph by onnx-proto, the weights as places in the file. */
import path from 'node:path';
import type { onnx as Proto } from 'onnx-proto';
import onnxProto from 'onnx-proto';
import { FrostlineError } from '../errors.ts';
import { type ByteSource, fileSource, memorySource } from './byte-source.ts';
import { dataTypeOf } from './data-types.ts';
import { shortestFloat32 } from './half.ts';
import type { Attribute, Dim, OnnxGraph, OnnxModel, OnnxNode, ValueInfo } from './model.ts';
import { keyAndValue, scanTensor } from './read-tensor.ts';
import type { OnnxTensor } from './tensor.ts';
import { type Field, FieldReader, toNumber, wellFormed, wireType } from './wire.ts';

const { onnx } = onnxProto;

/** Field numbers of ModelProto and GraphProto (onnx.proto). */
const modelField = { graph: 7, metadata: 14 } as const;
const graphField = { initializer: 5, sparseInitializer: 15 } as const;

/**
 * Reads an ONNX model. Its weights stay in the file until they are asked for (see OnnxTensor).
 *
 * @param from path of a file, or its bytes
 * @param options.folder where external data may lie; that of the file unless given
 * @throws FrostlineError for a file that is missing, empty, truncated or no ONNX file, and for unusable external data
 */
export function readModel(from: string | Uint8Array, options: { folder?: string } = {}): OnnxModel {
  const source = typeof from === 'string' ? fileSource(from) : memorySource(from);
  const folder = options.folder ?? (typeof from === 'string' ? path.dirname(from) : undefined);
  return wellFormed(source.name, () => readFrom(source, folder));
}

function readFrom(source: ByteSource, folder: string | undefined): OnnxModel {
  refuseOther(source);
  const reader = new FieldReader(source, source.name);
  const metadata = new Map<string, string>();
  const rest: Uint8Array[] = [];
  let graph: OnnxGraph | undefined;
  for (const field of reader.fields(0, source.length)) {
    if (field.number === modelField.graph && field.wire === wireType.bytes) graph = readGraph(source, field, folder);
    else if (field.number === modelField.metadata) metadata.set(...keyAndValue(reader, field));
    else rest.push(source.read(field.start, field.offset + field.length - field.start));
  }
  if (graph === undefined) throw notOnnx(source, 'it holds no graph');
  const model = decode(source, () => onnx.ModelProto.decode(Buffer.concat(rest)));
  const opsets = new Map<string, number>();
  for (const { domain, version } of model.opsetImport) opsets.set(plainDomain(domain), toNumber(version));
  return {
    irVersion: toNumber(model.irVersion),
    // Before IR version 3 there was but one operator set and no entry for it.
    opsets: opsets.size > 0 ? opsets : new Map([['', 1]]),
    producer: model.producerName,
    producerVersion: model.producerVersion,
    metadata,
    graph,
  };
}

/** Reads one TensorProto, as the `.pb` files of ONNX test data hold it. Throws FrostlineError as `readModel` does. */
export function readTensor(from: string | Uint8Array): OnnxTensor {
  const source = typeof from === 'string' ? fileSource(from) : memorySource(from);
  if (source.length === 0)
    throw new FrostlineError(`${source.name} is empty, a TensorProto is expected. Fetch or save it again.`);
  return scanTensor(source, 0, source.length);
}

function readGraph(source: ByteSource, graph: Field, folder: string | undefined): OnnxGraph {
  const reader = new FieldReader(source, `${source.name}: graph`);
  const initializers = new Map<string, OnnxTensor>();
  const sparseInitializers: string[] = [];
  const rest: Uint8Array[] = [];
  for (const field of reader.fields(graph.offset, graph.offset + graph.length)) {
    if (field.number === graphField.initializer) {
      const tensor = scanTensor(source, field.offset, field.offset + field.length, folder);
      if (initializers.has(tensor.name)) {
        throw new FrostlineError(
          `${source.name}: two initialisers are called '${tensor.name}'. Export the model again.`,
        );
      }
      initializers.set(tensor.name, tensor);
    } else if (field.number === graphField.sparseInitializer) {
      sparseInitializers.push(onnx.SparseTensorProto.decode(reader.bytes(field)).values?.name ?? '');
    } else rest.push(source.read(field.start, field.offset + field.length - field.start));
  }
  const small = decode(source, () => onnx.GraphProto.decode(Buffer.concat(rest)));
  return {
    name: small.name,
    nodes: small.node.map((node) => readNode(node as Proto.NodeProto, source, folder)),
    initializers,
    inputs: small.input.map(readValueInfo),
    outputs: small.output.map(readValueInfo),
    sparseInitializers,
  };
}

function readNode(node: Proto.NodeProto, source: ByteSource, folder: string | undefined): OnnxNode {
  return {
    name: node.name,
    opType: node.opType,
    domain: plainDomain(node.domain),
    inputs: node.input,
    outputs: node.output,
    attributes: new Map(
      node.attribute.map((attribute) => [
        attribute.name ?? '',
        readAttribute(attribute as Proto.AttributeProto, source, folder),
      ]),
    ),
  };
}

function readAttribute(attribute: Proto.AttributeProto, source: ByteSource, folder: string | undefined): Attribute {
  const types = onnx.AttributeProto.AttributeType;
  // An attribute's tensor is small as a rule: encoded again it takes the one path that all tensors take.
  const tensor = (message: Proto.ITensorProto) => {
    const bytes = onnx.TensorProto.encode(message).finish();
    return scanTensor(memorySource(bytes, `${source.name}: attribute '${attribute.name}'`), 0, bytes.length, folder);
  };
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

function decode<T>(source: ByteSource, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RangeError ? error : notOnnx(source, (error as Error).message);
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
