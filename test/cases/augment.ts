import {
  augmentWarp,
  IDENTITY_TRANSFORM,
  type Normalisation,
  normalisationParams,
} from '../../src/kernels/augment/augment.ts';
import { warp } from '../reference/warp.ts';
import { type KernelCase, Random } from './case.ts';

export function augmentCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const shapes = [
    { batch: 1, channels: 3, height: 1, width: 1, outHeight: 1, outWidth: 1 },
    { batch: 3, channels: 3, height: 13, width: 17, outHeight: 13, outWidth: 17 },
    { batch: 5, channels: 1, height: 11, width: 7, outHeight: 11, outWidth: 7 },
    { batch: 2, channels: 3, height: 9, width: 10, outHeight: 19, outWidth: 5 },
  ];
  return shapes.flatMap((shape, i): KernelCase[] => {
    const resident = 4;
    const images = new Uint8Array(resident * shape.height * shape.width * 4).map(() => random.integer(256));
    const source = Uint32Array.from({ length: shape.batch }, () => random.integer(resident));
    const [mean, std] = [
      [123.68, 116.779, 103.939],
      [58.4, 57.1, 57.4],
    ];
    const settings: Normalisation = {
      channelOrder: i % 2 === 1 ? 'bgr' : 'rgb',
      scale: i === 3 ? 1 / 255 : 1,
      mean,
      std,
    };
    const raw: Normalisation = { channelOrder: 'rgb', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };
    const make = (name: string, transform: Float32Array<ArrayBuffer>, normalisation: Normalisation, exact: boolean) => {
      const fill = 37;
      const testCase: KernelCase = {
        name: `augment/warp [${Object.values(shape)}] ${name}`,
        kernel: augmentWarp,
        params: {
          batch: shape.batch,
          channels: shape.channels,
          height: shape.height,
          width: shape.width,
          out_height: shape.outHeight,
          out_width: shape.outWidth,
          fill,
          ...normalisationParams(normalisation),
        },
        inputs: { images: new Uint32Array(images.buffer), source, transform },
        outputs: { y: shape.batch * shape.channels * shape.outHeight * shape.outWidth },
        // Coordinates up to 20 in f32 are off by about 2e-6, and neighbouring pixels differ by up to 255.
        tolerance: exact ? { absolute: 0, relative: 0 } : { absolute: 3e-3, relative: 1e-4 },
        reference: () => ({ y: warp({ ...shape, ...normalisation, fill }, images, source, transform) }),
      };
      return testCase;
    };
    const rigid = Array.from({ length: shape.batch }, () => {
      const angle = random.between(-1, 1);
      const zoom = random.between(0.6, 1.6) * (random.integer(2) === 0 ? 1 : -1);
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      return [zoom * cos, -sin, random.between(-4, 12), zoom * sin, cos, random.between(-4, 8)];
    });
    const repeat = (row: readonly number[]) => Float32Array.from({ length: 6 * shape.batch }, (_, k) => row[k % 6]);
    return [
      make('identity', repeat(IDENTITY_TRANSFORM), raw, true),
      make('reflection', repeat([-1, 0, shape.width - 1, 0, 1, 0]), raw, true),
      make('whole pixels', repeat([1, 0, 2, 0, 1, -3]), raw, true),
      make('far outside', repeat([1e30, 0, 1e30, 0, 1, 0]), raw, true),
      make('rotation and zoom', Float32Array.from(rigid.flat()), settings, false),
    ];
  });
}
