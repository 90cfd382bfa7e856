/** Grad-CAM against its formula by hand: on conv, ReLU, linear the gradient of a score is the linear layer's weight. */
import { describe, expect, it } from 'vitest';
import type { Network } from '../../src/models/network.ts';
import { alexnetSmall, vgg16 } from '../../src/models/tables.ts';
import { Random } from '../../src/random.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { gradCam, heatLayer } from '../../src/train/grad-cam.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const random = new Random(testSeed);
const normal = (count: number) => Float32Array.from({ length: count }, () => random.normal());

const [side, filters, classes] = [5, 3, 4];
const weight = normal(filters * 9);
const bias = normal(filters);
const head = normal(classes * filters * side * side);

function network(): Network {
  const parameter = (shape: number[], data: Float32Array) => ({ shape, data });
  return {
    name: 'by hand',
    inputs: [{ name: 'x', shape: [1, side, side] }],
    outputs: ['scores'],
    nodes: [
      {
        op: { kind: 'conv2d', strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], groups: 1 },
        name: 'conv',
        inputs: ['x'],
        outputs: ['a'],
        parameters: { weight: 'w', bias: 'b' },
      },
      { op: { kind: 'relu' }, name: 'relu', inputs: ['a'], outputs: ['r'], parameters: {} },
      { op: { kind: 'flatten' }, name: 'flatten', inputs: ['r'], outputs: ['f'], parameters: {} },
      { op: { kind: 'linear' }, name: 'fc', inputs: ['f'], outputs: ['scores'], parameters: { weight: 'h' } },
    ],
    parameters: new Map([
      ['w', parameter([filters, 1, 3, 3], weight)],
      ['b', parameter([filters], bias)],
      ['h', parameter([classes, filters * side * side], head)],
    ]),
  };
}

/** In float64: w_k is the mean of the class's weights over channel k. */
function byHand(image: Float32Array, label: number): number[] {
  const places = side * side;
  const map = new Array<number>(places).fill(0);
  for (let k = 0; k < filters; k++) {
    const own = head.subarray((label * filters + k) * places, (label * filters + k + 1) * places);
    const share = own.reduce((sum, value) => sum + value, 0) / places;
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        let sum = bias[k];
        for (let i = 0; i < 9; i++) {
          const [row, column] = [y + Math.floor(i / 3) - 1, x + (i % 3) - 1];
          const inside = row >= 0 && column >= 0 && row < side && column < side;
          if (inside) sum += weight[k * 9 + i] * image[row * side + column];
        }
        map[y * side + x] += share * Math.max(0, sum);
      }
    }
  }
  return map.map((value) => Math.max(0, value));
}

describe('Grad-CAM', () => {
  it('is its formula, image by image and class by class', async () => {
    const count = 5; // leaves an incomplete batch
    const values = normal(count * side * side);
    const labels = Uint32Array.from({ length: count }, (_, i) => i % classes);
    const data: TrainingData = { kind: 'tensors', values, shape: [1, side, side], labels };
    const { layer, height, width, maps } = await gradCam(gpu(), network(), data, 2);
    expect([layer, height, width, maps.length]).toEqual(['relu', side, side, count]);
    maps.forEach((map, i) => {
      const expected = byHand(values.subarray(i * side * side, (i + 1) * side * side), labels[i]);
      for (const [p, value] of expected.entries()) {
        expect(Math.abs(map[p] - value), `image ${i}, place ${p}, seed ${testSeed}`).toBeLessThan(1e-4);
      }
    });
    expect(maps.some((map) => map.some((value) => value > 0.01))).toBe(true);
  });

  it('looks at the last convolution behind its ReLU', () => {
    expect(heatLayer(alexnetSmall({ classes: 2 }))?.layer).toBe('relu5');
    expect(heatLayer(vgg16({ classes: 2, filters: [1, 1, 1, 1, 1], hidden: 2, size: 32 }))?.layer).toBe('relu5_3');
    const { nodes, parameters, ...rest } = network();
    const flat = nodes.slice(2).map((node, i) => (i === 0 ? { ...node, inputs: ['x'] } : node));
    const short = { shape: [classes, side * side], data: head.subarray(0, classes * side * side) };
    expect(heatLayer({ ...rest, nodes: flat, parameters: new Map([...parameters, ['h', short]]) })).toBeUndefined();
  });
});
