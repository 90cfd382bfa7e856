/** From resident 8-bit images to the network's input: the augmentation's affine sampler as an operation of the graph. */
import { checkArguments, type Expectation, NUMBERS, OBJECT, oneOf, POSITIVE, wholeFrom } from '../../arguments.ts';
import { affineSampleKernel, type Normalisation, normalisationParams } from '../../kernels/augment/augment.ts';
import { checkOptions, type OptionNames } from '../../options.ts';
import { apply, refuse, shapeText } from '../operation.ts';
import { checkTensors, type Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';

/** Affine maps of images, and what stands beyond their edges. */
export interface AffineSampleOptions extends Normalisation {
  /** height, width of the output */
  readonly size: readonly [number, number];
  readonly channels: 1 | 3;
  /** 0..255, what lies outside the image */
  readonly fill: number;
  readonly name?: string;
}

const SAMPLE_OPTIONS: OptionNames<AffineSampleOptions> = {
  size: true,
  channels: true,
  fill: true,
  name: true,
  channelOrder: true,
  scale: true,
  mean: true,
  std: true,
};

const SIZE: Expectation = {
  is: (value) => Array.isArray(value) && value.length === 2 && value.every((one) => wholeFrom(1).is(one)),
  words: '[height, width]',
};

const FILL: Expectation = {
  is: (value) => Number.isFinite(value) && (value as number) >= 0 && (value as number) <= 255,
  words: 'a number from 0 to 255',
};
/** A list is refused with all that it holds. */
function checkChannels(name: string, what: string, values: unknown, channels: number, least: number): void {
  checkArguments(name, { [what]: [values, NUMBERS] });
  const list: readonly unknown[] = [...(values as number[])];
  const fits = (one: unknown) =>
    typeof one === 'number' && Number.isFinite(Math.fround(one)) && Math.fround(one) > least;
  if (list.length === channels && list.every(fits)) return;
  const each = least === 0 ? 'numbers above 0, in single precision too' : 'finite numbers';
  refuse(name, `${what} [${list.join(', ')}] of ${channels} channels`, `Give one a channel: ${channels} ${each}.`);
}

/**
 * @param images [count, height, width] of u32, one RGBA pixel a word; they must fit one binding
 * @param source [N] of u32: which image each of the batch is
 * @param transforms [N, 6]: xin = a xout + b yout + c, yin = d xout + e yout + f for each of the batch
 * @returns N,C,H,W of `channels` and `size`: (value * scale - mean) / std of what is sampled
 * @throws FrostlineError where shapes do not fit, mean and std hold not one value a channel, scale or a std is not above 0
 */
export function affineSample(images: Tensor, source: Tensor, transforms: Tensor, options: AffineSampleOptions): Tensor {
  checkArguments('affineSample', { options: [options, OBJECT] });
  const { size, channels, fill, name = 'affineSample', channelOrder, scale, mean, std } = options;
  checkOptions(name, options, SAMPLE_OPTIONS);
  checkArguments(name, {
    size: [size, SIZE],
    channels: [channels, oneOf(1, 3)],
    fill: [fill, FILL],
    channelOrder: [channelOrder, oneOf('rgb', 'bgr')],
    scale: [scale, POSITIVE],
  });
  checkChannels(name, 'mean', mean, channels, Number.NEGATIVE_INFINITY);
  checkChannels(name, 'std', std, channels, 0);
  checkTensors(name, { images, source, transforms });
  const [, height, width] = images.shape;
  const batch = source.size;
  if (images.type !== 'u32' || images.shape.length !== 3 || source.type !== 'u32' || transforms.size !== 6 * batch) {
    refuse(
      name,
      `images ${shapeText(images.shape)}, source ${shapeText(source.shape)}, transforms ${shapeText(transforms.shape)}`,
      'Give [count, H, W], [N] and [N, 6].',
    );
  }
  const outputBytes = 4 * channels * size[0] * size[1];
  const params = {
    channels,
    height,
    width,
    out_height: size[0],
    out_width: size[1],
    fill,
    ...normalisationParams(options),
  };
  return apply(
    {
      name: 'affineSample',
      integers: [0, 1],
      below: { 1: images.shape[0] },
      forward(emit) {
        for (const window of windows(emit.gpu, batch, [outputBytes], `${name}: one image`)) {
          emit.run(
            affineSampleKernel,
            { ...params, batch: window.count },
            {
              images: emit.value(images).view(),
              source: rows(emit.value(source), 4, window),
              transform: rows(emit.value(transforms), 24, window),
              y: rows(emit.value(emit.output), outputBytes, window),
            },
          );
        }
      },
      backward: null,
    },
    [images, source, transforms],
    [batch, channels, ...size],
    name,
  );
}
