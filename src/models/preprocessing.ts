/** How published networks want their images; see `Preprocessing` for the formula. */
import { checkArguments, FINITE, listOf, oneOf, POSITIVE, wholeFrom, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { Network, Pair, Preprocessing } from './network.ts';

const lengths = listOf(wholeFrom(1), '');

/** How images become inputs, as an argument; how many channels there are the network says. */
export const PREPROCESSING = withMembers(
  "{ size: [height, width], channelOrder: 'rgb' or 'bgr', scale, mean, std }: scale above 0, mean and std with a number " +
    'for each channel, those of std above 0',
  {
    size: (value) => lengths.is(value) && (value as unknown[]).length === 2,
    channelOrder: oneOf('rgb', 'bgr').is,
    scale: POSITIVE.is,
    mean: listOf(FINITE, '').is,
    std: listOf(POSITIVE, '').is,
  },
);

const imageNetRgb = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Means and deviations stand in the network's own channel order. */
export const presets = {
  /**
   * BVLC's AlexNet and CaffeNet: blue, green, red from 0 to 255 less the mean of Caffe's ImageNet mean image, crops of
   * 227 (Caffe, models/bvlc_alexnet and examples/00-classification).
   */
  'caffe-bgr': { size: [227, 227], channelOrder: 'bgr', scale: 1, mean: [104.007, 116.6688, 122.6789], std: [1, 1, 1] },
  /** VGG's own Caffe models (Simonyan and Zisserman 2014). */
  'caffe-vgg-bgr': {
    size: [224, 224],
    channelOrder: 'bgr',
    scale: 1,
    mean: [103.939, 116.779, 123.68],
    std: [1, 1, 1],
  },
  /** torchvision, timm and Gluon: from 0 to 1, ImageNet's mean and deviation. */
  torchvision: { size: [224, 224], channelOrder: 'rgb', scale: 1 / 255, ...imageNetRgb },
  /** From 0 to 255 as they are: for networks that subtract the mean themselves, as MATLAB's export does. */
  'raw-rgb': { size: [224, 224], channelOrder: 'rgb', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] },
  /** From -1 to 1. */
  symmetric: { size: [224, 224], channelOrder: 'rgb', scale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
} as const satisfies Record<string, Preprocessing>;

export type PreprocessingPreset = keyof typeof presets;

/**
 * A preset by name, at its own size or another one.
 *
 * @throws FrostlineError for an unknown name, with the known ones
 */
export function preprocessingPreset(name: string, size?: Pair): Preprocessing {
  if (!Object.hasOwn(presets, name)) {
    throw new FrostlineError(
      `there is no preprocessing preset '${name}'. Give one of ${Object.keys(presets).join(', ')}.`,
    );
  }
  const preset = presets[name as PreprocessingPreset];
  return size ? { ...preset, size } : preset;
}

/**
 * How images become the network's input.
 *
 * @throws FrostlineError where the file does not say it and nobody else did, with the presets' names
 */
export function preprocessingOf({ name, preprocessing }: Pick<Network, 'name' | 'preprocessing'>): Preprocessing {
  if (preprocessing !== undefined) {
    checkArguments(name, { preprocessing: [preprocessing, PREPROCESSING] });
    return preprocessing;
  }
  throw new FrostlineError(
    `how images become the input of ${name} is not known. Give --preprocessing with one of ` +
      `${Object.keys(presets).join(', ')}.`,
  );
}
