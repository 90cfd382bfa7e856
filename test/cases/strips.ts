/** The kernels of convolution in strips, each against the definition of convolution itself, over operands packed here. */

import { type Conv2dShape, conv2dOutput } from '../../src/kernels/conv2d/shape.ts';
import { conv2dStripsFilterGradient } from '../../src/kernels/conv2d/strips/filter-gradient.ts';
import { conv2dStrips, STRIP_SHAPES } from '../../src/kernels/conv2d/strips/forward.ts';
import { conv2dPack, type PackParams } from '../../src/kernels/conv2d/strips/pack.ts';
import { conv2dPad, type PadParams } from '../../src/kernels/conv2d/strips/pad.ts';
import {
  type Padded,
  planFilterGradient,
  planForward,
  planInputGradient,
} from '../../src/kernels/conv2d/strips/plan.ts';
import type { Capabilities } from '../../src/kernels/kernel.ts';
import { conv2dFilterGradientReference, conv2dInputGradientReference, conv2dReference } from '../reference/conv2d.ts';
import { type KernelCase, normals, Random } from './case.ts';
import { shapeName } from './conv2d.ts';

/** What plans ask of an adapter: one on which strips pay. */
const rasteriser = (subgroupWidth: number): Capabilities => ({
  kind: 'software',
  subgroupWidth,
  limits: { maxBinding: 2 ** 27, maxThreads: 256, maxWorkgroupMemory: 16384, offsetAlignment: 256 },
});

/** From the definition: every place of the frame looks for its value. */
function pad(x: ArrayLike<number>, { params: p }: Padded): Float32Array<ArrayBuffer> {
  const width = 4 * p.line;
  return Float32Array.from({ length: p.items * p.out_height * width }, (_, i) => {
    const ix = (i % width) - p.left;
    const iy = (Math.floor(i / width) % p.out_height) - p.top;
    const item = Math.floor(i / width / p.out_height);
    return iy >= 0 && iy < p.height && ix >= 0 && ix < p.width ? x[(item * p.height + iy) * p.width + ix] : 0;
  });
}

/** From the definition: every weight looks for its place. */
function pack(w: ArrayLike<number>, p: PackParams): Float32Array<ArrayBuffer> {
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

function randomShape(random: Random): Conv2dShape {
  for (;;) {
    const groups = 1 + random.integer(3);
    const [width, stride] = [
      [1, 1],
      [3, 1],
      [5, 1],
      [7, 2],
      [11, 4],
    ][random.integer(5)];
    const shape: Conv2dShape = {
      batch: 1 + random.integer(5),
      channels: groups * (1 + random.integer(7)),
      height: 1 + random.integer(29),
      width: 1 + random.integer(29),
      filters: groups * (1 + random.integer(40)),
      kernel: [1 + random.integer(5), width],
      strides: [1 + random.integer(2), stride],
      pads: [random.integer(3), random.integer(3), random.integer(3), random.integer(3)],
      dilations: [1, 1],
      groups,
    };
    const [lines, columns] = conv2dOutput(shape);
    if (lines >= 1 && columns >= 1 && shape.batch * lines * columns >= 64) return shape;
  }
}

export function stripCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  // Every window at least once; the first and the last filter tile of the plan are cut.
  return Array.from({ length: 14 }, () => randomShape(random)).flatMap((shape) => {
    const { batch, channels, height, width, filters, kernel, groups } = shape;
    const [lines, columns] = conv2dOutput(shape);
    const x = normals(random, batch * channels * height * width);
    const w = normals(random, (filters * channels * kernel[0] * kernel[1]) / groups);
    const bias = normals(random, filters);
    const dy = normals(random, batch * filters * lines * columns);
    const name = shapeName(shape);
    const gpu = rasteriser(8);
    const cases: KernelCase[] = [];

    const forward = planForward(gpu, shape, true)!;
    cases.push(padCase(`${name} forward`, forward.pad, x), packCase(`${name} forward`, forward.pack.params, w));
    for (const { tile, strip } of STRIP_SHAPES) {
      // Any tile and strip whose packing matches is right, the planned one is quick. A line must reach the last strip.
      const line = Math.ceil(((Math.ceil(columns / strip) * strip - 1) * shape.strides[1] + kernel[1]) / 4);
      const pads: Padded = { ...forward.pad, params: { ...forward.pad.params, line } };
      cases.push({
        name: `conv2d/strips ${name} tile ${tile} strip ${strip}`,
        kernel: conv2dStrips,
        params: { ...forward.run, tile, strip, x_line: line, x_plane: line * pads.params.out_height },
        inputs: { w: pack(w, { ...forward.pack.params, tile }), x: pad(x, pads), bias },
        outputs: { y: dy.length },
        reference: () => ({ y: conv2dReference(shape, x, w, bias, dy.length) }),
      });
    }

    const input = planInputGradient(gpu, shape);
    if (input !== undefined) {
      cases.push(padCase(`${name} dy`, input.pad, dy), packCase(`${name} turned`, input.pack.params, w), {
        name: `conv2d/strips ${name} input gradient`,
        kernel: conv2dStrips,
        params: input.run,
        inputs: { w: pack(w, input.pack.params), x: pad(dy, input.pad), bias },
        outputs: { y: x.length },
        reference: () => ({ y: conv2dInputGradientReference(shape, dy, w) }),
      });
    }

    for (const accumulate of [false, true]) {
      const filter = planFilterGradient(gpu, shape, accumulate)!;
      const before = normals(random, w.length);
      cases.push({
        name: `conv2d/strips-filter-gradient ${name} accumulate ${accumulate}`,
        kernel: conv2dStripsFilterGradient,
        params: filter.run,
        inputs: { x: pad(x, filter.padX), dy: pad(dy, filter.padDy) },
        outputs: { dw: accumulate ? before : w.length },
        reference: () => {
          const dw = conv2dFilterGradientReference(shape, dy, x, w.length);
          return { dw: accumulate ? dw.map((value, i) => value + before[i]) : dw };
        },
      });
    }
    return cases;
  });
}

function padCase(name: string, padded: Padded, x: Float32Array<ArrayBuffer>): KernelCase {
  const y = pad(x, padded);
  return {
    name: `conv2d/pad ${name}`,
    kernel: conv2dPad,
    params: padded.params satisfies PadParams,
    inputs: { x },
    outputs: { y: y.length },
    reference: () => ({ y }),
    tolerance: { absolute: 0, relative: 0 },
  };
}

function packCase(name: string, params: PackParams, w: Float32Array<ArrayBuffer>): KernelCase {
  const panels = pack(w, params);
  return {
    name: `conv2d/pack ${name}`,
    kernel: conv2dPack,
    params,
    inputs: { w },
    outputs: { panels: panels.length },
    reference: () => ({ panels }),
    tolerance: { absolute: 0, relative: 0 },
  };
}
