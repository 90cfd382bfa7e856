import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import onnxProto from 'onnx-proto';
import protobuf from 'protobufjs/minimal.js';
import { afterAll, describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { readModel, readTensor } from '../../src/onnx/read.ts';
import { wellFormed } from '../../src/onnx/wire.ts';
import { Random } from '../../src/random.ts';

const { onnx } = onnxProto;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-bad-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

function modelBytes(initializer: object[]): Uint8Array {
  return onnx.ModelProto.encode({
    irVersion: 7,
    producerName: 'test',
    opsetImport: [{ version: 13 }],
    graph: {
      name: 'g',
      node: [{ opType: 'Relu', input: ['x'], output: ['y'] }],
      initializer,
      input: [{ name: 'x' }],
      output: [{ name: 'y' }],
    },
  }).finish();
}

const weights = { name: 'w', dims: [2, 3], dataType: 1, rawData: new Uint8Array(24) };

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(FrostlineError);
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

describe('files that are no model', () => {
  it.each([
    ['an empty file', '', /empty/],
    ['a web page', '<!DOCTYPE html><p>Not found', /web page/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n', /LFS pointer/],
    ['plain text', 'hello, these are no weights at all', /no ONNX|truncated/],
    ['zeros', '\0\0\0\0', /no ONNX/],
  ])('%s', (name, text, message) => {
    const file = path.join(folder, `${name}.onnx`);
    fs.writeFileSync(file, text);
    const said = refusal(() => readModel(file));
    expect(said).toMatch(message);
    expect(said).toContain(file);
  });

  it('a missing file and a folder', () => {
    expect(refusal(() => readModel(path.join(folder, 'none.onnx')))).toMatch(/does not exist/);
    expect(refusal(() => readModel(folder))).toMatch(/no file/);
  });

  it('a model cut at any byte is refused unless the cut falls between fields after the graph', () => {
    const bytes = modelBytes([weights]);
    const whole = onnx.ModelProto.decode(bytes);
    for (let length = 0; length < bytes.length; length++) {
      let said: string;
      try {
        said = refusal(() => readModel(bytes.subarray(0, length)));
      } catch {
        // Fields after the graph (the operator sets) may be cut at a boundary: that is a valid shorter message.
        expect(readModel(bytes.subarray(0, length)).graph.name).toBe(whole.graph?.name);
        continue;
      }
      expect(said).toMatch(/empty|truncated|no ONNX/);
    }
  });

  it('random damage is refused or read, never a crash', () => {
    const seed = 11;
    const random = new Random(seed);
    const bytes = modelBytes([weights, { name: 'v', dims: [3], dataType: 1, floatData: [1, 2, 3] }]);
    for (let round = 0; round < 2000; round++) {
      const damaged = Uint8Array.from(bytes);
      for (let hits = 1 + random.integer(3); hits > 0; hits--)
        damaged[random.integer(bytes.length)] = random.integer(256);
      try {
        for (const tensor of readModel(damaged).graph.initializers.values()) void tensor.data;
      } catch (error) {
        expect(error, `seed ${seed}, round ${round}`).toBeInstanceOf(FrostlineError);
      }
    }
  });
});

describe('what protobuf says of damage', () => {
  const varint = [8, ...Array(11).fill(255)];
  const group = [(1 << 3) | 3, 0];
  const field = (number: number, bytes: readonly number[]) => [
    ...protobuf.Writer.create()
      .uint32((number << 3) | 2)
      .uint32(bytes.length)
      .finish(),
    ...bytes,
  ];

  it.each([
    ['an invalid varint', varint],
    ['a group that does not end', group],
    ['a wire type that there is not', [(1 << 3) | 7, 0]],
    ['an invalid varint of a node', field(7, field(1, varint))],
    ['an invalid wire type of a node', field(7, field(1, [(15 << 3) | 7, 0]))],
    ['an invalid varint of an attribute', field(7, field(1, field(5, varint)))],
    ['an invalid varint of an initialiser', field(7, field(5, varint))],
    ['an invalid varint of a sparse initialiser', field(7, field(15, varint))],
    ['an invalid varint of a function', field(25, varint)],
    ['an invalid varint of its node', field(25, field(7, varint))],
    ['an invalid varint of an operator set', field(8, varint)],
    ['an invalid varint of metadata', field(14, varint)],
  ])('%s', (_, bytes) => {
    const graph = field(7, field(1, field(4, [82])));
    expect(refusal(() => readModel(Uint8Array.from([...graph, ...bytes])))).toMatch(/no ONNX|damaged/);
  });

  it.each([varint, group, [(1 << 3) | 7, 0], [(1 << 3) | 0, ...varint.slice(1)]])('in a tensor: %j', (...bytes) => {
    expect(refusal(() => readTensor(Uint8Array.from(bytes)))).toMatch(/no ONNX|damaged/);
  });

  it('messages nested 8,000 deep', () => {
    let bytes = Buffer.alloc(0);
    const head = (length: number) =>
      protobuf.Writer.create()
        .uint32((6 << 3) | 2)
        .uint32(length)
        .finish();
    // An attribute's graph's node's attribute ...
    for (let i = 0; i < 4000; i++) {
      const node = Buffer.concat([Buffer.from([(5 << 3) | 2]), lengthOf(bytes), bytes]);
      const graph = Buffer.concat([Buffer.from([(1 << 3) | 2]), lengthOf(node), node]);
      bytes = Buffer.concat([head(graph.length), graph]);
    }
    const outer = Buffer.concat([Buffer.from([(5 << 3) | 2]), lengthOf(bytes), bytes]);
    const nodes = Buffer.concat([Buffer.from([(1 << 3) | 2]), lengthOf(outer), outer]);
    const whole = Buffer.concat([Buffer.from([(7 << 3) | 2]), lengthOf(nodes), nodes]);
    expect(refusal(() => readModel(whole))).toMatch(/nested thousands deep/);
  });

  it('want of memory is not called damage', () => {
    for (const [error, told] of [
      [
        new RangeError('Array buffer allocation failed'),
        /more memory than there is \(Array buffer allocation failed\)/,
      ],
      [new RangeError('Invalid typed array length: 5000000000'), /more memory than there is/],
    ] as const) {
      const said = refusal(() =>
        wellFormed('model.onnx', () => {
          throw error;
        }),
      );
      expect(said).toMatch(told);
      expect(said).not.toMatch(/damage/);
    }
    // What is neither is a defect, and stays what it is.
    const defect = new TypeError("Cannot read properties of undefined (reading 'length')");
    expect(() =>
      wellFormed('model.onnx', () => {
        throw defect;
      }),
    ).toThrow(defect);
  });
});

function lengthOf(bytes: Uint8Array): Uint8Array {
  return protobuf.Writer.create().uint32(bytes.length).finish();
}

describe('tensors', () => {
  it('unpacked float_data and double_data, also in several runs', () => {
    const writer = protobuf.Writer.create();
    writer.uint32((1 << 3) | 0).int64(5);
    writer.uint32((2 << 3) | 0).int32(1);
    for (const value of [1, -2.5]) writer.uint32((4 << 3) | 5).float(value);
    writer.uint32((8 << 3) | 2).string('w');
    for (const value of [3, 4]) writer.uint32((4 << 3) | 5).float(value);
    writer
      .uint32((4 << 3) | 2)
      .fork()
      .float(7)
      .ldelim();
    const tensor = readTensor(writer.finish());
    expect(tensor.name).toBe('w');
    expect(tensor.data).toEqual(Float32Array.of(1, -2.5, 3, 4, 7));

    const doubles = protobuf.Writer.create().uint32(8).int64(3).uint32(16).int32(11);
    for (const value of [0.1, 0.2, 1e300]) doubles.uint32((10 << 3) | 1).double(value);
    expect(readTensor(doubles.finish()).data).toEqual(Float64Array.of(0.1, 0.2, 1e300));
  });

  it('a run of a million unpacked floats', () => {
    const count = 1_000_003;
    const bytes = new Uint8Array(count * 5);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < count; i++) {
      bytes[i * 5] = (4 << 3) | 5;
      view.setFloat32(i * 5 + 1, i / 7, true);
    }
    const head = protobuf.Writer.create().uint32(8).int64(count).uint32(16).int32(1).finish();
    const data = readTensor(Buffer.concat([head, bytes])).toFloat32();
    expect(data.length).toBe(count);
    for (const i of [0, 1, 209_715, 209_716, 777_777, count - 1]) expect(data[i]).toBe(Math.fround(i / 7));
  });

  it('unpacked int64_data with negative values', () => {
    const writer = protobuf.Writer.create().uint32(8).int64(3).uint32(16).int32(7);
    for (const value of [5, -3, 2 ** 40]) writer.uint32((7 << 3) | 0).int64(value);
    expect(readTensor(writer.finish()).data).toEqual(BigInt64Array.of(5n, -3n, 2n ** 40n));
  });

  it('values are read once while they are held', () => {
    const tensor = readModel(modelBytes([weights])).graph.initializers.get('w')!;
    expect(tensor.data).toBe(tensor.data);
  });

  it.each([
    ['too few bytes', { ...weights, rawData: new Uint8Array(20) }, /'w'.*\[2,3\] needs 24 bytes, 20/],
    ['no values', { name: 'w', dims: [2, 3], dataType: 1 }, /holds no values/],
    ['a type without arrays', { ...weights, dataType: 14 }, /element type 14/],
    ['a negative dimension', { ...weights, dims: [-2, 3] }, /impossible shape/],
  ])('%s are refused', (_, tensor, message) => {
    expect(refusal(() => readModel(modelBytes([tensor])))).toMatch(message);
  });

  it('too few and too many values in typed fields are refused', () => {
    for (const floatData of [
      [1, 2],
      [1, 2, 3, 4],
    ]) {
      const { initializers } = readModel(modelBytes([{ name: 'w', dims: [3], dataType: 1, floatData }])).graph;
      expect(refusal(() => initializers.get('w')!.data)).toMatch(/needs 3 values, [24] are there/);
    }
  });

  it('one name for two initialisers is refused', () => {
    expect(refusal(() => readModel(modelBytes([weights, weights])))).toMatch(/two initialisers are called 'w'/);
  });
});

describe('external data', () => {
  const model = path.join(folder, 'model', 'external.onnx');
  fs.mkdirSync(path.dirname(model));
  fs.writeFileSync(path.join(folder, 'secret.bin'), Buffer.alloc(64));
  fs.writeFileSync(path.join(folder, 'model', 'short.bin'), Buffer.alloc(16));
  fs.writeFileSync(path.join(folder, 'model', 'good.bin'), Buffer.from(Float32Array.of(9, 1, 2, 3, 4, 5, 6).buffer));
  fs.symlinkSync('../secret.bin', path.join(folder, 'model', 'link.bin'));
  fs.symlinkSync('good.bin', path.join(folder, 'model', 'inner-link.bin'));
  fs.symlinkSync('..', path.join(folder, 'model', 'up'));

  function read(location: string | undefined, more: Record<string, string> = {}) {
    const entries = { ...(location === undefined ? {} : { location }), ...more };
    const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
    fs.writeFileSync(model, modelBytes([{ name: 'w', dims: [2, 3], dataType: 1, dataLocation: 1, externalData }]));
    return readModel(model).graph.initializers.get('w')!.data;
  }

  it.each([
    ['an absolute path', path.join(folder, 'secret.bin'), {}, /outside the model's folder/],
    ['a path upwards', '../secret.bin', {}, /outside the model's folder/],
    ['a Windows path', 'C:\\secret.bin', {}, /outside the model's folder/],
    ['a hidden way up', 'a/../../secret.bin', {}, /outside the model's folder/],
    ['a link out', 'link.bin', {}, /link out of the model's folder/],
    ['a folder that is a link out', 'up/secret.bin', {}, /link out of the model's folder/],
    ['a missing file', 'none.bin', {}, /none\.bin does not exist/],
    ['a short file', 'short.bin', {}, /short\.bin has 16 bytes, 24 are needed/],
    ['a bad offset', 'good.bin', { offset: '-4' }, /offset '-4'/],
    ['another length', 'good.bin', { length: '20' }, /needs 24 bytes, 20/],
    ['no location', undefined, {}, /names no location/],
  ])('%s is refused', (_, location, more, message) => {
    expect(refusal(() => read(location, more))).toMatch(message);
  });

  it('is read from its offset, also through a link inside the folder', () => {
    expect(read('good.bin', { offset: '4', length: '24' })).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(read('inner-link.bin', { offset: '4' })).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  it('of a model that is a link lie beside the link; else both places are named, and what helps helps', () => {
    expect(read('good.bin', { offset: '4' })).toBeDefined();
    const linked = path.join(folder, 'elsewhere', 'm.onnx');
    fs.mkdirSync(path.dirname(linked));
    fs.symlinkSync('../model/external.onnx', linked);
    const weight = (file: string) => readModel(file).graph.initializers.get('w')!.data;
    const message = refusal(() => weight(linked));
    const beside = path.join(folder, 'elsewhere', 'good.bin');
    for (const name of [beside, linked, fs.realpathSync(model)]) expect(message).toContain(name);
    const [, remedy] = /Give the model as (\S+),/.exec(message)!;
    expect(weight(remedy)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    fs.symlinkSync('../model/good.bin', beside);
    expect(weight(linked)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    fs.rmSync(beside);
    fs.writeFileSync(beside, Buffer.from(Float32Array.of(0, 7, 7, 7, 7, 7, 7).buffer));
    expect(weight(linked)[0]).toBe(7);
  });

  it('needs a folder when the model comes as bytes', () => {
    expect(refusal(() => readModel(fs.readFileSync(model)))).toMatch(/no folder is known/);
  });
});

it('a file that changes while it is in use is refused', () => {
  const file = path.join(folder, 'changing.onnx');
  fs.writeFileSync(file, modelBytes([weights]));
  const { initializers } = readModel(file).graph;
  fs.appendFileSync(file, 'x');
  expect(refusal(() => initializers.get('w')!.data)).toMatch(/changed while it was in use/);
});
