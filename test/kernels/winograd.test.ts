/** Tiles of outputs: that the matrices are right for every filter, and that operations choose them where they pay. */
import { describe, expect, it } from 'vitest';
import { A, B, G } from '../../src/check/reference/winograd.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import type { Conv2dShape, Direction } from '../../src/kernels/conv2d/shape.ts';
import { fusedCorrelation } from '../../src/kernels/conv2d/winograd/fused/correlation.ts';
import { fusedMatrices } from '../../src/kernels/conv2d/winograd/fused/tile.ts';
import { winogradGradient } from '../../src/kernels/conv2d/winograd/gradient.ts';
import { winogradImage } from '../../src/kernels/conv2d/winograd/image.ts';
import { winogradOutput } from '../../src/kernels/conv2d/winograd/output.ts';
import { imagesAtATime, tilesToLeave, tilesWork, unstrided } from '../../src/kernels/conv2d/winograd/plan.ts';
import {
  contract,
  expand,
  filterMatrix,
  imageMatrix,
  outputMatrix,
  sideOf,
  TAPS,
  transformOperations,
} from '../../src/kernels/conv2d/winograd/tile.ts';
import { selectConvolution, tilesLeft } from '../../src/operators/conv2d/algorithms/index.ts';
import { Random } from '../../src/random.ts';
import { runConvolution } from '../support/convolution.ts';
import { testSeed } from '../support/gpu.ts';

describe('the matrices of tiles', () => {
  it.each(TAPS)('make the outputs of a filter of %i taps from its definition', (taps) => {
    // y[i] = sum over e, j, k of A[e][i] G[e][k] B[e][j] g[k] d[j] must be the sum of g[k] d[i + k].
    const side = sideOf(taps);
    for (let i = 0; i < side + 1 - taps; i++)
      for (let k = 0; k < taps; k++)
        for (let j = 0; j < side; j++) {
          const coefficient = imageMatrix(side).reduce(
            (sum, row, e) => sum + outputMatrix(taps)[e][i] * filterMatrix(taps)[e][k] * row[j],
            0,
          );
          expect(coefficient).toBeCloseTo(j === i + k ? 1 : 0, 12);
        }
  });

  it.each(TAPS)('are those that the cases of %i taps compare with', (taps) => {
    const close = (found: readonly (readonly number[])[], expected: readonly (readonly number[])[]) =>
      found.forEach((row, e) => {
        row.forEach((value, j) => {
          expect(value).toBeCloseTo(expected[e][j], 14);
        });
      });
    close(imageMatrix(sideOf(taps)), B(taps));
    close(outputMatrix(taps), A(taps));
    close(filterMatrix(taps), G(taps));
  });
});

describe('the operations that transforms count', () => {
  const square = (matrix: readonly (readonly number[])[]) => [matrix, matrix] as const;

  // Along one side, lines of B for 0, +-5/8, +-3/2: 4 for the first, 7 for each pair, 4 for the last make 22, for six columns
  // and six lines. G: 1, 6 for each pair, 0 make 13, for three columns and six lines. A^T: 16, for six columns and four lines.
  it('are those that can be counted by hand for tiles of 6 x 6', () => {
    expect(transformOperations(expand, square(imageMatrix(6)))).toBe(12 * 22);
    expect(transformOperations(expand, square(filterMatrix(3)))).toBe(9 * 13);
    expect(transformOperations(contract, square(outputMatrix(3)))).toBe(10 * 16);
  });

  // Lavin and Gray 2016, section 4.1: 32 of the data and 24 of the inverse; of a filter 28, which divide by 2 once a pair.
  it('are those of Lavin and Gray for tiles of 4 x 4', () => {
    expect(transformOperations(expand, square(fusedMatrices.image))).toBe(32);
    expect(transformOperations(contract, square(fusedMatrices.output))).toBe(24);
    expect(transformOperations(expand, square(fusedMatrices.filter))).toBe(42);
  });

  it('are counted for each tile that is transformed, and for nothing that only fills a panel', () => {
    const three = { kernel_height: 3, kernel_width: 3, tiles_y: 2, tiles_x: 2 };
    const image = { ...three, items: 2, groups: 1, channels: 3, height: 8, width: 8, top: 1, left: 1, across: 0 };
    for (const tile of [4, 64]) expect(winogradImage.cost({ ...image, tile }).flops).toBe(2 * 3 * 4 * 264);
    const output = { ...three, items: 2, groups: 1, filters: 5, across: 0, row: 8, lines: 8, width: 8 };
    expect(winogradOutput.cost({ ...output, has_bias: 0, relu: 0 }).flops).toBe(2 * 5 * 4 * 160);
    const gradient = { ...three, items: 2, groups: 1, filters: 5, lines: 8, width: 8, inner: 64, tile: 64 };
    // A dY A^T: 7 for each pair of lines of A, for four columns and six lines.
    expect(winogradGradient.cost(gradient).flops).toBe(2 * 5 * 4 * 10 * 14);
    const fused = { ...three, items: 1, groups: 1, rows: 7, inner: 3, height: 4, width: 4, lines: 4, columns: 4 };
    expect(fusedCorrelation.cost({ ...fused, top: 1, left: 1, flip: 0, has_bias: 0, relu: 0 } as never).flops).toBe(
      2 * 16 * 7 * 4 * 3 + 7 * 3 * 42 + 4 * 3 * 32 + 7 * 4 * 24,
    );
  });
});

describe('a convolution by tiles', () => {
  const shapes: Conv2dShape[] = [
    // Tiles that hang over; groups, uneven pads; 5 x 5.
    { batch: 2, channels: 64, height: 20, width: 19, filters: 64, kernel: [3, 3], pads: [1, 1, 1, 1], groups: 1 },
    { batch: 2, channels: 128, height: 20, width: 21, filters: 128, kernel: [3, 3], pads: [1, 0, 1, 2], groups: 2 },
    { batch: 2, channels: 64, height: 18, width: 18, filters: 128, kernel: [5, 5], pads: [2, 2, 2, 2], groups: 1 },
    // By phases: AlexNet's conv1 with torchvision's pads, and in groups; last lines and columns that no window reaches.
    {
      ...{
        batch: 2,
        channels: 3,
        height: 130,
        width: 129,
        filters: 96,
        kernel: [11, 11],
        pads: [2, 2, 2, 2],
        groups: 1,
      },
      strides: [4, 4],
    },
    {
      ...{
        batch: 2,
        channels: 6,
        height: 130,
        width: 129,
        filters: 192,
        kernel: [10, 11],
        pads: [2, 1, 0, 3],
        groups: 2,
      },
      strides: [4, 4],
    },
  ].map((shape) => ({ strides: [1, 1], ...shape, dilations: [1, 1] }) as unknown as Conv2dShape);

  it.each([
    ...shapes.map((shape) => ({ ...shape, maxBinding: undefined })),
    // Panels of all images pass a binding: some at a time.
    { ...shapes[0], batch: 4, maxBinding: 4 * 36 * 64 * 64 + 256 },
  ])(
    'x [$batch, $channels, $height, $width], w $kernel, strides $strides, groups $groups, bindings $maxBinding',
    async (row) => {
      const { maxBinding, ...shape } = row;
      const { batch, kernel } = shape;
      const gpu = await Gpu.open(maxBinding === undefined ? {} : { limits: { maxBinding } });
      const { graph, results } = await runConvolution(gpu, shape, new Random(11));
      try {
        for (const { of, found, expected } of results) {
          // The matrices of 8 values amplify rounding more than those of 6 (tile.ts).
          expect(relativeError(found, expected), of).toBeLessThan(kernel[0] <= 3 ? 3e-6 : 1e-5);
        }
        const problem = { name: 'conv', shape, hasBias: true, differentiates: false, weightLasts: false };
        const used = (direction: Direction) => selectConvolution(gpu, direction, problem).algorithm.name === 'winograd';
        const runs = (kernel: string) => graph.dispatches.filter(({ label }) => label.startsWith(kernel)).length;
        const windows = (direction: Direction) =>
          used(direction) ? Math.ceil(batch / imagesAtATime(gpu, unstrided(shape), direction)) : 0;
        expect(runs('conv2d/winograd-output')).toBe(windows('forward') + windows('input gradient'));
        expect(runs('conv2d/winograd-filter-gradient')).toBe(windows('filter gradient'));
        // Where there are subgroups, these shapes are of those that tiles are for.
        if (gpu.kind !== 'hardware' && gpu.subgroupWidth > 0) {
          expect(used('forward')).toBe(true);
          expect(windows('forward') > 1).toBe(maxBinding !== undefined);
        }
      } finally {
        graph.destroy();
        gpu.check();
        gpu.destroy();
      }
    },
  );

  /** A device that takes itself for a discrete GPU: matrices in place of panels, by the contraction. */
  it.each([
    { ...shapes[1], channels: 36, filters: 40, maxBinding: undefined },
    { ...shapes[3], batch: 1, height: 50, width: 47, filters: 32, maxBinding: undefined },
    { ...shapes[2], channels: 5, filters: 7, kernel: [2, 4] as const, maxBinding: undefined },
    // Some images at a time.
    { ...shapes[0], batch: 3, maxBinding: 4 * 36 * 64 * 64 + 256 },
  ])(
    'on a GPU: x [$batch, $channels, $height, $width], $filters filters of $kernel, strides $strides, groups $groups, bindings $maxBinding',
    async (row) => {
      const { maxBinding, ...shape } = row;
      const gpu = await Gpu.open({
        tuning: false,
        kind: 'hardware',
        algorithms: { conv2d: 'winograd' },
        ...(maxBinding === undefined ? {} : { limits: { maxBinding } }),
      });
      const { graph, results } = await runConvolution(gpu, shape, new Random(testSeed));
      try {
        for (const { of, found, expected } of results) {
          expect(relativeError(found, expected), `${of}, seed ${testSeed}`).toBeLessThan(
            shape.kernel.some((taps) => taps > 3) ? 1e-5 : 3e-6,
          );
        }
        const labels = graph.dispatches.map(({ label }) => label);
        const runs = (kernel: string) => labels.filter((label) => label.startsWith(kernel)).length;
        const windows = (direction: Direction) =>
          Math.ceil(shape.batch / imagesAtATime(gpu, unstrided(shape), direction));
        expect(runs('conv2d/winograd-output')).toBe(windows('forward') + windows('input gradient'));
        expect(runs('conv2d/winograd-filter-gradient')).toBe(windows('filter gradient'));
        expect(windows('forward') > 1).toBe(maxBinding !== undefined);
        expect(runs('gemm/packed')).toBe(0);
        expect(runs('contraction')).toBeGreaterThanOrEqual(3);
      } finally {
        graph.destroy();
        gpu.check();
        gpu.destroy();
      }
    },
  );

  /** Forward's tiles, which the filter gradient reads again. */
  it('gives the same bits of dw whether forward left the tiles or not', async () => {
    const shape = { ...shapes[1], channels: 36, filters: 40 };
    const winograd = 'winograd';
    const run = async (algorithms: Record<string, string>) => {
      const gpu = await Gpu.open({ tuning: false, kind: 'hardware', algorithms });
      const { graph, results } = await runConvolution(gpu, shape, new Random(testSeed));
      const runs = graph.dispatches.filter(({ label }) => label.startsWith('conv2d/winograd-image')).length;
      graph.destroy();
      gpu.destroy();
      return { runs, dw: results.find(({ of }) => of === 'dw')!.found };
    };
    const left = await run({ conv2d: winograd });
    const apart = await run({ conv2d: winograd, 'conv2d forward': 'implicit-gemm' });
    // Of x once, and of dy.
    expect([left.runs, apart.runs]).toEqual([2, 2]);
    expect(left.dw).toEqual(apart.dw);
  });

  it('leaves tiles only to a filter gradient that takes them, within their share of memory', () => {
    const problem = { name: 'conv', hasBias: true, differentiates: false, weightLasts: false };
    const of = (algorithms: Record<string, string>, change: Partial<Conv2dShape> = {}) =>
      tilesLeft(plannedGpu('h100', { algorithms }), { ...problem, shape: { ...shapes[0], ...change } });
    // Two images of 5 x 5 tiles, and two of zeros: whole vectors.
    const tiles = { bytes: 4 * 36 * 64 * (2 * 5 * 5 + 2), precision: 'f32' };
    expect(of({ conv2d: 'winograd' })).toEqual(tiles);
    expect(of({ conv2d: 'winograd', 'conv2d forward': 'implicit-gemm' })).toBeUndefined();
    expect(of({ conv2d: 'winograd', 'conv2d filter gradient': 'implicit-gemm' })).toBeUndefined();
    expect(of({ conv2d: 'winograd' }, { batch: 64, height: 112, width: 112 })).toBeUndefined();
    // A rasteriser has another layout for each.
    const rasteriser = plannedGpu('lavapipe', { algorithms: { conv2d: 'winograd' } });
    expect(tilesLeft(rasteriser, { ...problem, shape: shapes[0] })).toBeUndefined();
  });

  it('counts the transform that it does not repeat', () => {
    const h100 = plannedGpu('h100');
    const shape = { ...shapes[0], batch: 10, channels: 256, filters: 256, height: 14, width: 14 };
    const work = (left: boolean) => tilesWork(h100, shape, 'filter gradient', { left });
    const images = 4 * 10 * 256 * 14 * 14;
    const saved = (what: 'dispatches' | 'movedBytes') =>
      [false, true]
        .map((left) => work(left).reduce((sum, one) => sum + one[what], 0))
        .reduce((all, less) => all - less);
    expect(saved('dispatches')).toBe(1);
    expect(saved('movedBytes')).toBe(images + tilesToLeave(h100, shape)!.bytes);
  });

  it('is the choice of a GPU where it is the quickest by estimate, and no choice for 1 x 1', () => {
    const h100 = plannedGpu('h100');
    const of = (kernel: readonly [number, number], pads: Conv2dShape['pads']) =>
      selectConvolution(h100, 'forward', {
        name: 'conv',
        shape: { ...shapes[0], batch: 10, channels: 256, filters: 256, height: 56, width: 56, kernel, pads },
        hasBias: true,
        differentiates: false,
        weightLasts: false,
      }).algorithm.name;
    expect(of([3, 3], [1, 1, 1, 1])).toBe('winograd');
    expect(of([1, 1], [0, 0, 0, 0])).not.toBe('winograd');
  });
});

/** Root of the mean square of the error over that of the values. */
function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (found[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return Math.sqrt(error / size);
}
