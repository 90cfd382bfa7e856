import {
  averagePoolBackward,
  averagePoolForward,
  averagePoolParams,
  globalAveragePoolParams,
} from '../../kernels/avgpool/avgpool.ts';
import { maxPoolBackward, maxPoolForward, maxPoolInference, maxPoolParams } from '../../kernels/maxpool/maxpool.ts';
import { type PoolShape, poolOutput } from '../../kernels/pooling.ts';
import { type Activation, activationFrom, rectify, spreadActivations, through } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { type Choose, fittingBatch, pair } from '../choose.ts';
import { exactly, sumsOf } from '../expected.ts';
import * as reference from '../reference/pooling.ts';
import { valuesOf } from '../values.ts';

type Shape = Required<PoolShape>;

const base: Shape = {
  batch: 2,
  channels: 3,
  height: 13,
  width: 11,
  kernel: [3, 3],
  strides: [2, 2],
  pads: [0, 0, 0, 0],
  dilations: [1, 1],
  ceilMode: false,
};

const examples: Shape[] = [
  base,
  { ...base, batch: 1, channels: 1, height: 1, width: 1, kernel: [1, 1], strides: [1, 1] },
  // The zoo AlexNet's pool5, and Caffe's rounding up.
  { ...base, height: 12, width: 12, pads: [0, 0, 1, 1] },
  { ...base, height: 7, width: 10, ceilMode: true },
  { ...base, height: 5, width: 8, kernel: [2, 3], strides: [3, 2], pads: [1, 0, 0, 2], ceilMode: true },
  { ...base, height: 6, width: 7, kernel: [3, 2], strides: [1, 3], pads: [1, 1, 2, 0] },
  { ...base, height: 4, width: 5, kernel: [2, 2], strides: [3, 4] },
];

/** A pooling whose every window sees a part of the image: pads below half of the kernel, strides not beyond it. */
function chooseShape(choose: Choose, dilation: number): Shape {
  if (choose(0, 3) === 3) return chooseInside(choose);
  const kernel = pair(choose, 1, 5);
  const dilations = pair(choose, 1, dilation);
  const padding = (i: 0 | 1) => choose(0, dilations[i] === 1 ? kernel[i] - 1 : 0);
  const [height, width] = kernel.map((size, i) => dilations[i] * (size - 1) + 1 + choose(0, 7));
  const channels = choose(1, 7);
  return {
    // With padding and stride 1 the output may be larger than the image.
    batch: fittingBatch(choose(0, 5) === 5 ? choose(5, 17) : choose(1, 4), channels * (height + 8) * (width + 8)),
    channels,
    height,
    width,
    kernel,
    strides: [choose(1, kernel[0]), choose(1, kernel[1])],
    pads: [padding(0), padding(1), padding(0), padding(1)],
    dilations,
    ceilMode: choose(0, 1) === 1,
  };
}

/** As most networks have it: no padding, a small square window, none over the edge. */
function chooseInside(choose: Choose): Shape {
  const kernel = choose(2, 3);
  const [height, width] = pair(choose, kernel, kernel + 9);
  return {
    ...base,
    batch: choose(1, 4),
    channels: choose(1, 7),
    height,
    width,
    kernel: [kernel, kernel],
    strides: [choose(1, kernel), choose(1, kernel)],
  };
}

const describe = (s: Shape) =>
  `[${s.batch},${s.channels},${s.height},${s.width}] k${s.kernel} s${s.strides} p${s.pads} d${s.dilations}` +
  (s.ceilMode ? ' ceil' : '');

const inputs = (s: Shape) => s.batch * s.channels * s.height * s.width;
const outputs = (s: Shape) => s.batch * s.channels * poolOutput(s)[0] * poolOutput(s)[1];

export const maxPoolFamily = defineFamily<Shape>({
  names: ['maxpool/forward', 'maxpool/inference', 'maxpool/backward'],
  examples: [...examples, { ...base, height: 9, width: 10, dilations: [2, 3], pads: [1, 2, 0, 1] }],
  shape: (choose) => chooseShape(choose, 3),
  cases(shape, kind, random): KernelCase[] {
    // In place of denormals, which an adapter may take for equal: few different values, so that ties are common.
    const values = valuesOf(random, kind, inputs(shape)).map((v) => (kind === 'tiny' ? random.integer(4) - 2 : v));
    const pooling = { ...shape, output: poolOutput(shape) };
    const params = maxPoolParams(shape);
    const dy = valuesOf(random, kind, outputs(shape), { instead: 'tiny' });
    const plane = shape.height * shape.width;
    /** Forward, which notes the winners, and backward. With a ReLU before, a window without a positive value has none. */
    const training = (aux: Activation | undefined): KernelCase[] => {
      const x = aux?.output ?? values;
      const { y, winner } = reference.maxPool(pooling, x);
      const choice = Uint32Array.from(winner, (at, i) => (aux === undefined || y[i] > 0 ? at % plane : 2 ** 32 - 1));
      const backward = (dy: ArrayLike<number>) => through(aux, reference.maxPoolBackward(pooling, x, dy));
      const description = describe(shape) + (aux ? ' after relu' : '');
      const passedOn: KernelCase = {
        name: 'maxpool/backward',
        description,
        kernel: maxPoolBackward,
        params: { ...params, differentiates: 0 },
        inputs: { dy, choice, aux: dy },
        outputs: { dx: x.length },
        reference: () => ({ dx: sumsOf(backward, [dy], shape.kernel[0] * shape.kernel[1]) }),
        derivative:
          kind === 'normal'
            ? {
                at: aux?.argument ?? x,
                upstream: dy,
                forward: (at) => reference.maxPool(pooling, aux ? rectify(at) : at).y,
                gradient: () => backward(dy),
              }
            : undefined,
      };
      const differentiating = (winner: ArrayLike<number>, outputs: Float32Array<ArrayBuffer>) => ({
        description: `${description}, by its outputs`,
        params: { ...params, differentiates: 1 },
        inputs: { dy, choice: Uint32Array.from(winner, (at) => at % plane), aux: outputs },
      });
      return [
        {
          name: 'maxpool/forward',
          description,
          kernel: maxPoolForward,
          params: { ...params, relu_before: aux ? 1 : 0 },
          inputs: { x },
          outputs: { y: y.length, choice: y.length },
          reference: () => ({ y: exactly(y), choice: exactly(choice) }),
        },
        passedOn,
        // The derivative of the map before, from its outputs: every window has its winner.
        ...(aux === undefined ? [] : [{ ...passedOn, ...differentiating(winner, x) }]),
      ];
    };
    const { y } = reference.maxPool(pooling, values);
    return [
      ...training(undefined),
      // Infinities and NaN pass a ReLU, too.
      ...training(kind === 'normal' ? spreadActivations(random, values.length) : activationFrom(values)),
      {
        name: 'maxpool/inference',
        description: describe(shape),
        kernel: maxPoolInference,
        params,
        inputs: { x: values },
        outputs: { y: y.length },
        reference: () => ({ y: exactly(y) }),
      },
    ];
  },
});

interface AverageShape extends Shape {
  readonly countIncludePad: boolean;
  readonly global?: boolean;
}

export const averagePoolFamily = defineFamily<AverageShape>({
  names: ['avgpool/forward', 'avgpool/backward'],
  examples: [
    ...[...examples, { ...base, height: 6, width: 6, pads: [1, 1, 0, 1] as const, ceilMode: true }].flatMap((shape) =>
      [false, true].map((countIncludePad) => ({ ...shape, countIncludePad })),
    ),
    { ...base, height: 7, width: 5, kernel: [7, 5], strides: [1, 1], countIncludePad: false, global: true },
  ],
  shape: (choose) => ({ ...chooseShape(choose, 1), countIncludePad: choose(0, 1) === 1 }),
  cases({ countIncludePad, global, ...shape }, kind, random): KernelCase[] {
    const x = valuesOf(random, kind, inputs(shape), { instead: 'tiny' });
    const dy = valuesOf(random, kind, outputs(shape), { instead: 'tiny' });
    const pooling = { ...shape, output: poolOutput(shape) };
    const params = global ? globalAveragePoolParams(shape) : averagePoolParams({ ...shape, countIncludePad });
    const forward = (x: ArrayLike<number>) => reference.averagePool(pooling, x, countIncludePad);
    const backward = (dy: ArrayLike<number>) => reference.averagePoolBackward(pooling, dy, countIncludePad);
    const description = describe(shape) + (countIncludePad ? ' with pad' : '');
    // WGSL divides to 2.5 units in the last place, 5 of u.
    const terms = shape.kernel[0] * shape.kernel[1] + 5;
    return [
      {
        name: 'avgpool/forward',
        description,
        kernel: averagePoolForward,
        params,
        inputs: { x },
        outputs: { y: dy.length },
        reference: () => ({ y: sumsOf(forward, [x], terms) }),
      },
      {
        name: 'avgpool/backward',
        description,
        kernel: averagePoolBackward,
        params,
        inputs: { dy },
        outputs: { dx: x.length },
        reference: () => ({ dx: sumsOf(backward, [dy], terms) }),
        derivative: kind === 'normal' ? { at: x, upstream: dy, forward, gradient: () => backward(dy) } : undefined,
      },
    ];
  },
});
