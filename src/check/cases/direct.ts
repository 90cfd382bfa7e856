/** The kernels of direct convolution, against the definition of convolution itself, over operands packed here. */
import { conv2dDirectFilterGradient } from '../../kernels/conv2d/direct/filter-gradient.ts';
import { conv2dDirect, STRIP_SHAPES } from '../../kernels/conv2d/direct/forward.ts';
import { conv2dPad } from '../../kernels/conv2d/direct/pad.ts';
import { type Padded, planFilterGradient, planForward, planInputGradient } from '../../kernels/conv2d/direct/plan.ts';
import { WINDOWS } from '../../kernels/conv2d/direct/text.ts';
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { type PackParams, packMatrix } from '../../kernels/gemm/pack.ts';
import type { Capabilities } from '../../kernels/kernel.ts';
import { RELU } from '../../kernels/relu/rule.ts';
import type { Random } from '../../random.ts';
import { activationOf } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { fittingBatch, four } from '../choose.ts';
import { exactly, rectified } from '../expected.ts';
import { normals, valuesOf } from '../values.ts';
import {
  base,
  expectedFilterGradient,
  expectedInputGradient,
  expectedOutputs,
  filterGradientClaim,
  inputGradientClaim,
  inputsOf,
  type Operands,
  outputsOf,
  weightsOf,
} from './convolution.ts';

/** What a plan asks of an adapter; which tile it picks is no question of right or wrong. */
const rasteriser: Capabilities = {
  kind: 'software',
  subgroupWidth: 8,
  limits: { maxBinding: 2 ** 27, maxThreads: 256, maxWorkgroupMemory: 16384, offsetAlignment: 256 },
};

type Values = ArrayLike<number>;

/** From the definition: every place of the frame looks for its value. */
function pad(x: Values, { params: p }: Padded): Float32Array<ArrayBuffer> {
  const width = 4 * p.line;
  return Float32Array.from({ length: p.items * p.out_height * width }, (_, i) => {
    const ix = (i % width) - p.left;
    const iy = (Math.floor(i / width) % p.out_height) - p.top;
    const item = Math.floor(i / width / p.out_height);
    return iy >= 0 && iy < p.height && ix >= 0 && ix < p.width ? x[(item * p.height + iy) * p.width + ix] : 0;
  });
}

/** From the definition: every weight looks for its place. */
function pack(w: Values, p: PackParams): Float32Array<ArrayBuffer> {
  const blocks = Math.ceil(p.rows / p.tile);
  const panels = new Float32Array(p.groups * blocks * p.inner * p.taps * p.tile);
  for (let g = 0; g < p.groups; g++)
    for (let m = 0; m < p.rows; m++)
      for (let k = 0; k < p.inner; k++)
        for (let t = 0; t < p.taps; t++) {
          const block = g * blocks + Math.floor(m / p.tile);
          panels[((block * p.inner + k) * p.taps + t) * p.tile + (m % p.tile)] =
            w[g * p.group + m * p.row + k * p.column + (p.flip ? p.taps - 1 - t : t)];
        }
  return panels;
}

const padCase = (description: string, padded: Padded, x: Float32Array<ArrayBuffer>): KernelCase => ({
  name: 'conv2d/pad',
  description,
  kernel: conv2dPad,
  params: { ...padded.params },
  inputs: { x },
  outputs: { y: padded.bytes / 4 },
  reference: () => ({ y: exactly(pad(x, padded)) }),
});

const packCase = (description: string, params: PackParams, w: Float32Array<ArrayBuffer>): KernelCase => ({
  name: 'gemm/pack',
  description,
  kernel: packMatrix,
  params: { ...params },
  inputs: { w },
  outputs: { panels: pack(w, params).length },
  reference: () => ({ panels: exactly(pack(w, params)) }),
});

export const directFamily = defineFamily<Conv2dShape>({
  names: ['conv2d/pad', 'gemm/pack', 'conv2d/direct', 'conv2d/direct-filter-gradient'],
  examples: [
    base,
    // AlexNet's conv1 and conv2, and the small one's conv1, in small; a tile of filters and a bit; more than two strips.
    { ...base, batch: 2, channels: 3, height: 23, width: 51, filters: 9, kernel: [11, 11], strides: [4, 4] },
    { ...base, batch: 3, channels: 6, height: 9, width: 9, filters: 34, kernel: [5, 5], pads: [2, 2, 2, 2], groups: 2 },
    { ...base, batch: 2, channels: 3, height: 15, width: 17, filters: 5, kernel: [7, 7], strides: [2, 2] },
    { ...base, batch: 1, channels: 5, height: 3, width: 37, filters: 69, kernel: [3, 3], pads: [1, 1, 1, 1] },
    { ...base, batch: 2, channels: 19, height: 3, width: 9, filters: 4, kernel: [2, 3], pads: [0, 2, 1, 0] },
  ],
  shape(choose) {
    const groups = choose(1, 3);
    const [width, stride] = WINDOWS[choose(0, WINDOWS.length - 1)];
    const height = choose(1, 5);
    const shape: Conv2dShape = {
      batch: choose(0, 5) === 5 ? choose(5, 17) : choose(1, 4),
      channels: groups * choose(1, 5),
      height: height + choose(0, 8),
      width: width + choose(0, 25),
      filters: groups * (choose(0, 5) === 5 ? Math.ceil(choose(31, 37) / groups) : choose(1, 7)),
      kernel: [height, width],
      strides: [choose(1, 3), stride],
      pads: four(choose, 0, 3),
      dilations: [1, 1],
      groups,
    };
    const [lines, columns] = conv2dOutput(shape);
    // Frames are larger than the image: up to 16 columns and the kernel's height more.
    const frame = (maps: number, height: number, width: number) => maps * (height + 8) * (width + 28);
    const item = frame(
      Math.max(shape.channels, shape.filters),
      Math.max(shape.height, lines),
      Math.max(shape.width, columns),
    );
    return { ...shape, batch: fittingBatch(shape.batch, item) };
  },
  cases(shape, kind, random): KernelCase[] {
    // A strip multiplies what lies beside a window by zero: finite values only.
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const [x, w, bias] = [values(inputsOf(shape)), values(weightsOf(shape)), values(shape.filters)];
    const [dy, start] = [values(outputsOf(shape)), values(w.length)];
    const given: Operands = { x, w, bias, dy };
    const smooth = kind === 'normal';
    return [
      ...forwardCases(shape, given),
      ...(shape.strides.every((stride) => stride === 1) ? inputGradientCases(shape, given, random, smooth) : []),
      filterGradientCase(shape, given),
      {
        ...filterGradientCase(shape, given, start),
        derivative: smooth ? filterGradientClaim(shape, given) : undefined,
      },
    ];
  },
});

const describe = ({ batch, channels, height, width, filters, kernel, strides, pads, groups }: Conv2dShape) =>
  `x=[${batch},${channels},${height},${width}] w=[${filters},${channels / groups},${kernel}] ` +
  `s=${strides} p=${pads} g=${groups}`;

/** Its operands, and every tile and strip: any is right whose weights are packed so and whose lines reach the last strip. */
function forwardCases(shape: Conv2dShape, given: Operands): KernelCase[] {
  const { x, w, bias } = given;
  const forward = planForward(rasteriser, shape, { hasBias: true, relu: RELU.none });
  const [, columns] = conv2dOutput(shape);
  const strips = STRIP_SHAPES.map(({ tile, strip }, i): KernelCase => {
    const relu = i % 2 === 1;
    const line = Math.ceil(((Math.ceil(columns / strip) * strip - 1) * shape.strides[1] + shape.kernel[1]) / 4);
    const { params } = forward.pad;
    const images = pad(x, { ...forward.pad, params: { ...params, line } });
    return {
      name: 'conv2d/direct',
      description: `${describe(shape)} tile ${tile} strip ${strip}${relu ? ' relu' : ''}`,
      kernel: conv2dDirect,
      params: { ...forward.run, relu: relu ? 1 : 0, tile, strip, x_line: line, x_plane: line * params.out_height },
      inputs: { w: pack(w, { ...forward.pack.params, tile }), x: images, bias, aux: bias },
      outputs: { y: outputsOf(shape) },
      reference: () => {
        const y = expectedOutputs(shape, given);
        return { y: relu ? rectified(y) : y };
      },
    };
  });
  return [
    padCase(`${describe(shape)} forward`, forward.pad, x),
    packCase(`${describe(shape)} forward`, forward.pack.params, w),
    ...strips,
  ];
}

/** A convolution of dy by the turned filters, without a ReLU before and behind one. */
function inputGradientCases(shape: Conv2dShape, given: Operands, random: Random, smooth: boolean): KernelCase[] {
  const { x, w, bias, dy } = given;
  const { pad: padded, pack: packed } = planInputGradient(rasteriser, shape);
  const gradients = [undefined, activationOf(random, x.length)].map(
    (aux): KernelCase => ({
      name: 'conv2d/direct',
      description: `${describe(shape)} input gradient${aux ? ' after relu' : ''}`,
      kernel: conv2dDirect,
      params: planInputGradient(rasteriser, shape, aux ? RELU.before : RELU.none).run,
      inputs: {
        w: pack(w, packed.params),
        x: pad(dy, padded),
        bias: normals(random, 1),
        aux: aux?.output ?? bias,
      },
      outputs: { y: x.length },
      reference: () => ({ y: expectedInputGradient(shape, given, aux) }),
      derivative: smooth ? inputGradientClaim(shape, given, aux) : undefined,
    }),
  );
  return [
    padCase(`${describe(shape)} of dy`, padded, dy),
    packCase(`${describe(shape)} turned`, packed.params, w),
    ...gradients,
  ];
}

/** @param onto what the gradient is added to */
function filterGradientCase(shape: Conv2dShape, given: Operands, onto?: Float32Array<ArrayBuffer>): KernelCase {
  const { x, w, dy } = given;
  const plan = planFilterGradient(shape, onto !== undefined);
  return {
    name: 'conv2d/direct-filter-gradient',
    description: describe(shape) + (onto ? ' accumulated' : ''),
    kernel: conv2dDirectFilterGradient,
    params: { ...plan.run },
    inputs: { x: pad(x, plan.padX), dy: pad(dy, plan.padDy) },
    outputs: { dw: onto ?? w.length },
    reference: () => ({ dw: expectedFilterGradient(shape, given, onto) }),
  };
}
