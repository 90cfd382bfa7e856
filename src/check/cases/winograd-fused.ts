/** The kernels of convolution by tiles in one kernel, against the definition of convolution itself. */
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { type FusedCorrelationParams, fusedCorrelation } from '../../kernels/conv2d/winograd/fused/correlation.ts';
import {
  type FusedFilterGradientParams,
  fusedFilterGradient,
} from '../../kernels/conv2d/winograd/fused/filter-gradient.ts';
import {
  planFusedFilterGradient,
  planFusedForward,
  planFusedInputGradient,
} from '../../kernels/conv2d/winograd/fused/plan.ts';
import { RELU, type Relu } from '../../kernels/relu/rule.ts';
import { type Activation, activationOf, through } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { drawParts, fittingBatch, four } from '../choose.ts';
import { type Expected, rectified } from '../expected.ts';
import { conv2dFilterGradientReference, conv2dInputGradientReference, conv2dReference } from '../reference/conv2d.ts';
import { absolute, expanded, FOUR, transposed } from '../reference/winograd.ts';
import { SMALLEST_NORMAL, valuesOf } from '../values.ts';
import {
  filterGradientClaim,
  inputGradientClaim,
  inputsOf,
  type Operands,
  base as one,
  outputsOf,
  weightsOf,
} from './convolution.ts';

type Values = ArrayLike<number>;
type Numbers = Float32Array<ArrayBuffer>;

const base: Conv2dShape = { ...one, height: 3, width: 3, kernel: [3, 3] };

export const winogradFusedFamily = defineFamily<Conv2dShape>({
  names: ['conv2d/winograd-fused', 'conv2d/winograd-fused-filter-gradient'],
  examples: [
    base,
    // A workgroup's tile and a bit of rows, of columns, of steps; pads that hang over; groups.
    { ...base, batch: 2, channels: 37, height: 5, width: 7, filters: 35, pads: [1, 1, 1, 1] },
    { ...base, batch: 3, channels: 9, height: 8, width: 11, filters: 6, pads: [1, 0, 2, 1] },
    { ...base, batch: 2, channels: 6, height: 4, width: 5, filters: 4, pads: [3, 2, 0, 1], groups: 2 },
    { ...base, batch: 1, channels: 70, height: 4, width: 3, filters: 3, pads: [0, 1, 1, 0] },
  ],
  shape(choose) {
    const groups = choose(1, 2);
    const many = choose(0, 3);
    const shape: Conv2dShape = {
      ...base,
      batch: choose(1, 4),
      channels: groups * (many === 3 ? choose(5, 36) : choose(1, 4)),
      // Of one image a thread an output is to fit 15 x 15 workgroups.
      height: 3 + choose(0, many < 2 ? 9 : 5),
      width: 3 + choose(0, many < 2 ? 12 : 6),
      filters: groups * (many === 2 ? choose(5, 36) : choose(1, 4)),
      pads: four(choose, 0, 3),
      groups,
    };
    const [lines, columns] = conv2dOutput(shape);
    const image = Math.max(shape.channels * shape.height * shape.width, shape.filters * lines * columns);
    return { ...shape, batch: fittingBatch(shape.batch, image) };
  },
  cases(shape, kind, random): KernelCase[] {
    // Transforms mix what stands beside a window into it with a sum of 0: finite values only.
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const [x, w, bias] = [values(inputsOf(shape)), values(weightsOf(shape)), values(shape.filters)];
    const [dy, start] = [values(outputsOf(shape)), values(w.length)];
    const given: Operands = { x, w, bias, dy };
    const smooth = kind === 'normal';
    const parts = drawParts(random, Math.min(3, tilesOf(planFusedForward(shape, plainly))), w.length);
    return [
      forwardCase(shape, given, RELU.none),
      forwardCase(shape, given, RELU.after),
      ...[undefined, activationOf(random, x.length)].map((aux) => ({
        ...inputGradientCase(shape, given, aux),
        derivative: smooth ? inputGradientClaim(shape, given, aux) : undefined,
      })),
      filterGradientCase(shape, given, { parts }),
      {
        ...filterGradientCase(shape, given, { parts: 1, onto: start }),
        derivative: smooth ? filterGradientClaim(shape, given) : undefined,
      },
    ];
  },
});

const plainly = { hasBias: false, relu: RELU.none };

const describe = ({ batch, channels, height, width, filters, groups, pads }: Conv2dShape) =>
  `x=[${batch},${channels},${height},${width}] w=[${filters},${channels / groups},3,3] p=${pads} g=${groups}`;

interface Tiles {
  readonly items: number;
  readonly tiles_y: number;
  readonly tiles_x: number;
}
const tilesOf = ({ items, tiles_y, tiles_x }: Tiles) => items * tiles_y * tiles_x;

/** Tile t: its item, and its first line and column. */
const placeOf = ({ tiles_y, tiles_x }: Tiles, t: number) => ({
  item: Math.floor(t / (tiles_y * tiles_x)),
  y: 2 * (Math.floor(t / tiles_x) % tiles_y),
  x: 2 * (t % tiles_x),
});

const [A, B, G] = [absolute(FOUR.A), absolute(FOUR.B), absolute(FOUR.G)];
const [A_T, G_T] = [transposed(A), transposed(G)];

/** Value y, x of a map of these lines and columns, 0 outside. */
const valueAt = (map: Values, start: number, lines: number, columns: number, y: number, x: number) =>
  y >= 0 && y < lines && x >= 0 && x < columns ? map[start + y * columns + x] : 0;

const product = (sums: number[], a: readonly number[], b: readonly number[]) => sums.map((sum, e) => sum + a[e] * b[e]);
const zeros = () => Array.from({ length: 16 }, () => 0);

/** Of absolute values by absolute coefficients: the size of the terms that an output is made of. */
function correlationSizes(p: FusedCorrelationParams, w: Values, x: Values): Float64Array {
  const sizes = new Float64Array(p.items * p.groups * p.rows * p.lines * p.columns);
  const tiles = Array.from({ length: tilesOf(p) }, (_, t) => placeOf(p, t));
  for (let g = 0; g < p.groups; g++) {
    const images = tiles.map(({ item, y, x: left }) =>
      Array.from({ length: p.inner }, (_, k) => {
        const map = ((item * p.groups + g) * p.inner + k) * p.height * p.width;
        return expanded(B, B, (i, j) => valueAt(x, map, p.height, p.width, y + i - p.top, left + j - p.left));
      }),
    );
    for (let m = 0; m < p.rows; m++) {
      const filters = Array.from({ length: p.inner }, (_, k) => {
        const filter = g * p.w_group + m * p.w_row + k * p.w_k;
        return expanded(G, G, (i, j) => w[filter + (p.flip === 1 ? 8 - 3 * i - j : 3 * i + j)]);
      });
      tiles.forEach(({ item, y, x: left }, t) => {
        const sums = filters.reduce((sum, filter, k) => product(sum, filter, images[t][k]), zeros());
        expanded(A_T, A_T, (i, j) => sums[4 * i + j]).forEach((size, place) => {
          const [line, column] = [y + Math.floor(place / 2), left + (place % 2)];
          if (line >= p.lines || column >= p.columns) return;
          sizes[((item * p.groups * p.rows + g * p.rows + m) * p.lines + line) * p.columns + column] = size;
        });
      });
    }
  }
  return sizes;
}

/** The same of the filters' gradient, part by part. */
function gradientSizes(p: FusedFilterGradientParams, dy: Values, x: Values): Float64Array {
  const sizes = new Float64Array(p.parts * p.groups * p.filters * p.channels * 9);
  const tiles = Array.from({ length: tilesOf(p) }, (_, t) => placeOf(p, t));
  for (let g = 0; g < p.groups; g++) {
    const images = Array.from({ length: p.channels }, (_, c) =>
      tiles.map(({ item, y, x: left }) => {
        const map = ((item * p.groups + g) * p.channels + c) * p.height * p.width;
        return expanded(B, B, (i, j) => valueAt(x, map, p.height, p.width, y + i - p.top, left + j - p.left));
      }),
    );
    for (let f = 0; f < p.filters; f++) {
      const gradients = tiles.map(({ item, y, x: left }) => {
        const map = ((item * p.groups + g) * p.filters + f) * p.lines * p.columns;
        return expanded(A, A, (i, j) => valueAt(dy, map, p.lines, p.columns, y + i, left + j));
      });
      for (let part = 0; part < p.parts; part++) {
        const [first, end] = [part * p.part_depth, (part + 1) * p.part_depth];
        images.forEach((image, c) => {
          const sums = gradients
            .slice(first, end)
            .reduce((sum, gradient, t) => product(sum, gradient, image[first + t]), zeros());
          const start = part * p.c_part + ((g * p.filters + f) * p.channels + c) * 9;
          sizes.set(
            expanded(G_T, G_T, (i, j) => sums[4 * i + j]),
            start,
          );
        });
      }
    }
  }
  return sizes;
}

/** What transforms round beside the products of the definition, and what they may add up of flushed products. */
const TRANSFORMS = 20;
/** Of values below this a transform may make a denormal. */
const NEARLY_DENORMAL = 2 ** -100;

/** @param sizes of given values: the size of the terms of each output; @param terms products of an output */
function expectedBy(
  values: Values,
  sizes: (...inputs: Values[]) => Float64Array,
  inputs: readonly Values[],
  terms: number,
): Expected {
  const of = (change: (value: number) => number) =>
    sizes(...inputs.map((input) => Float64Array.from(input, (value) => change(Math.abs(value)))));
  const magnitudes = of((value) => value);
  const normal = of((value) => (value < NEARLY_DENORMAL ? 0 : value));
  const own = 16 * (terms + TRANSFORMS) * SMALLEST_NORMAL;
  return {
    values,
    units: terms + TRANSFORMS,
    magnitudes,
    flushed: Float64Array.from(magnitudes, (value, i) => value - normal[i] + own),
  };
}

function forwardCase(shape: Conv2dShape, { x, w, bias }: Operands, relu: Relu): KernelCase {
  const p = planFusedForward(shape, { hasBias: true, relu });
  const plane = p.lines * p.columns;
  const biasAt = (i: number) => Math.floor(i / plane) % shape.filters;
  return {
    name: 'conv2d/winograd-fused',
    description: describe(shape) + (relu === RELU.after ? ' relu' : ''),
    kernel: fusedCorrelation,
    params: { ...p },
    inputs: { w, x, bias, aux: bias },
    outputs: { y: outputsOf(shape) },
    reference: () => {
      const y = expectedBy(
        conv2dReference(shape, x, w, bias, outputsOf(shape)),
        (w, x, bias) => correlationSizes(p, w, x).map((size, i) => size + bias[biasAt(i)]),
        [w, x, bias],
        9 * p.inner + 1,
      );
      return { y: relu === RELU.after ? rectified(y) : y };
    },
  };
}

/** @param aux the ReLU before, whose outputs the images are */
function inputGradientCase(shape: Conv2dShape, { x, w, bias, dy }: Operands, aux?: Activation): KernelCase {
  const p = planFusedInputGradient(shape, aux ? RELU.before : RELU.none);
  return {
    name: 'conv2d/winograd-fused',
    description: `${describe(shape)} input gradient${aux ? ' after relu' : ''}`,
    kernel: fusedCorrelation,
    params: { ...p },
    inputs: { w, x: dy, bias, aux: aux?.output ?? bias },
    outputs: { y: x.length },
    reference: () => ({
      y: expectedBy(
        through(aux, conv2dInputGradientReference(shape, dy, w)),
        (w, dy) => correlationSizes(p, w, dy),
        [w, dy],
        9 * p.inner,
      ),
    }),
  };
}

/** dy of the tiles of one part alone. */
function ofPart(p: FusedFilterGradientParams, dy: Values, part: number): Float64Array {
  return Float64Array.from(dy, (value, i) => {
    const [line, column] = [Math.floor(i / p.columns) % p.lines, i % p.columns];
    const item = Math.floor(i / (p.groups * p.filters * p.lines * p.columns));
    const tile = (item * p.tiles_y + Math.floor(line / 2)) * p.tiles_x + Math.floor(column / 2);
    return Math.floor(tile / p.part_depth) === part ? value : 0;
  });
}

/** @param onto what the gradient is added to */
function filterGradientCase(
  shape: Conv2dShape,
  { x, w, dy }: Operands,
  { parts, onto }: { readonly parts: number; readonly onto?: Numbers },
): KernelCase {
  const { run: p } = planFusedFilterGradient(shape, onto !== undefined, parts);
  const gradients = () => {
    const all = Array.from({ length: p.parts }, (_, part) => [
      ...conv2dFilterGradientReference(shape, ofPart(p, dy, part), x, w.length),
    ]).flat();
    return all.map((value, i) => value + (onto?.[i] ?? 0));
  };
  return {
    name: 'conv2d/winograd-fused-filter-gradient',
    description: `${describe(shape)} in ${p.parts} parts${onto ? ' accumulated' : ''}`,
    kernel: fusedFilterGradient,
    params: { ...p },
    inputs: { dy, x },
    outputs: { dw: onto ?? p.parts * w.length },
    reference: () => ({
      dw: expectedBy(
        gradients(),
        (dy, x, onto) => gradientSizes(p, dy, x).map((size, i) => size + (onto?.[i] ?? 0)),
        onto === undefined ? [dy, x] : [dy, x, onto],
        4 * p.part_depth + 1,
      ),
    }),
  };
}
