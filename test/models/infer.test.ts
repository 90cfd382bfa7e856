/** Inference on the device against ONNX's own operator tests and torch's own outputs. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bindInputs, type GivenTensor, infer } from '../../src/models/infer.ts';
import { modelInputs } from '../../src/models/inputs.ts';
import { outputFileNames, readTensorFile } from '../../src/models/tensor-file.ts';
import { readModel } from '../../src/onnx/read.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { expectClose } from '../support/compare.ts';
import { useGpu } from '../support/gpu.ts';
import { pythonWith, runPython } from '../support/python.ts';
import { GraphBuilder, int, ints } from './zoo-graphs.ts';

const gpu = useGpu();
const root = '/usr/share/libonnx-testdata/data/node';

/** Inputs of these tests are weights, biases and shapes, too. */
const operators = [
  ...['basic_conv_with_padding', 'conv_with_strides_and_asymmetric_padding', 'maxpool_2d_ceil', 'maxpool_2d_pads'],
  ...['averagepool_2d_pads', 'averagepool_2d_pads_count_include_pad', 'globalaveragepool', 'gemm_default_vector_bias'],
  ...['gemm_transposeB', 'lrn', 'relu', 'softmax_example', 'add', 'add_bcast', 'sub_bcast', 'flatten_axis1'],
  ...['reshape_negative_dim', 'dropout_default', 'identity'],
];

describe.skipIf(!fs.existsSync(root))("ONNX's own operator tests (needs libonnx-testdata)", () => {
  it.each(operators)('%s', async (name) => {
    const folder = path.join(root, `test_${name}`);
    const model = readModel(path.join(folder, 'model.onnx'));
    const given = new Map<string, GivenTensor>();
    for (const [i, input] of modelInputs(model).entries()) {
      given.set(input.name, await readTensorFile(path.join(folder, 'test_data_set_0', `input_${i}.pb`)));
    }
    const [result] = await infer(gpu(), bindInputs(model, given));
    const { tensor } = await readTensorFile(path.join(folder, 'test_data_set_0', 'output_0.pb'));
    expect(result.shape).toEqual(tensor.dims);
    expectClose(result.data, tensor.toFloat32());
  });
});

const python = pythonWith('torch', 'onnx', 'numpy');

/** Two inputs, two outputs, sizes left open; written with its inputs and torch's outputs. */
const script = `
import sys, warnings, numpy as np, torch, torch.nn as nn
warnings.simplefilter('ignore')
folder = sys.argv[1]
torch.manual_seed(5)
class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(2, 4, 5, stride=2, padding=2)
        self.lrn, self.out = nn.LocalResponseNorm(5), nn.Linear(4, 3)
    def forward(self, x, y):
        joint = torch.relu(self.left(x)) + self.right(y)
        pooled = nn.functional.max_pool2d(joint, 3, 2)
        return pooled, self.out(torch.flatten(nn.functional.adaptive_avg_pool2d(pooled, 1), 1))
net = Two().eval()
x, y = torch.randn(5, 3, 19, 13), torch.randn(5, 2, 19, 13)
torch.onnx.export(net, (x[:1], y[:1]), f'{folder}/two.onnx', input_names=['x', 'y=0'], output_names=['pooled', 'a/logits'],
    opset_version=13, dynamic_axes={'x': {0: 'n', 2: 'h', 3: 'w'}, 'y=0': {0: 'n', 2: 'h', 3: 'w'}, 'pooled': {0: 'n'}, 'a/logits': {0: 'n'}})
with torch.no_grad(): pooled, logits = net(x, y)
for name, value in dict(x=x, y=y, fewer=y[:2], pooled=pooled, logits=logits).items(): np.save(f'{folder}/{name}.npy', value.numpy())
`;

describe.skipIf(python === undefined)('a graph with two inputs and outputs (needs torch and onnx)', () => {
  let folder: string;
  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-infer-'));
    runPython(python!, script, folder);
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
  const file = (name: string) => readTensorFile(path.join(folder, name));
  const model = () => readModel(path.join(folder, 'two.onnx'));

  it("gives torch's outputs for a batch and sizes that the file leaves open", async () => {
    const given = new Map([
      ['x', await file('x.npy')],
      ['y=0', await file('y.npy')],
    ]);
    const results = await infer(gpu(), bindInputs(model(), given));
    expect(results.map(({ name }) => name)).toEqual(['pooled', 'a/logits']);
    for (const [i, name] of ['pooled.npy', 'logits.npy'].entries()) {
      const { tensor } = await file(name);
      expect(results[i].shape).toEqual(tensor.dims);
      expectClose(results[i].data, tensor.toFloat32());
    }
  });

  it('refuses inputs that are missing, unknown, or of different batches', async () => {
    const x = await file('x.npy');
    const logits = await file('logits.npy');
    const bind = (entries: [string, GivenTensor][]) => () => bindInputs(model(), new Map(entries));
    expect(bind([['x', x]])).toThrow("the input 'y=0' is not given. The model's inputs are x, y=0.");
    expect(
      bind([
        ['x', x],
        ['y=0', x],
      ]),
    ).toThrow(/x\.npy has the shape \[5, 3, 19, 13\], the input 'y=0' takes \[N, 2, h, w\]/);
    expect(
      bind([
        ['x', x],
        ['y=0', await file('y.npy')],
        ['z', logits],
      ]),
    ).toThrow(/'z' is no input of the model\. Its inputs are x, y=0/);
    expect(
      bind([
        ['x', x],
        ['y=0', await file('fewer.npy')],
      ]),
    ).toThrow(/x\.npy holds 5 items for 'x', .*fewer\.npy 2 for 'y=0'/);
  });
});

describe('a graph that mixes the items of its batch', () => {
  const given = (values: number[], ...dims: number[]) =>
    new Map([['x', { tensor: OnnxTensor.of('x', dims, 'float32', Float32Array.from(values)), source: 'test' }]]);

  it('is read as one item: a product with the transpose, a softmax over the batch', async () => {
    const g = new GraphBuilder();
    const turned = g.node('Transpose', ['x'], 'turned');
    g.node('MatMul', ['x', turned], 'product');
    g.node('Softmax', ['product'], 'y', { axis: int(0) });
    const model = g.model(13, { name: 'x', dims: ['n', 3] }, 'y');
    const bound = bindInputs(model, given([1, 0, -1, 0.5, 2, 0], 2, 3));
    expect([bound.oneItem, bound.batch]).toEqual([true, 1]);
    const [y] = await infer(gpu(), bound);
    expect(y.shape).toEqual([2, 2]);
    // x x^T = [[2, 0.5], [0.5, 4.25]]; the softmax runs down the columns.
    const share = (a: number, b: number) => 1 / (1 + Math.exp(b - a));
    expectClose(y.data, [share(2, 0.5), share(0.5, 4.25), share(0.5, 2), share(4.25, 0.5)]);
  });

  it('is refused by the node that mixes, where images are convolved', () => {
    const g = new GraphBuilder();
    const conv = g.node('Conv', ['x', g.weight('w', 2, 1, 1, 1)], 'conv');
    g.node('Transpose', [conv], 'y', { perm: ints(1, 0, 2, 3) }, 'swap');
    const model = g.model(13, { name: 'x', dims: [2, 1, 1, 1] }, 'y');
    expect(() => bindInputs(model, given([1, 2], 2, 1, 1, 1))).toThrow(/node 'swap' \(Transpose\) moves the batch/);
  });
});

describe('outputFileNames', () => {
  it('cuts names that no file system takes, and keeps them apart', () => {
    const [one, other] = outputFileNames(['a'.repeat(400), 'a'.repeat(500)]);
    expect([one.length, one === other]).toEqual([204, false]);
    expect(other.length).toBeLessThan(220);
  });

  it('makes names that any file system takes, each once', () => {
    expect(outputFileNames(['prob', '/fc/Gemm_output_0', 'a:0', 'a/0', '../x', 'Prob', '/'])).toEqual([
      'prob.npy',
      'fc_Gemm_output_0.npy',
      'a_0.npy',
      'a_0_2.npy',
      'x.npy',
      'Prob_2.npy',
      '_.npy',
    ]);
  });
});
