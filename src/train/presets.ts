/** The experiments that have a name. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { augmentPresets } from '../data/augment.ts';

type AugmentName = keyof typeof augmentPresets;

/** The package's root: `src/train` and `dist/train` lie equally deep. */
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export interface Preset {
  readonly title: string;
  readonly model: string;
  /** none: the user's own */
  readonly data?: string;
  readonly learningRates: readonly number[];
  readonly allFrozenRates: readonly number[];
  readonly momentum: number;
  /** 6 where left out, the paper's */
  readonly epochs?: number;
  /** the paper's where left out */
  readonly augment?: AugmentName;
  /** 1 where left out, the paper's */
  readonly splits?: number;
  readonly repeats?: number;
  /** what the paper leaves open, and what is taken */
  readonly assumptions?: readonly string[];
  readonly notes: { readonly model?: string; readonly dataset?: string };
}

export const presets = {
  /** Minutes on two cores: the shipped small AlexNet on the shipped sample. */
  quickstart: {
    title: 'Quick start: how deep to freeze the small AlexNet',
    model: 'alexnet-small',
    data: join(root, 'samples', 'fashion-two'),
    learningRates: [0.001, 0.002, 0.005],
    allFrozenRates: [],
    momentum: 0.9,
    // Without augmentation the frozen layers run once, which leaves time for twice the paper's epochs.
    epochs: 12,
    augment: 'none',
    notes: {
      model:
        'alexnet-small has the topology and layer numbers of AlexNet at small width. It was pretrained by frostline on ' +
        'eight of the ten classes of Fashion-MNIST, in place of ImageNet weights, which may not be redistributed.',
      dataset:
        'Real photographs: 200 test images of the two classes of Fashion-MNIST that the network has never seen, 160 ' +
        'sneakers and 40 ankle boots, in place of the PH2 images, which may not be redistributed. MIT licence, Zalando SE.',
    },
  },
  /** The paper's grid on AlexNet (227, BVLC's weights). */
  'paper-alexnet': {
    title: 'The freezing experiment on AlexNet',
    model: 'bvlcalexnet-12',
    learningRates: [0.000025, 0.0001, 0.0002],
    allFrozenRates: [0.002, 0.01, 0.015, 0.02],
    momentum: 0.99,
    notes: { model: 'ImageNet weights of BVLC AlexNet, from the ONNX model zoo.' },
  },
  /** The paper's grid on VGG16. */
  'paper-vgg16': {
    title: 'The freezing experiment on VGG16',
    model: 'vgg16-12',
    learningRates: [0.000025, 0.0001, 0.00015],
    allFrozenRates: [0.002, 0.01, 0.015, 0.02],
    momentum: 0.99,
    notes: { model: 'ImageNet weights of VGG16, from the ONNX model zoo.' },
  },
} as const satisfies Record<string, Preset>;
