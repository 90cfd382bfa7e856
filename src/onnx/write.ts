/** Writing ONNX files, weights piece by piece: a model of 600 MB never stands in memory as one message. */
import { basename, dirname } from 'node:path';
import type { onnx as Proto } from 'onnx-proto';
import onnxProto from 'onnx-proto';
import protobuf from 'protobufjs/minimal.js';
import { checkArguments, PATH } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { writeFilesIn } from '../files.ts';
import { dataTypeInfo, type NumericArray } from './data-types.ts';
import { type Attribute, MODEL, type OnnxGraph, type OnnxModel, type OnnxNode, type ValueInfo } from './model.ts';
import type { OnnxTensor } from './tensor.ts';

const { onnx } = onnxProto;

/** Keys of the fields that are appended by hand: field number and wire type 2 (onnx.proto). */
const key = { modelGraph: (7 << 3) | 2, graphInitializer: (5 << 3) | 2, tensorRawData: (9 << 3) | 2 } as const;

/** Protobuf's own limit for one message. */
const largestMessage = 2 ** 31 - 1;

/** The bytes of an ONNX file. For big weights use `writeModelFile`. */
export function writeModel(model: OnnxModel): Uint8Array {
  return Buffer.concat([...modelPieces(model)]);
}

/** The bytes of a TensorProto (`.pb`). */
export function writeTensor(tensor: OnnxTensor): Uint8Array {
  return Buffer.concat([...tensorPieces(tensor)]);
}

/**
 * Writes a model to `path`, one tensor in memory at a time. The file gets its name when it is whole: on any failure
 * nothing is left behind and a file already there stays as it was.
 *
 * @throws FrostlineError when the disk is full or the folder may not be written to
 */
export async function writeModelFile(path: string, model: OnnxModel): Promise<void> {
  checkArguments('writeModelFile', { path: [path, PATH], model: [model, MODEL] });
  await writeFilesIn(dirname(path), { [basename(path)]: modelPieces(model) });
}

/** Protobuf lets fields stand in any order, so that graph and initialisers go last, by hand. */
function* modelPieces(model: OnnxModel): Generator<Uint8Array> {
  yield onnx.ModelProto.encode({
    irVersion: model.irVersion,
    producerName: model.producer,
    producerVersion: model.producerVersion,
    opsetImport: [...model.opsets].map(([domain, version]) => ({ domain, version })),
    metadataProps: [...model.metadata].map(([key, value]) => ({ key, value })),
  }).finish();

  const small = onnx.GraphProto.encode(graphMessage(model.graph)).finish();
  let length = small.length;
  for (const tensor of model.graph.initializers.values()) {
    const bytes = tensorLength(tensor);
    length += header(key.graphInitializer, bytes).length + bytes;
  }
  if (length > largestMessage) {
    throw new FrostlineError(`the model needs ${length} bytes, an ONNX file holds at most ${largestMessage}.`);
  }
  if (model.functions?.length) {
    throw new FrostlineError(
      'a model with functions of its own cannot be written. Expand them first (inlineFunctions).',
    );
  }
  yield header(key.modelGraph, length);
  yield small;
  for (const tensor of model.graph.initializers.values()) {
    yield header(key.graphInitializer, tensorLength(tensor));
    yield* tensorPieces(tensor);
  }
}

function* tensorPieces(tensor: OnnxTensor): Generator<Uint8Array> {
  yield tensorHead(tensor);
  if (tensor.dataType === 'string') return;
  yield header(key.tensorRawData, rawLength(tensor));
  const data = tensor.data as NumericArray;
  yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function tensorLength(tensor: OnnxTensor): number {
  const head = tensorHead(tensor).length;
  if (tensor.dataType === 'string') return head;
  return head + header(key.tensorRawData, rawLength(tensor)).length + rawLength(tensor);
}

function rawLength(tensor: OnnxTensor): number {
  return tensor.size * dataTypeInfo(tensor.dataType).array!.BYTES_PER_ELEMENT;
}

/** All of a TensorProto but its raw data; strings have no raw form and stand here whole. */
function tensorHead(tensor: OnnxTensor): Uint8Array {
  return onnx.TensorProto.encode(tensorMessage(tensor)).finish();
}

function tensorMessage(tensor: OnnxTensor): Proto.ITensorProto {
  const { name, dims, dataType } = tensor;
  const strings =
    dataType === 'string' ? { stringData: (tensor.data as readonly string[]).map((s) => Buffer.from(s)) } : {};
  return { name, dims: [...dims], dataType: dataTypeInfo(dataType).code, ...strings };
}

function header(key: number, length: number): Uint8Array {
  return protobuf.Writer.create().uint32(key).uint32(length).finish();
}

function graphMessage(graph: OnnxGraph): Proto.IGraphProto {
  return {
    name: graph.name,
    node: graph.nodes.map(nodeMessage),
    input: graph.inputs.map(valueInfoMessage),
    output: graph.outputs.map(valueInfoMessage),
  };
}

function nodeMessage(node: OnnxNode): Proto.INodeProto {
  return {
    name: node.name,
    opType: node.opType,
    domain: node.domain,
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: [...node.attributes].map(([name, attribute]) => attributeMessage(name, attribute, node)),
  };
}

function attributeMessage(name: string, attribute: Attribute, node: OnnxNode): Proto.IAttributeProto {
  const types = onnx.AttributeProto.AttributeType;
  const tensor = (value: OnnxTensor) => {
    const message = tensorMessage(value);
    if (value.dataType === 'string') return message;
    const data = value.data as NumericArray;
    return { ...message, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  };
  switch (attribute.type) {
    case 'float':
      return { name, type: types.FLOAT, f: attribute.value };
    case 'int':
      return { name, type: types.INT, i: attribute.value };
    case 'string':
      return { name, type: types.STRING, s: Buffer.from(attribute.value) };
    case 'tensor':
      return { name, type: types.TENSOR, t: tensor(attribute.value) };
    case 'floats':
      return { name, type: types.FLOATS, floats: [...attribute.value] };
    case 'ints':
      return { name, type: types.INTS, ints: [...attribute.value] };
    case 'strings':
      return { name, type: types.STRINGS, strings: attribute.value.map((s) => Buffer.from(s)) };
    case 'tensors':
      return { name, type: types.TENSORS, tensors: attribute.value.map(tensor) };
    case 'graph': {
      const initializer = [...attribute.value.initializers.values()].map(tensor);
      return { name, type: types.GRAPH, g: { ...graphMessage(attribute.value), initializer } };
    }
    case 'reference':
      return { name, refAttrName: attribute.name };
    case 'opaque':
      throw new FrostlineError(
        `node '${node.name}' (${node.opType}): attribute '${name}' is a type or a list of subgraphs, which cannot be written.`,
      );
  }
}

function valueInfoMessage(info: ValueInfo): Proto.IValueInfoProto {
  const shape = info.dims && {
    dim: info.dims.map((dim) =>
      typeof dim === 'string' ? { dimParam: dim } : dim === undefined ? {} : { dimValue: dim },
    ),
  };
  const elemType = info.dataType && dataTypeInfo(info.dataType).code;
  return { name: info.name, type: { tensorType: { elemType, shape } } };
}
