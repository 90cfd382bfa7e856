/** The phases of images and filters, and back: each value moves to one place, found here from the other end. */
import {
  conv2dPhases,
  conv2dPhasesBackward,
  type PhaseParams,
  planPhases,
} from '../../kernels/conv2d/phases/phases.ts';
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { fittingBatch, four, pair } from '../choose.ts';
import { exactly } from '../expected.ts';
import { valuesOf } from '../values.ts';
import { base } from './convolution.ts';

type Values = ArrayLike<number>;

/** Visits every value of x that has a place among the phases: its index, and that place's. */
function eachPlace(p: PhaseParams, visit: (value: number, place: number) => void): void {
  for (let plane = 0; plane < p.planes; plane++)
    for (let y = 0; y < p.height; y++)
      for (let x = 0; x < p.width; x++) {
        const [a, b] = [(y + p.top) % p.stride_y, (x + p.left) % p.stride_x];
        const [i, j] = [(y + p.top - a) / p.stride_y, (x + p.left - b) / p.stride_x];
        if (i >= p.lines || j >= p.columns) continue;
        const phase = (plane * p.stride_y + a) * p.stride_x + b;
        visit((plane * p.height + y) * p.width + x, (phase * p.lines + i) * p.columns + j);
      }
}

const sizeOf = (p: PhaseParams) => p.planes * p.stride_y * p.stride_x * p.lines * p.columns;

function phasesOf(x: Values, p: PhaseParams): Float64Array {
  const phases = new Float64Array(sizeOf(p));
  eachPlace(p, (value, place) => {
    phases[place] = x[value];
  });
  return phases;
}

function fromPhases(phases: Values, p: PhaseParams): Float64Array {
  const x = new Float64Array(p.planes * p.height * p.width);
  eachPlace(p, (value, place) => {
    x[value] = phases[place];
  });
  return x;
}

export const phasesFamily = defineFamily<Conv2dShape>({
  names: ['conv2d/phases', 'conv2d/phases-backward'],
  examples: [
    base,
    // AlexNet's conv1, and torchvision's with its pads, in small; a last line and column that no window reaches.
    { ...base, batch: 2, channels: 3, height: 23, width: 31, filters: 5, kernel: [11, 11], strides: [4, 4] },
    { ...base, channels: 3, height: 19, width: 22, kernel: [11, 11], strides: [4, 4], pads: [2, 2, 2, 2] },
    { ...base, batch: 2, channels: 2, height: 8, width: 9, kernel: [3, 3], strides: [2, 3], pads: [1, 0, 0, 2] },
    { ...base, channels: 4, height: 12, width: 9, filters: 6, kernel: [5, 4], strides: [3, 2], groups: 2 },
  ],
  shape(choose) {
    const groups = choose(1, 2);
    const kernel = pair(choose, 1, 7);
    const shape: Conv2dShape = {
      batch: choose(1, 3),
      channels: groups * choose(1, 3),
      height: kernel[0] + choose(0, 12),
      width: kernel[1] + choose(0, 12),
      filters: groups * choose(1, 3),
      kernel,
      strides: pair(choose, 1, 4),
      pads: four(choose, 0, 3),
      dilations: [1, 1],
      groups,
    };
    return { ...shape, batch: fittingBatch(shape.batch, shape.channels * 16 * 16) };
  },
  cases(shape, kind, random): KernelCase[] {
    const plan = planPhases(shape);
    const [lines, columns] = conv2dOutput(shape);
    return (['image', 'filter'] as const).flatMap((of): KernelCase[] => {
      const p = plan[of];
      const description =
        `of ${of} [${p.planes},${p.height},${p.width}] s=${shape.strides} p=${shape.pads} k=${shape.kernel} ` +
        `to ${lines}x${columns}`;
      const x = valuesOf(random, kind, p.planes * p.height * p.width, {});
      const phases = valuesOf(random, kind, sizeOf(p), {});
      return [
        {
          name: 'conv2d/phases',
          description,
          kernel: conv2dPhases,
          params: { ...p },
          inputs: { x },
          outputs: { phases: sizeOf(p) },
          reference: () => ({ phases: exactly(phasesOf(x, p)) }),
        },
        {
          name: 'conv2d/phases-backward',
          description,
          kernel: conv2dPhasesBackward,
          params: { ...p },
          inputs: { phases },
          outputs: { dx: x.length },
          reference: () => ({ dx: exactly(fromPhases(phases, p)) }),
          derivative:
            kind === 'normal'
              ? {
                  at: x,
                  upstream: phases,
                  forward: (at) => phasesOf(at, p),
                  gradient: () => fromPhases(phases, p),
                }
              : undefined,
        },
      ];
    });
  },
});
