import {
  affineSampleKernel,
  IDENTITY_TRANSFORM,
  type Normalisation,
  normalisationParams,
} from '../../kernels/augment/augment.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { exactly } from '../expected.ts';
import { affineSample } from '../reference/affine-sample.ts';

interface Shape {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly channelOrder: 'rgb' | 'bgr';
}

const RESIDENT = 4;
const FILL = 37;

export const augmentFamily = defineFamily<Shape>({
  names: ['augment/affine-sample'],
  examples: [
    { batch: 1, channels: 3, height: 1, width: 1, outHeight: 1, outWidth: 1, channelOrder: 'rgb' },
    { batch: 3, channels: 3, height: 13, width: 17, outHeight: 13, outWidth: 17, channelOrder: 'bgr' },
    { batch: 5, channels: 1, height: 11, width: 7, outHeight: 11, outWidth: 7, channelOrder: 'rgb' },
    { batch: 2, channels: 3, height: 9, width: 10, outHeight: 19, outWidth: 5, channelOrder: 'bgr' },
  ],
  shape: (choose) => ({
    batch: choose(1, 17),
    channels: choose(0, 1) === 1 ? 3 : 1,
    height: choose(1, 13),
    width: choose(1, 13),
    outHeight: choose(1, 13),
    outWidth: choose(1, 13),
    channelOrder: choose(0, 1) === 1 ? 'bgr' : 'rgb',
  }),
  cases(shape, _kind, random): KernelCase[] {
    const { batch, channels, height, width, outHeight, outWidth, channelOrder } = shape;
    const images = new Uint8Array(RESIDENT * height * width * 4).map(() => random.integer(256));
    const source = Uint32Array.from({ length: batch }, () => random.integer(RESIDENT));
    const settings: Normalisation = {
      channelOrder,
      scale: random.integer(2) === 0 ? 1 : Math.fround(1 / 255),
      mean: [...Float32Array.of(123.68, 116.779, 103.939)],
      std: [...Float32Array.of(58.4, 57.1, 57.4)],
    };
    const raw: Normalisation = { channelOrder: 'rgb', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };
    const make = (what: string, transform: Float32Array<ArrayBuffer>, normalisation?: Normalisation): KernelCase => {
      const look = normalisation ?? raw;
      const { channelOrder: order, ...described } = shape;
      return {
        name: 'augment/affine-sample',
        description: `[${Object.values(described)}] ${look.channelOrder} ${what}`,
        kernel: affineSampleKernel,
        params: {
          batch,
          channels,
          height,
          width,
          out_height: outHeight,
          out_width: outWidth,
          fill: FILL,
          ...normalisationParams(look),
        },
        inputs: { images: new Uint32Array(images.buffer), source, transform },
        outputs: { y: batch * channels * outHeight * outWidth },
        reference: () => {
          const values = affineSample({ ...shape, ...look, fill: FILL }, images, source, transform);
          return {
            y:
              normalisation === undefined ? exactly(values) : { values, magnitudes: sizes(transform, look), units: 16 },
          };
        },
      };
    };
    /** A pixel's size, and what rounded coordinates may change: neighbours differ by up to 255. */
    const sizes = (transform: Float32Array, look: Normalisation) => {
      const out: number[] = [];
      for (let n = 0; n < batch; n++) {
        const [a, b, c, d, e, f] = Array.from(transform.subarray(6 * n, 6 * n + 6), Math.abs);
        for (let k = 0; k < channels; k++)
          for (let y = 0; y < outHeight; y++)
            for (let x = 0; x < outWidth; x++) {
              const coordinates = a * x + b * y + c + d * x + e * y + f;
              out.push((255 * look.scale * (1 + coordinates) + look.mean[k]) / look.std[k]);
            }
      }
      return out;
    };
    const rigid = Array.from({ length: batch }, () => {
      const angle = random.between(-1, 1);
      const zoom = random.between(0.6, 1.6) * (random.integer(2) === 0 ? 1 : -1);
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      return [zoom * cos, -sin, random.between(-4, 12), zoom * sin, cos, random.between(-4, 8)];
    });
    const repeat = (row: readonly number[]) => Float32Array.from({ length: 6 * batch }, (_, k) => row[k % 6]);
    const shift = [random.integer(5) - 2, random.integer(5) - 2];
    return [
      make('identity', repeat(IDENTITY_TRANSFORM)),
      make('reflection', repeat([-1, 0, width - 1, 0, 1, 0])),
      make(`shift by ${shift}`, repeat([1, 0, shift[0], 0, 1, shift[1]])),
      make('far outside', repeat([1e30, 0, 1e30, 0, 1, 0])),
      make('rotation and zoom', Float32Array.from(rigid.flat()), settings),
    ];
  },
});
