import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { loadNetwork } from '../../src/models/load.ts';
import type { Network, Op } from '../../src/models/network.ts';
import { preprocessingPreset } from '../../src/models/preprocessing.ts';
import { inferShapes } from '../../src/models/shapes.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { writeModelFile } from '../../src/onnx/write.ts';
import { bvlcAlexnet } from './zoo-graphs.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-load-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

describe('loadNetwork', () => {
  it('finds preprocessing and labels in an exported file', async () => {
    const network = alexnetSmall({ classes: ['ant', 'bee'] });
    const file = path.join(folder, 'small.onnx');
    await writeModelFile(file, exportOnnx(network));
    const loaded = await loadNetwork(file);
    expect(loaded.name).toBe('small');
    expect(loaded.preprocessing).toEqual(preprocessingPreset('symmetric', [64, 64]));
    expect(loaded.labels).toEqual(['ant', 'bee']);
  });

  it('takes the image size of the preprocessing, as that of the options', async () => {
    const file = path.join(folder, 'bvlc.onnx');
    await writeModelFile(file, bvlcAlexnet(9));
    const plain = await loadNetwork(file);
    expect([plain.inputs[0].shape, plain.preprocessing]).toEqual([[3, 224, 224], undefined]);
    const preprocessing = preprocessingPreset('caffe-bgr');
    expect((await loadNetwork(file, { preprocessing })).inputs[0].shape).toEqual([3, 227, 227]);
    const sized = await loadNetwork(file, { preprocessing, inputSize: [224, 224] });
    expect([sized.inputs[0].shape, sized.preprocessing?.size]).toEqual([
      [3, 224, 224],
      [224, 224],
    ]);
  });

  it('names the file in what it refuses', async () => {
    const file = path.join(folder, 'bvlc.onnx');
    await expect(loadNetwork(file, { inputSize: [20, 20] })).rejects.toThrow(/bvlc\.onnx: layer 'pool2_1'.*too small/);
  });

  it('refuses an unknown preset', () => {
    expect(() => preprocessingPreset('caffe')).toThrow(/no preprocessing preset 'caffe'. Give one of caffe-bgr/);
  });
});

describe('shapes', () => {
  function output(op: Op, shape: number[]): number[] {
    const network: Network = {
      name: 'n',
      inputs: [{ name: 'x', shape }],
      outputs: ['y'],
      nodes: [{ op, name: 'layer', inputs: ['x'], outputs: ['y'], parameters: {} }],
      parameters: new Map(),
    };
    return inferShapes(network, 5).get('y')!;
  }
  const pool = (more: object): Op => ({
    kind: 'maxPool',
    kernel: [3, 3],
    strides: [2, 2],
    pads: [0, 0, 0, 0],
    dilations: [1, 1],
    ceilMode: false,
    ...more,
  });

  it.each([
    ['floor', pool({}), [2, 8, 7], [5, 2, 3, 3]],
    ['ceil', pool({ ceilMode: true }), [2, 8, 7], [5, 2, 4, 3]],
    // 54 -> ceil(51 / 2) + 1 = 27: Caffe's rounding.
    ['ceil of 54', pool({ ceilMode: true }), [1, 54, 54], [5, 1, 27, 27]],
    // (4 + 2 - 2) / 3 -> 3 windows, but the third would begin at 6 - 1 = 5, in the padding behind the input.
    [
      'no window in the end padding',
      pool({ ceilMode: true, kernel: [2, 2], strides: [3, 3], pads: [1, 1, 1, 1] }),
      [1, 4, 4],
      [5, 1, 2, 2],
    ],
    ['padding at the end alone', pool({ pads: [0, 0, 1, 1] }), [1, 12, 12], [5, 1, 6, 6]],
    ['dilation', pool({ dilations: [3, 1] }), [1, 9, 9], [5, 1, 2, 4]],
  ])('pooling: %s', (_, op, shape, expected) => {
    expect(output(op as Op, shape as number[])).toEqual(expected);
  });

  it('refuses a batch of nothing', () => {
    expect(() => inferShapes(alexnetSmall(), 0)).toThrow(/batch is 0/);
  });
});
