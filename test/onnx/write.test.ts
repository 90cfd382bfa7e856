import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import type { Attribute, OnnxModel } from '../../src/onnx/model.ts';
import { readModel, readTensor } from '../../src/onnx/read.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { writeModel, writeModelFile, writeTensor } from '../../src/onnx/write.ts';
import { pythonWith, runPython } from '../support/python.ts';

const python = pythonWith('onnx', 'numpy');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-write-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const weight = OnnxTensor.of('w', [1, 3], 'float32', Float32Array.of(1.5, -2, 1e-20));
const model: OnnxModel = {
  irVersion: 7,
  opsets: new Map([['', 13]]),
  producer: 'frostline',
  producerVersion: '1',
  metadata: new Map([['labels', '["ä","b"]']]),
  graph: {
    name: 'g',
    nodes: [
      {
        name: 'lrn',
        opType: 'LRN',
        domain: '',
        inputs: ['x'],
        outputs: ['n'],
        attributes: new Map<string, Attribute>([
          ['size', { type: 'int', value: 5 }],
          ['alpha', { type: 'float', value: 1 }],
        ]),
      },
      { name: 'add', opType: 'Add', domain: '', inputs: ['n', 'w'], outputs: ['y'], attributes: new Map() },
    ],
    initializers: new Map([['w', weight]]),
    inputs: [{ name: 'x', dataType: 'float32', dims: ['batch', 3, 2, 3] }],
    outputs: [{ name: 'y', dataType: 'float32', dims: ['batch', 3, 2, 3] }],
    sparseInitializers: [],
  },
};

describe('writing', () => {
  it('what is written is read back the same', () => {
    const read = readModel(writeModel(model));
    expect({ ...read, graph: { ...read.graph, initializers: undefined } }).toEqual({
      ...model,
      graph: { ...model.graph, initializers: undefined },
    });
    expect(read.graph.initializers.get('w')!.data).toEqual(weight.data);
  });

  it.skipIf(!python)('the onnx package checks it and reads the same values (needs python3 with onnx)', async () => {
    const file = path.join(folder, 'model.onnx');
    await writeModelFile(file, model);
    const said = runPython(
      python!,
      `import json, sys, onnx
from onnx import numpy_helper
model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
w = model.graph.initializer[0]
a = {x.name: onnx.helper.get_attribute_value(x) for x in model.graph.node[0].attribute}
print(json.dumps([w.name, numpy_helper.to_array(w).tolist(), a, model.metadata_props[0].value, model.graph.input[0].type.tensor_type.shape.dim[0].dim_param]))`,
      file,
    );
    const values = [...(weight.data as Float32Array)];
    expect(JSON.parse(said)).toEqual(['w', [values], { size: 5, alpha: 1 }, '["ä","b"]', 'batch']);
  });

  it('tensors of every type come back', () => {
    for (const tensor of [
      weight,
      OnnxTensor.of('', [], 'float64', Float64Array.of(Math.PI)),
      OnnxTensor.of('i', [2], 'int64', BigInt64Array.of(-1n, 2n ** 60n)),
      OnnxTensor.of('b', [3], 'bool', Uint8Array.of(1, 0, 1)),
      OnnxTensor.of('s', [2], 'string', ['one', 'zwei ä']),
      OnnxTensor.of('e', [0, 4], 'int32', new Int32Array(0)),
    ]) {
      const read = readTensor(writeTensor(tensor));
      expect([read.name, read.dims, read.dataType, read.data]).toEqual([
        tensor.name,
        tensor.dims,
        tensor.dataType,
        tensor.data,
      ]);
    }
  });

  it('a tensor whose values do not fit its shape or type is refused', () => {
    expect(() => OnnxTensor.of('w', [2], 'float32', new Float32Array(3))).toThrow(FrostlineError);
    expect(() => OnnxTensor.of('w', [2], 'int64', new Float32Array(2))).toThrow(/BigInt64Array/);
  });

  it('a full disk leaves the old file and nothing else', async () => {
    const file = path.join(folder, 'kept.onnx');
    fs.writeFileSync(file, 'old');
    const broken: OnnxModel = {
      ...model,
      graph: {
        ...model.graph,
        initializers: new Map([
          [
            'w',
            new OnnxTensor('w', [1, 3], 'float32', () => {
              throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
            }),
          ],
        ]),
      },
    };
    await expect(writeModelFile(file, broken)).rejects.toThrow(
      /cannot write to .*kept\.onnx: ENOSPC, the disk is full/,
    );
    expect(fs.readFileSync(file, 'utf8')).toBe('old');
    expect(fs.readdirSync(folder).filter((name) => name.includes('kept'))).toEqual(['kept.onnx']);
  });

  it('leaves nothing when the process ends meanwhile', async () => {
    const file = path.join(folder, 'interrupted.onnx');
    const parts = () => fs.readdirSync(folder).filter((name) => name.includes('interrupted'));
    const before = process.listeners('exit');
    const leaving: OnnxModel = {
      ...model,
      graph: {
        ...model.graph,
        initializers: new Map([
          [
            'w',
            new OnnxTensor('w', [1, 3], 'float32', () => {
              expect(parts()).toHaveLength(1);
              for (const listener of process.listeners('exit')) if (!before.includes(listener)) listener(130);
              expect(parts()).toEqual([]);
              return new Float32Array(3);
            }),
          ],
        ]),
      },
    };
    await expect(writeModelFile(file, leaving)).rejects.toThrow(/ENOENT|folder does not exist/);
    expect(process.listeners('exit')).toEqual(before);
  });

  it('a missing folder is named', async () => {
    await expect(writeModelFile(path.join(folder, 'none', 'm.onnx'), model)).rejects.toThrow(/folder does not exist/);
  });
});

const testData = '/usr/share/libonnx-testdata/data';

describe.skipIf(!fs.existsSync(testData))("ONNX's own test models (needs libonnx-testdata)", () => {
  it('all are read or refused, all tensors too, and written models are the same', () => {
    let read = 0;
    const refused: string[] = [];
    for (const entry of fs.readdirSync(testData, { recursive: true, encoding: 'utf8' })) {
      const file = path.join(testData, entry);
      try {
        if (entry.endsWith('.onnx')) {
          const model = readModel(file);
          for (const tensor of model.graph.initializers.values()) void tensor.data;
          if (model.graph.nodes.every((node) => [...node.attributes.values()].every(({ type }) => type !== 'opaque'))) {
            expect(readModel(writeModel(model)).graph.nodes.map((node) => node.opType)).toEqual(
              model.graph.nodes.map((node) => node.opType),
            );
          }
          read++;
        } else if (entry.endsWith('.pb') && !entry.includes('sequence') && !entry.includes('optional')) {
          void readTensor(file).data;
          read++;
        }
      } catch (error) {
        if (!(error instanceof FrostlineError)) throw new Error(`${file}: ${(error as Error).stack}`);
        refused.push(`${entry}: ${error.message}`);
      }
    }
    expect(read).toBeGreaterThan(2000);
    // What is left holds sequences, maps and optionals under the same ending, and types without arrays here.
    expect(refused.length, refused.join('\n')).toBeLessThan(60);
  });
});
