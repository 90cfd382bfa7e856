import { FrostlineError } from '../errors.ts';
import { Random, randomBits } from '../random.ts';

/** Least and most of a drawn value. */
export type Range = readonly [low: number, high: number];

/** What each image of each epoch is subjected to; every value is drawn uniformly from its range. */
export interface AugmentPreset {
  /** Probability of a reflection left to right. */
  readonly reflectX: number;
  /** Shift, in fractions of the width (x) and of the height (y); both are drawn separately. */
  readonly translate: Range;
  /** Factor of size: 1.1 shows the image larger. */
  readonly scale: Range;
  /** Degrees, clockwise as seen. */
  readonly rotation: Range;
  /** Whether width and height have factors of their own. */
  readonly scalePerAxis: boolean;
  /** 8-bit value of what lies outside the image, before any normalisation. */
  readonly fill: number;
}

/** MATLAB's examples shift by up to 30 pixels at AlexNet's input of 227; as a fraction it serves every input size. */
const SHIFT = 30 / 227;

/**
 * Ranges of random rotation, scale, shear, translation and reflection by name; `matlab` is of imageDataAugmenter's
 * kind.
 */
export const augmentPresets = {
  /**
   * What the paper names: translation, reflection, rotation, scaling. Ranges as in MathWorks' "Train Deep Learning
   * Network to Classify New Images" (reflection, translation, a scale for each axis). The paper gives no range for the
   * rotation: 15 degrees is an assumption.
   */
  paper: {
    reflectX: 0.5,
    translate: [-SHIFT, SHIFT],
    scale: [0.9, 1.1],
    rotation: [-15, 15],
    scalePerAxis: true,
    fill: 0,
  },
  /** MathWorks' "Transfer Learning Using AlexNet": reflection and translation alone. */
  'matlab-alexnet': {
    reflectX: 0.5,
    translate: [-SHIFT, SHIFT],
    scale: [1, 1],
    rotation: [0, 0],
    scalePerAxis: false,
    fill: 0,
  },
  none: { reflectX: 0, translate: [0, 0], scale: [1, 1], rotation: [0, 0], scalePerAxis: false, fill: 0 },
} as const satisfies Record<string, AugmentPreset>;

export interface TransformDraw {
  seed: number;
  epoch: number;
  /** The samples' indices in the data set: a sample's draw does not depend on its place in the batch. */
  samples: ArrayLike<number>;
  height: number;
  width: number;
}

/** Separates this use of a seed from others. */
const AUGMENT_STREAM = 0x61756767;

/**
 * Draws a random affine transformation for each sample and returns its inverse, which a sampler needs: six values a
 * sample, [a b c; d e f], that map the centre of an output pixel to a place in the input,
 *
 *     xin = a xout + b yout + c      yin = d xout + e yout + f
 *
 * in pixels, with pixel i's centre at i. The image is scaled, then rotated, then reflected, all about its centre, then
 * translated. (MathWorks does not publish its order.) A draw depends on the seed, the epoch and the sample alone.
 */
export function drawTransforms(preset: AugmentPreset, draw: TransformDraw): Float32Array<ArrayBuffer> {
  check(preset);
  const { seed, epoch, samples, height, width } = draw;
  const transforms = new Float32Array(samples.length * 6);
  const epochSeed = randomBits(seed, epoch);
  for (let i = 0; i < samples.length; i++) {
    const random = new Random(randomBits(epochSeed, samples[i]), AUGMENT_STREAM);
    // Everything is drawn whether or not it is used, so that presets that share a range share its draws.
    const reflect = random.uniform() < preset.reflectX ? -1 : 1;
    const scaleX = random.between(...preset.scale);
    const separate = random.between(...preset.scale);
    const scaleY = preset.scalePerAxis ? separate : scaleX;
    const angle = (random.between(...preset.rotation) * Math.PI) / 180;
    const shiftX = random.between(...preset.translate) * width;
    const shiftY = random.between(...preset.translate) * height;

    // Inverse of  out - centre = F R S (in - centre) + shift,  R clockwise with y down:  S^-1 R^T F.
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const a = (reflect * cos) / scaleX;
    const b = sin / scaleX;
    const d = (-reflect * sin) / scaleY;
    const e = cos / scaleY;
    const [centreX, centreY] = [(width - 1) / 2, (height - 1) / 2];
    const [x, y] = [centreX + shiftX, centreY + shiftY];
    transforms.set([a, b, centreX - a * x - b * y, d, e, centreY - d * x - e * y], i * 6);
  }
  return transforms;
}

function check({ reflectX, translate, scale, rotation, fill }: AugmentPreset): void {
  const demand = (name: string, value: unknown, holds: boolean, expected: string) => {
    if (!holds) throw new FrostlineError(`augmentation: ${name} is ${value}; expected ${expected}`);
  };
  const isRange = ([low, high]: Range) => Number.isFinite(low) && Number.isFinite(high) && low <= high;
  demand('reflectX', reflectX, reflectX >= 0 && reflectX <= 1, 'a probability from 0 to 1');
  demand('translate', translate, isRange(translate), 'two fractions of the image size, the lower first');
  demand('scale', scale, isRange(scale) && scale[0] > 0, 'two factors above 0, the lower first');
  demand('rotation', rotation, isRange(rotation), 'two angles in degrees, the lower first');
  demand('fill', fill, fill >= 0 && fill <= 255, 'an 8-bit value from 0 to 255');
}
