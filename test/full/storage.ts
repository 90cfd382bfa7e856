/** Models as files in every form in which weights are stored (onnx.proto, ExternalData.md); frostline writes raw_data. */
import fs from 'node:fs';
import path from 'node:path';
import onnxProto from 'onnx-proto';
import protobuf from 'protobufjs/minimal.js';
import { dataTypeInfo } from '../../src/onnx/data-types.ts';
import type { OnnxModel, OnnxNode } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { writeModel } from '../../src/onnx/write.ts';

const { onnx } = onnxProto;

export type Storage = 'raw_data' | 'float_data' | 'float16' | 'external';

/** Field numbers of TensorProto and wire type 2: float_data is packed, so its bytes are raw_data's. */
const keys = { float_data: (4 << 3) | 2, raw_data: (9 << 3) | 2 } as const;
const graphKey = (7 << 3) | 2;
const initializerKey = (5 << 3) | 2;

/** Writes `folder`/model.onnx and, for external data, `folder`/weights.bin. */
export function writeStored(folder: string, model: OnnxModel, storage: Storage): string {
  const stored = storage === 'float16' ? inHalfPrecision(model) : model;
  const empty = { ...stored, graph: { ...stored.graph, initializers: new Map<string, OnnxTensor>() } };
  const { before, graph } = takeGraphOut(writeModel(empty));
  const tensors = [...stored.graph.initializers.values()];
  let offset = 0;
  const heads = tensors.map((tensor) => {
    const info = dataTypeInfo(tensor.dataType);
    const bytes = tensor.size * info.array!.BYTES_PER_ELEMENT;
    const external = storage === 'external' && tensor.dataType === 'float32';
    const entries = { location: 'weights.bin', offset: String(offset), length: String(bytes) };
    if (external) offset += bytes;
    const head = onnx.TensorProto.encode({
      name: tensor.name,
      dims: [...tensor.dims],
      dataType: info.code,
      ...(external && {
        dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
        externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
      }),
    }).finish();
    if (external) return { tensor, external, head, bytes: 0 };
    const field = storage === 'float_data' && tensor.dataType === 'float32' ? keys.float_data : keys.raw_data;
    return { tensor, external, head: Buffer.concat([head, header(field, bytes)]), bytes };
  });
  const length = heads.reduce((sum, { head, bytes }) => {
    const message = head.length + bytes;
    return sum + header(initializerKey, message).length + message;
  }, graph.length);

  const file = path.join(folder, 'model.onnx');
  const target = fs.openSync(file, 'w');
  const data = storage === 'external' ? fs.openSync(path.join(folder, 'weights.bin'), 'w') : target;
  const write = (to: number, bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length; )
      done += fs.writeSync(to, bytes, done, Math.min(bytes.length - done, 2 ** 30));
  };
  for (const piece of [before, header(graphKey, length), graph]) write(target, piece);
  for (const { tensor, external, head, bytes } of heads) {
    write(target, header(initializerKey, head.length + bytes));
    write(target, head);
    const values = tensor.data as Float32Array;
    write(external ? data : target, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  fs.closeSync(target);
  if (data !== target) fs.closeSync(data);
  return file;
}

function header(key: number, length: number): Uint8Array {
  return protobuf.Writer.create().uint32(key).uint32(length).finish();
}

/** Splits a ModelProto into all that stands before its graph, which the writer puts last, and the graph's own bytes. */
function takeGraphOut(bytes: Uint8Array): { before: Uint8Array; graph: Uint8Array } {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    if (tag === graphKey) {
      const length = reader.uint32();
      if (reader.pos + length !== bytes.length) throw new Error('the graph is not the last field');
      return { before: bytes.subarray(0, start), graph: bytes.subarray(reader.pos) };
    }
    reader.skipType(tag & 7);
  }
  throw new Error('no graph');
}

/** Weights stored as float16, each behind a Cast to float32, as converters leave a graph that computes in float32. */
function inHalfPrecision(model: OnnxModel): OnnxModel {
  const initializers = new Map<string, OnnxTensor>();
  const casts: OnnxNode[] = [];
  for (const [name, tensor] of model.graph.initializers) {
    if (tensor.dataType !== 'float32' || tensor.dims.length === 0) {
      initializers.set(name, tensor);
      continue;
    }
    const half = `${name}.half`;
    initializers.set(half, new OnnxTensor(half, tensor.dims, 'float16', () => toFloat16(tensor.toFloat32())));
    const attributes = new Map([['to', { type: 'int', value: 1 } as const]]);
    casts.push({ name: '', opType: 'Cast', domain: '', inputs: [half], outputs: [name], attributes });
  }
  const inputs = model.graph.inputs.filter(({ name }) => !model.graph.initializers.has(name));
  // Initialisers need not be inputs from IR version 4 on.
  return {
    ...model,
    irVersion: 4,
    graph: { ...model.graph, inputs, initializers, nodes: [...casts, ...model.graph.nodes] },
  };
}

/** To the nearest binary16, ties to even; subnormals too. Values beyond its range do not occur among weights. */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const sign = (bits[i] >>> 16) & 0x8000;
    const size = Math.abs(values[i]);
    if (size >= 65520) throw new Error(`${values[i]} is no binary16`);
    if (size < 2 ** -14) {
      const steps = size * 2 ** 24;
      const down = Math.floor(steps);
      const up = steps - down > 0.5 || (steps - down === 0.5 && down % 2 === 1);
      halves[i] = sign | (down + (up ? 1 : 0));
    } else {
      // Drop 13 bits of the fraction, rounding; a carry goes into the exponent by itself. 112 = 127 - 15.
      const kept = (bits[i] & 0x7fffffff) - (112 << 23);
      halves[i] = sign | ((kept + 0xfff + ((kept >>> 13) & 1)) >>> 13);
    }
  }
  return halves;
}
