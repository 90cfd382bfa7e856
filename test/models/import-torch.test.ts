import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { freezePoints } from '../../src/models/layers.ts';
import type { Network } from '../../src/models/network.ts';
import { readModel, readTensor } from '../../src/onnx/read.ts';
import { writeModel, writeModelFile } from '../../src/onnx/write.ts';
import { pythonWith, runPython } from '../support/python.ts';
import { interpret } from './interpret.ts';
import { torchExports } from './torch-exports.ts';

const python = pythonWith('onnx', 'numpy', 'torch');

describe.skipIf(!python)('networks exported by torch (needs python3 with torch, onnx)', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-torch-'));
  beforeAll(() => {
    runPython(python!, torchExports, folder);
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  function load(file: string): Network {
    return importOnnx(readModel(path.join(folder, file)));
  }

  function expectTorchOutputs(network: Network, name: string, label: string) {
    const x = readTensor(path.join(folder, `${name}-x.pb`)).toFloat32();
    const y = readTensor(path.join(folder, `${name}-y.pb`)).toFloat32();
    const [result] = interpret(network, { x }, 2);
    expect(result.length).toBe(y.length);
    const error = Math.max(...result.map((value, i) => Math.abs(value - y[i])));
    expect(error, label).toBeLessThan(2e-5 * Math.max(...y.map(Math.abs)));
  }

  const names = ['alexnet', 'alexnet-view', 'alexnet-reshape', 'vgg16', 'vgg16-timm', 'mixed', 'residual'];
  const forms = [9, 13].flatMap((opset) => [0, 1].map((folded) => `${opset}-${folded}`));

  it.each(names)('%s computes what torch computes, at every operator set, and again after export', (name) => {
    for (const form of forms) {
      const network = load(`${name}-${form}.onnx`);
      expectTorchOutputs(network, name, form);
      expectTorchOutputs(importOnnx(readModel(writeModel(exportOnnx(network)))), name, `${form} exported`);
    }
  });

  it.each(['alexnet', 'alexnet-view', 'alexnet-reshape'])('%s gets its dropout back before fc6 and fc7', (name) => {
    for (const form of forms) {
      const { nodes } = load(`${name}-${form}.onnx`);
      // No normalisation layers here: fc6 is 16, not 17.
      expect(nodes.slice(-10).map(({ op, number }) => `${number ?? '-'} ${op.kind}`)).toEqual([
        '14 maxPool',
        '- identity',
        '- flatten',
        '15 dropout',
        '16 linear',
        '17 relu',
        '18 dropout',
        '19 linear',
        '20 relu',
        '21 linear',
      ]);
    }
  });

  it.each(['vgg16', 'vgg16-timm'])('%s has MATLAB numbers, with dropout after the ReLUs of fc6 and fc7', (name) => {
    for (const form of forms) {
      const network = load(`${name}-${form}.onnx`);
      expect(freezePoints(network).map(({ number }) => number)).toEqual([
        2, 4, 7, 9, 12, 14, 16, 19, 21, 23, 26, 28, 30, 33, 36, 39,
      ]);
      const dropout = network.nodes.filter(({ op }) => op.kind === 'dropout');
      expect(dropout.map(({ name, number }) => [name, number])).toEqual([
        ['drop6', 35],
        ['drop7', 38],
      ]);
    }
  });

  it('layers are called after their weights, which keep their names', () => {
    const points = freezePoints(load('alexnet-13-0.onnx'));
    expect(points[0]).toEqual({ number: 2, name: 'features.0', parameters: ['features.0.weight', 'features.0.bias'] });
    expect(points.at(-1)!.name).toBe('classifier.6');
  });

  it('constant arithmetic is one node, and a sum after a product with a matrix is its bias', () => {
    const { nodes } = load('mixed-13-0.onnx');
    expect(nodes.map(({ op }) => op.kind).slice(0, 3)).toEqual(['affine', 'conv2d', 'relu']);
    expect(nodes.filter(({ op }) => op.kind === 'affine')).toHaveLength(1);
    expect(nodes.find(({ parameters }) => parameters['weight'] === 'matrix')?.parameters['bias']).toBe('offset');
  });

  it("exported files pass onnx's checker and shape inference", async () => {
    for (const name of names) {
      const file = path.join(folder, `${name}-exported.onnx`);
      await writeModelFile(file, exportOnnx(load(`${name}-13-0.onnx`)));
      const shape = runPython(
        python!,
        `import sys, onnx
model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
print([d.dim_param or d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim])`,
        file,
      );
      expect(shape.trim()).toBe(`['batch', ${name === 'mixed' ? 3 : 5}]`);
    }
  });
});
