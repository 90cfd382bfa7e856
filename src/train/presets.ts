/** The experiments that have a name. */
import type { augmentPresets } from '../data/augment.ts';
import { dirname, fileURLToPath, join } from '../host.ts';
import type { PaperNetwork } from '../models/numbering.ts';

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
  /** the paper's network, whose layers go by MATLAB's numbers */
  readonly paper?: PaperNetwork;
  readonly notes: { readonly model?: string; readonly dataset?: string };
}

/** Both quick starts: one rate, so that nothing is chosen; without augmentation the frozen layers run once. */
const quick = {
  model: 'alexnet-small',
  learningRates: [0.002],
  allFrozenRates: [],
  momentum: 0.9,
  augment: 'none',
  splits: 4,
  repeats: 2,
} as const;

const smallNetwork =
  'alexnet-small has the topology and layer numbers of AlexNet at small width. It was pretrained by frostline on ' +
  'eight of the ten classes of Fashion-MNIST, in place of ImageNet weights, which may not be redistributed.';

/** What the paper leaves open, and what its presets take. */
const paperAssumptions = [
  'One split, drawn: the paper gives none. A stratified 75/25 split is what its scores allow (40 benign, 10 melanoma).',
  'Augmentation: translation by up to 30 of 227 pixels, reflection, scale 0.9 to 1.1 for each axis as in MathWorks’ examples; rotation by up to 15 degrees is a guess.',
  'L2 factor 0.0001, order drawn anew every epoch, an incomplete last batch left out: MATLAB’s defaults.',
  'The best layer and rate are those with the highest F1 on the test part, as the paper’s tables show them.',
];

export const presets = {
  /** Minutes on two cores: the shipped small AlexNet on the shipped clothes. */
  quickstart: {
    ...quick,
    title: 'Quick start: how deep to freeze the small AlexNet on clothes',
    data: join(root, 'samples', 'fashion-two'),
    notes: {
      model: smallNetwork,
      dataset:
        'Real photographs: 200 test images of the two classes of Fashion-MNIST that the network has never seen, 160 ' +
        'sneakers and 40 ankle boots, in place of the PH2 images, which may not be redistributed. MIT licence, Zalando SE.',
    },
  },
  /** The same on images far from what the network was pretrained on. */
  textures: {
    ...quick,
    title: 'Quick start: how deep to freeze the small AlexNet on textures',
    data: join(root, 'samples', 'textures'),
    notes: {
      model: smallNetwork,
      dataset:
        '64 patches of 64 x 64 pixels of each of three photographs: brick, grass, gravel. CC0, from scikit-image. All ' +
        'patches of a class come from one photograph, so the scores tell these textures apart; how other photographs ' +
        'of them would be classified is not known from here.',
    },
  },
  /** The paper's grid on AlexNet (227, BVLC's weights). */
  'paper-alexnet': {
    title: 'The freezing experiment on AlexNet',
    model: 'bvlcalexnet-12',
    learningRates: [0.000025, 0.0001, 0.0002],
    allFrozenRates: [0.002, 0.01, 0.015, 0.02],
    momentum: 0.99,
    assumptions: paperAssumptions,
    paper: 'AlexNet',
    notes: { model: 'ImageNet weights of BVLC AlexNet, from the ONNX model zoo.' },
  },
  /** The paper's grid on VGG16. */
  'paper-vgg16': {
    title: 'The freezing experiment on VGG16',
    model: 'vgg16-12',
    learningRates: [0.000025, 0.0001, 0.00015],
    // The paper has Table II's for AlexNet alone; --all-frozen-rates gives them to VGG16, too.
    allFrozenRates: [],
    momentum: 0.99,
    assumptions: paperAssumptions,
    paper: 'VGG16',
    notes: { model: 'ImageNet weights of VGG16, from the ONNX model zoo.' },
  },
} as const satisfies Record<string, Preset>;
