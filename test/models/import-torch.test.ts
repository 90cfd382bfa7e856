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

const python = pythonWith('onnx', 'numpy', 'torch');

/** Networks as torch itself exports them, with its own outputs: torchvision's and timm's layouts at small width. */
const script = `
import sys, warnings
import numpy as np, onnx, torch, torch.nn as nn
from onnx import numpy_helper
warnings.simplefilter('ignore')
folder, seed = sys.argv[1], 3
torch.manual_seed(seed)

class TorchvisionAlexNet(nn.Module):
    def __init__(self):
        super().__init__()
        relu = lambda: nn.ReLU(inplace=True)
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 11, stride=4, padding=2), relu(), nn.MaxPool2d(3, 2),
            nn.Conv2d(8, 10, 5, padding=2), relu(), nn.MaxPool2d(3, 2),
            nn.Conv2d(10, 6, 3, padding=1), relu(), nn.Conv2d(6, 5, 3, padding=1), relu(),
            nn.Conv2d(5, 4, 3, padding=1), relu(), nn.MaxPool2d(3, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(16, 9), relu(), nn.Dropout(), nn.Linear(9, 7), relu(), nn.Linear(7, 5))
    def flat(self, x): return torch.flatten(x, 1)
    def forward(self, x): return self.classifier(self.flat(self.avgpool(self.features(x))))

class OldFlatten(TorchvisionAlexNet):
    def flat(self, x): return x.view(x.size(0), 2 * 2 * 4)

class OldFlattenRest(TorchvisionAlexNet):
    def flat(self, x): return x.reshape(x.shape[0], -1)

def vgg_features():
    layers, c = [], 3
    for block in ([4, 4], [5, 5], [4, 4, 4], [3, 3, 3], [3, 3, 3]):
        for out in block:
            layers += [nn.Conv2d(c, out, 3, padding=1), nn.ReLU()]
            c = out
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)

class TorchvisionVgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.features, self.avgpool = vgg_features(), nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 5))
    def forward(self, x): return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

class TimmVgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = vgg_features()
        self.fc1, self.fc2 = nn.Conv2d(3, 8, 2), nn.Conv2d(8, 6, 1)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(6, 5)
    def forward(self, x):
        x = torch.relu(self.fc2(torch.relu(self.fc1(self.features(x)))))
        return self.fc(self.pool(x).flatten(1))

class Mixed(nn.Module):
    """Everything else: constants at the input, residual sum, dilation, groups, ceil mode, padding, softmax."""
    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.tensor([.3, -.2, .1]).view(1, 3, 1, 1))
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=(2, 1), dilation=(2, 1), stride=(1, 2), bias=False), nn.Conv2d(6, 6, 3, padding=1, groups=3)
        self.matrix = nn.Parameter(torch.randn(6, 4))
        self.offset = nn.Parameter(torch.randn(4))
        self.out = nn.Linear(4, 3, bias=False)
    def forward(self, x):
        x = (x - self.mean) / 0.25
        x = torch.relu(self.a(x * 2 + 1))
        x = torch.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        x = self.b(x) + x
        x = torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return torch.softmax(self.out(x @ self.matrix + self.offset), 1)

cases = [('alexnet', TorchvisionAlexNet(), 95), ('alexnet-view', OldFlatten(), 95), ('alexnet-reshape', OldFlattenRest(), 95),
         ('vgg16', TorchvisionVgg(), 64), ('vgg16-timm', TimmVgg(), 64), ('mixed', Mixed(), 21)]
for name, module, size in cases:
    module.eval()
    x = torch.randn(2, 3, size, size + (0 if size > 30 else 4))
    y = module(x).detach().numpy()
    for tensor, what in ((x.numpy(), 'x'), (y, 'y')):
        with open(f'{folder}/{name}-{what}.pb', 'wb') as file:
            file.write(numpy_helper.from_array(tensor).SerializeToString())
    for opset in (9, 13):
        for folded in (0, 1):
            torch.onnx.export(module, x, f'{folder}/{name}-{opset}-{folded}.onnx', opset_version=opset, input_names=['x'],
                              do_constant_folding=bool(folded), keep_initializers_as_inputs=folded == 1 and opset == 9,
                              dynamic_axes={'x': {0: 'n'}} if folded else None)
`;

describe.skipIf(!python)('networks exported by torch (needs python3 with torch, onnx)', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-torch-'));
  beforeAll(() => {
    runPython(python!, script, folder);
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

  const names = ['alexnet', 'alexnet-view', 'alexnet-reshape', 'vgg16', 'vgg16-timm', 'mixed'];
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
    expect(nodes.find(({ weight }) => weight === 'matrix')?.bias).toBe('offset');
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
