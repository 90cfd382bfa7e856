/**
 * AlexNet, CaffeNet, VGG16, VGG19 and torchvision's layouts at full size with random weights, as files in each storage
 * form and operator set that the published files have: the logits are onnxruntime's, which reads the same files.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { largestDifference, randomInputs, runInBatches } from '../../src/models/diff.ts';
import { bindInputs, infer } from '../../src/models/infer.ts';
import { float16ToFloat32 } from '../../src/onnx/half.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { readModel } from '../../src/onnx/read.ts';
import { useGpu } from '../support/gpu.ts';
import { hasOnnxruntime, openOnnxruntime } from '../support/onnxruntime.ts';
import { gluonVgg, torchvision, vggBlocks, zooAlexnet } from './graphs.ts';
import { type Storage, toFloat16, writeStored } from './storage.ts';

const gpu = useGpu();

interface File {
  readonly network: string;
  readonly opset: number;
  readonly storage: Storage;
  make(opset: number): OnnxModel;
  /** onnxruntime's oldest operator set is 7: for older files it reads the same network at that one */
  readonly twin?: number;
}

const alexnets = (network: string, poolFirst: boolean): File[] =>
  (
    [
      [3, 'raw_data'],
      [6, 'float_data'],
      [7, 'float_data'],
      [8, 'raw_data'],
      [9, 'external'],
      [12, 'float16'],
    ] as const
  ).map(([opset, storage]) => ({
    ...{ network, opset, storage, make: (version) => zooAlexnet(version, poolFirst) },
    ...(opset < 7 && { twin: 7 }),
  }));

const files: File[] = [
  ...alexnets('AlexNet', false),
  ...alexnets('CaffeNet', true),
  ...(['raw_data', 'float16', 'external'] as const).map(
    (storage, i): File => ({
      ...{
        network: "torchvision's AlexNet",
        opset: 16 + i,
        storage,
        make: (version) => torchvision(version, 'alexnet'),
      },
    }),
  ),
  ...(['float_data', 'raw_data'] as const).map(
    (storage, i): File => ({
      ...{ network: 'VGG16', opset: [7, 12][i], storage, make: (version) => gluonVgg(version, vggBlocks.vgg16) },
    }),
  ),
  { network: 'VGG19', opset: 7, storage: 'float_data', make: (version) => gluonVgg(version, vggBlocks.vgg19) },
  { network: "torchvision's VGG16", opset: 17, storage: 'external', make: (version) => torchvision(version, 'vgg16') },
];

describe.skipIf(!hasOnnxruntime)('networks at full size against onnxruntime (needs onnxruntime-node)', () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-full-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  describe.each(files)('$network, operator set $opset, $storage', ({ network, opset, storage, make, twin }) => {
    it.each([1, 10])('batch %i', async (batch) => {
      const written = writeStored(folder, make(opset), storage);
      const model = readModel(written);
      const given = randomInputs(model, batch, batch);
      const bound = bindInputs(model, given);
      const [logits] = await infer(gpu(), bound);

      const theirFile = twin === undefined ? written : writeStored(folder, make(twin), storage);
      const loaded = await openOnnxruntime(theirFile);
      const theirs = await runInBatches(loaded, model, given, bound).finally(() => loaded.release());
      const expected = theirs.get(logits.name)!;
      expect(logits.shape).toEqual([batch, 1000]);
      expect(expected.dims).toEqual(logits.shape);
      const { absolute, relative } = largestDifference(logits.data, expected.data);
      const rms = Math.sqrt(expected.data.reduce((sum, value) => sum + value * value, 0) / expected.data.length);
      rows.push(
        `| ${network} | ${opset} | ${storage} | ${batch} | ${rms.toPrecision(3)} | ${absolute.toExponential(1)} | ${relative.toExponential(1)} |`,
      );
      // Neither vanished nor exploded on the way.
      expect(rms).toBeGreaterThan(1e-2);
      expect(rms).toBeLessThan(1e2);
      expect(relative).toBeLessThanOrEqual(1e-4);
    });
  });
});

it('float16 of the tests is the nearest, as the reader widens it', () => {
  const halves = Uint16Array.from({ length: 0x7c00 }, (_, i) => i);
  const values = float16ToFloat32(halves);
  expect(toFloat16(values)).toEqual(halves);
  for (let i = 1; i < halves.length - 1; i++) {
    const middle = (values[i] + values[i + 1]) / 2;
    expect(toFloat16(Float32Array.of(middle))[0]).toBe(i + (i % 2));
  }
});

const rows: string[] = [];
afterAll(() => {
  if (rows.length === 0) return;
  const head = '| network | operator set | weights in | batch | logits, rms | largest absolute | largest relative |';
  console.log([head, `| ${'--- | '.repeat(7).trim()}`, ...rows].join('\n'));
});
