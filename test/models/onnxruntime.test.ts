/** Networks on the device against onnxruntime: what we write, and what others wrote, gives the same numbers there. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { infer } from '../../src/models/infer.ts';
import type { Network } from '../../src/models/network.ts';
import { alexnet, alexnetSmall, vgg16 } from '../../src/models/tables.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { readModel } from '../../src/onnx/read.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { Random } from '../../src/random.ts';
import type { ImageData } from '../../src/train/data.ts';
import { type FitSettings, TrainingStep } from '../../src/train/fit.ts';
import { createModel, exportModel, releaseModel, setMasks } from '../../src/train/model.ts';
import { expectClose } from '../support/compare.ts';
import { useGpu } from '../support/gpu.ts';
import { hasOnnxruntime, runOnnxruntime } from '../support/onnxruntime.ts';
import { pythonWith, runPython } from '../support/python.ts';
import { torchExports } from './torch-exports.ts';
import { bvlcAlexnet, GraphBuilder, int, ints } from './zoo-graphs.ts';

const gpu = useGpu();

const vgg = () => vgg16({ classes: 7, seed: 4, filters: [4, 6, 8, 8, 8], hidden: 24, size: 64 });
const networks: [string, () => Network][] = [
  ['alexnet-small', () => alexnetSmall({ classes: 5, seed: 2 })],
  ['narrow AlexNet', () => alexnet({ classes: 6, seed: 3, filters: [8, 12, 16, 16, 12], hidden: 32 })],
  ['narrow VGG16', vgg],
  ["the zoo's AlexNet at 227", () => importOnnx(bvlcAlexnet(9), { inputSize: [227, 227] })],
  ["the zoo's CaffeNet", () => importOnnx(bvlcAlexnet(9, true))],
];

describe.skipIf(!hasOnnxruntime)('onnxruntime (needs onnxruntime-node)', () => {
  describe.each(networks)('%s, exported', (_, make) => {
    it.each([1, 10])('every activation is the same, batch %i', async (batch) => {
      const network = make();
      const everything: Network = { ...network, outputs: network.nodes.map(({ outputs }) => outputs[0]) };
      await expectSame(exportOnnx(everything), everything, images(network, batch));
    });

    it('its outputs are the same where onnxruntime may fuse layers, and after reading the file again', async () => {
      const network = make();
      const model = exportOnnx(network);
      await expectSame(model, importOnnx(readModel(writeModel(model))), images(network, 3));
    });
  });

  it.each([7, 8, 9, 12])("the zoo's files at operator set %i, as they are", async (opset) => {
    for (const poolFirst of [false, true]) {
      const model = bvlcAlexnet(opset, poolFirst);
      const network = importOnnx(model);
      await expectSame(model, network, images(network, 1));
    }
  });

  it.each([11, 12, 13, 18])('padding, arithmetic, transposes, products, softmax: operator set %i', async (opset) => {
    const model = arithmeticGraph(opset);
    const network = importOnnx(model);
    const again = importOnnx(exportOnnx(network));
    // Over several axes at once, as before operator set 13, a softmax is written with a reshape before and behind it.
    if (opset >= 13) expect(again.nodes).toEqual(network.nodes);
    expect([...again.parameters.keys()]).toEqual([...network.parameters.keys()]);
    for (const batch of [1, 3]) {
      await expectSame(model, network, images(network, batch));
      await expectSame(exportOnnx(network), network, images(network, batch));
    }
  });

  it('a network that was fine-tuned here', async () => {
    const network = alexnetSmall({ classes: ['a', 'b'], seed: 8 });
    const model = createModel(network);
    setMasks(model, { freeze: 6, newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 });
    const random = new Random(9);
    const data: ImageData = {
      kind: 'images',
      pixels: Uint8Array.from({ length: 20 * 64 * 64 * 4 }, () => random.integer(256)),
      height: 64,
      width: 64,
      labels: Uint32Array.from({ length: 20 }, (_, i) => i % 2),
    };
    const settings: FitSettings = {
      ...{ learningRate: 1e-3, momentum: 0.9, weightDecay: 1e-4, batchSize: 5, epochs: 2 },
      ...{ shuffle: 'every-epoch', augment: augmentPresets.paper, dropout: true, seed: 1 },
    };
    const step = await TrainingStep.compile(gpu(), model, data, settings);
    await step.fit(settings);
    step.destroy();
    const trained = await exportModel(gpu(), model);
    releaseModel(gpu(), model);
    const again = importOnnx(readModel(writeModel(trained)));
    const changed = [...again.parameters].filter(([name, { data }]) => {
      const before = network.parameters.get(name)!.data;
      return data.some((value, i) => value !== before[i]);
    });
    expect(changed.map(([name]) => name)).toEqual([...network.parameters.keys()].slice(4));
    await expectSame(trained, again, images(network, 10));
  });
});

const python = pythonWith('torch', 'onnx', 'numpy');

describe.skipIf(!hasOnnxruntime || python === undefined)(
  "torch's exports in onnxruntime (needs onnxruntime-node, torch, onnx)",
  () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-onnxruntime-'));
    beforeAll(() => {
      runPython(python!, torchExports, folder);
    });
    afterAll(() => fs.rmSync(folder, { recursive: true }));

    it.each(['alexnet', 'alexnet-view', 'vgg16', 'vgg16-timm', 'mixed', 'residual'])(
      '%s, as it is and exported again',
      async (name) => {
        for (const form of ['9-1', '13-0', '13-1']) {
          const model = readModel(path.join(folder, `${name}-${form}.onnx`));
          const network = importOnnx(model);
          await expectSame(model, network, images(network, 2));
          for (const batch of [1, 10]) await expectSame(exportOnnx(network), network, images(network, batch));
        }
      },
    );
  },
);

/** What convolutional networks do between their layers, each operator with its own result among the outputs. */
function arithmeticGraph(opset: number): OnnxModel {
  const g = new GraphBuilder(6);
  const pads = (name: string, ...values: number[]) => g.integers(name, ...values);
  let x = g.node('Pad', ['x', pads('p1', 0, 0, 1, 2, 0, 0, 3, 0)], 'reflected', {
    mode: { type: 'string', value: 'reflect' },
  });
  x = g.node('Pad', [x, pads('p2', 0, 0, 0, 1, 0, 1, 0, -2)], 'edged', { mode: { type: 'string', value: 'edge' } });
  x = g.node('Pad', [x, pads('p3', 0, 0, 1, 1, 0, 0, 1, 1), g.floats('half', [], [0.5])], 'padded');
  x = g.node('Conv', [x, g.weight('w', 6, 5, 3, 3)], 'conv', { kernel_shape: ints(3, 3) });
  const largest = g.node('GlobalMaxPool', [x], 'largest');
  const share = g.node('Softmax', [largest], 'share', { axis: int(1) });
  const gated = g.node('Mul', [x, share], 'gated');
  const rest = g.node('Sub', [largest, gated], 'rest');
  const ratio = g.node('Div', [rest, g.node('Add', [share, g.floats('one', [1], [1])], 'above')], 'ratio');
  const turned = g.node('Transpose', [ratio], 'turned', { perm: ints(0, 2, 3, 1) });
  const product = g.node('MatMul', [turned, g.weight('m', 6, 5)], 'product');
  const moved = g.node('Add', [product, g.weight('b', 5)], 'moved');
  const square = g.node(
    'MatMul',
    [moved, g.node('Transpose', [moved], 'flipped', { perm: ints(0, 1, 3, 2) })],
    'square',
  );
  const joined = g.node('Concat', [square, turned], 'joined', { axis: int(-1) });
  g.node('LogSoftmax', [joined], 'logs', { axis: int(2) });
  const model = g.model(opset, { name: 'x', dims: ['n', 4, 7, 6] }, 'logs');
  const outputs = g.nodes.map(({ outputs }) => ({ name: outputs[0], dataType: 'float32' as const, dims: undefined }));
  return { ...model, graph: { ...model.graph, outputs } };
}

function images(network: Network, batch: number): OnnxTensor {
  const [{ name, shape }] = network.inputs;
  const dims = [batch, ...shape];
  const random = new Random(batch);
  const values = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => random.normal());
  return OnnxTensor.of(name, dims, 'float32', values);
}

/** The network on the device and the model in onnxruntime give the same outputs; names the first that departs. */
async function expectSame(model: OnnxModel, network: Network, image: OnnxTensor): Promise<void> {
  const inputs = new Map([[image.name, image]]);
  const ours = await infer(gpu(), { network, batch: image.dims[0], inputs });
  const theirs = await runOnnxruntime(model, inputs);
  expect(ours.map(({ name }) => name)).toEqual([...theirs.keys()]);
  for (const { name, shape, data } of ours) {
    const expected = theirs.get(name)!;
    expect(shape, name).toEqual(expected.dims);
    // What counts as 0 is measured by the largest value: sums of both signs cancel.
    const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const off = data.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.data[i])), 0);
    largestDeparture = Math.max(largestDeparture, off / largest);
    expectClose(data, expected.data, { absolute: 1e-5 * largest, relative: 1e-4 }, `${network.name} ${name}`);
  }
}

/** Of any value, in units of its tensor's largest. */
let largestDeparture = 0;
afterAll(() => {
  if (hasOnnxruntime) console.log(`largest departure from onnxruntime: ${largestDeparture.toExponential(1)}`);
});
