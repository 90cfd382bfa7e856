import {
  averagePoolBackward,
  averagePoolForward,
  averagePoolParams,
  globalAveragePoolParams,
} from '../../src/kernels/avgpool/avgpool.ts';
import { maxPoolBackward, maxPoolForward, maxPoolInference, maxPoolParams } from '../../src/kernels/maxpool/maxpool.ts';
import { checkPool, type PoolShape, poolOutput } from '../../src/kernels/pooling.ts';
import * as reference from '../reference/pooling.ts';
import { type KernelCase, normals, Random } from './case.ts';

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

const fixed: Shape[] = [
  base,
  { ...base, batch: 1, channels: 1, height: 1, width: 1, kernel: [1, 1], strides: [1, 1] },
  { ...base, height: 12, width: 12, pads: [0, 0, 1, 1] },
  { ...base, height: 7, width: 10, ceilMode: true },
  { ...base, height: 5, width: 8, kernel: [2, 3], strides: [3, 2], pads: [1, 0, 0, 2], ceilMode: true },
  { ...base, height: 6, width: 7, kernel: [3, 2], strides: [1, 3], pads: [1, 1, 2, 0] },
  { ...base, height: 4, width: 5, kernel: [2, 2], strides: [3, 4] },
];

function randomShapes(random: Random, dilated: boolean): Shape[] {
  const shapes: Shape[] = [];
  while (shapes.length < 6) {
    const pair = (n: number): [number, number] => [1 + random.integer(n), 1 + random.integer(n)];
    const [height, width] = pair(17);
    const [top, left] = pair(3);
    const [bottom, right] = pair(3);
    const shape: Shape = {
      batch: 1 + random.integer(3),
      channels: 1 + random.integer(5),
      height,
      width,
      kernel: pair(5),
      strides: pair(4),
      pads: [top - 1, left - 1, bottom - 1, right - 1],
      dilations: dilated ? pair(3) : [1, 1],
      ceilMode: random.integer(2) === 1,
    };
    try {
      checkPool('a random pool', shape);
      shapes.push(shape);
    } catch {
      // A shape that the check refuses: draw another.
    }
  }
  return shapes;
}

const describe = (s: Shape) =>
  `[${s.batch},${s.channels},${s.height},${s.width}] k${s.kernel} s${s.strides} p${s.pads} d${s.dilations}` +
  (s.ceilMode ? ' ceil' : '');

const inputs = (s: Shape) => s.batch * s.channels * s.height * s.width;
const outputs = (s: Shape) => s.batch * s.channels * poolOutput(s)[0] * poolOutput(s)[1];

export function maxPoolCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const dilated: Shape = { ...base, height: 9, width: 10, dilations: [2, 3], pads: [1, 2, 0, 1] };
  return [...fixed, dilated, ...randomShapes(random, true)].flatMap((shape, i): KernelCase[] => {
    // Few different values, so that ties are common; in some a NaN, an infinity.
    const x = Float32Array.from({ length: inputs(shape) }, () =>
      i % 2 === 0 ? random.integer(4) - 2 : random.normal(),
    );
    if (i % 3 === 2) {
      for (const value of [Number.NaN, Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]) {
        x[random.integer(x.length)] = value;
      }
    }
    const pooling = { ...shape, output: poolOutput(shape) };
    const params = maxPoolParams(shape);
    const dy = normals(random, outputs(shape));
    const { y, winner } = reference.maxPool(pooling, x);
    const plane = shape.height * shape.width;
    const choice = Uint32Array.from(winner, (at) => at % plane);
    return [
      {
        name: `maxpool/forward ${describe(shape)}`,
        kernel: maxPoolForward,
        params,
        inputs: { x },
        outputs: { y: y.length, choice: y.length },
        integers: ['choice'],
        tolerance: { absolute: 0, relative: 0 },
        reference: () => ({ y, choice }),
      },
      {
        name: `maxpool/inference ${describe(shape)}`,
        kernel: maxPoolInference,
        params,
        inputs: { x },
        outputs: { y: y.length },
        tolerance: { absolute: 0, relative: 0 },
        reference: () => ({ y }),
      },
      {
        name: `maxpool/backward ${describe(shape)}`,
        kernel: maxPoolBackward,
        params,
        inputs: { dy, choice },
        outputs: { dx: x.length },
        reference: () => ({ dx: reference.maxPoolBackward(pooling, x, dy) }),
      },
    ];
  });
}

export function averagePoolCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const whole: Shape = { ...base, height: 7, width: 5, kernel: [7, 5], strides: [1, 1] };
  const hanging: Shape = { ...base, height: 6, width: 6, kernel: [3, 3], pads: [1, 1, 0, 1], ceilMode: true };
  return [...fixed, whole, hanging, ...randomShapes(random, false)].flatMap((shape) =>
    [false, true].flatMap((countIncludePad): KernelCase[] => {
      const x = normals(random, inputs(shape));
      const dy = normals(random, outputs(shape));
      const pooling = { ...shape, output: poolOutput(shape) };
      const params =
        shape === whole ? globalAveragePoolParams(shape) : averagePoolParams({ ...shape, countIncludePad });
      const name = `${describe(shape)}${countIncludePad ? ' with pad' : ''}`;
      return [
        {
          name: `avgpool/forward ${name}`,
          kernel: averagePoolForward,
          params,
          inputs: { x },
          outputs: { y: dy.length },
          reference: () => ({ y: reference.averagePool(pooling, x, countIncludePad) }),
        },
        {
          name: `avgpool/backward ${name}`,
          kernel: averagePoolBackward,
          params,
          inputs: { dy },
          outputs: { dx: x.length },
          reference: () => ({ dx: reference.averagePoolBackward(pooling, dy, countIncludePad) }),
        },
      ];
    }),
  );
}
