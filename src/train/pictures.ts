/**
 * What a reader wants to see of a finished grid: test images that the best cell has wrong, with Grad-CAM by this engine's
 * own graph where its network was kept, and training images as augmentation makes them. One file beside the results,
 * small pictures in it as text, so that a report can be made again without data, network or device.
 */
import { type AugmentPreset, drawTransforms } from '../data/augment.ts';
import { heatOver, pictureUri, rgbOf } from '../data/picture.ts';
import type { Gpu } from '../gpu/device.ts';
import { compile } from '../graph/compile.ts';
import { existsSync, join } from '../host.ts';
import { loadNetwork } from '../models/load.ts';
import type { Network } from '../models/network.ts';
import { preprocessingOf } from '../models/preprocessing.ts';
import { readSaid, type Said } from './cell-predictions.ts';
import { type ImageData, selectSamples } from './data.ts';
import type { Experiment } from './experiment.ts';
import { createFeed } from './feed.ts';
import { gradCam, heatLayer } from './grad-cam.ts';
import type { GridResult } from './results.ts';
import { bestCell } from './select.ts';

export const PICTURES = 'pictures.json';

export interface WrongImage {
  readonly image: string;
  readonly label: string;
  readonly predicted: string;
  /** by class */
  readonly probabilities: Readonly<Record<string, number>>;
  /** data URIs */
  readonly picture: string;
  /** Grad-CAM for the predicted class and for the true one */
  readonly heat?: string;
  readonly heatOfLabel?: string;
}

export interface HardImage {
  readonly image: string;
  readonly label: string;
  /** runs that tested it, and how many of them have it wrong */
  readonly runs: number;
  readonly wrong: number;
  readonly picture: string;
}

export interface Pictures {
  /** the best cell's folder */
  readonly cell: string;
  /** the layer that Grad-CAM looks at */
  readonly heatLayer?: string;
  /** why there is no Grad-CAM */
  readonly withoutHeat?: string;
  /** how many test images the cell has wrong; the surest errors are shown */
  readonly wrongCount: number;
  readonly wrong: readonly WrongImage[];
  /** test images that most runs have wrong, the hardest first */
  readonly hard: readonly HardImage[];
  readonly augmented: readonly {
    readonly image: string;
    readonly original: string;
    readonly drawn: readonly string[];
  }[];
}

/** Errors and hard images shown, training images shown, and how often each is drawn. */
const [ERRORS, HARD, SAMPLES, DRAWS] = [18, 12, 4, 5];

/**
 * @param folder the grid's
 * @returns nothing where no cell is done, or the data are no images
 */
export async function makePictures(
  gpu: Gpu,
  experiment: Experiment,
  grid: Pick<GridResult, 'cells' | 'select'>,
  augment: AugmentPreset,
  folder: string,
): Promise<Pictures | undefined> {
  const best = bestCell(grid.cells, grid.select ?? 'test');
  if (best?.folder === undefined) return undefined;
  const division = experiment.at(Number(best.split) - 1);
  const { test, train, testIds, classes, network } = division;
  if (test?.kind !== 'images' || train.kind !== 'images') return undefined;
  const file = join(folder, best.folder, 'model.onnx');
  const trained = existsSync(file) ? await loadNetwork(file) : undefined;
  const errors = (await readSaid(folder, best, classes))
    .filter(({ label, predicted }) => label !== predicted)
    .sort((a, b) => b.probabilities[b.predicted] - a.probabilities[a.predicted] || (a.image < b.image ? -1 : 1));
  const shown = errors.slice(0, ERRORS).filter(({ image }) => testIds.includes(image));
  const images = selectSamples(
    test,
    shown.map(({ image }) => testIds.indexOf(image)),
  ) as ImageData;
  const heat =
    trained && heatLayer(trained) !== undefined ? await heatOf(gpu, trained, images, shown, classes) : undefined;
  return {
    cell: best.folder,
    ...(heat ? { heatLayer: heat.layer } : { withoutHeat: reasonWithout(trained) }),
    wrongCount: errors.length,
    wrong: await Promise.all(
      shown.map(async (error, i) => ({
        ...error,
        picture: await pictureOf(images, i),
        ...(heat && { heat: await heat.predicted(i), heatOfLabel: await heat.label(i) }),
      })),
    ),
    hard: await hardImages(experiment, grid.cells, folder),
    augmented: await augmentedSamples(gpu, network, train, classes, augment, best.seed),
  };
}

function reasonWithout(trained: Network | undefined): string {
  return trained === undefined
    ? 'The trained network was not kept (--keep none), so there is no Grad-CAM; train --from the cell makes it again.'
    : 'The network has no convolutional layer, so there is no Grad-CAM.';
}

/** Over all finished cells, and every split's test part. */
async function hardImages(
  experiment: Experiment,
  cells: GridResult['cells'],
  folder: string,
): Promise<readonly HardImage[]> {
  const tally = new Map<string, { label: string; runs: number; wrong: number; split: string }>();
  for (const cell of cells) {
    const { status, split } = cell;
    if (status !== 'done') continue;
    for (const { image, label, predicted } of await readSaid(folder, cell, experiment.classes)) {
      const known = tally.get(image) ?? { label, runs: 0, wrong: 0, split };
      tally.set(image, { ...known, runs: known.runs + 1, wrong: known.wrong + (label === predicted ? 0 : 1) });
    }
  }
  const hardest = [...tally]
    .filter(([, { wrong }]) => wrong > 0)
    .sort(([a, x], [b, y]) => y.wrong / y.runs - x.wrong / x.runs || y.wrong - x.wrong || (a < b ? -1 : 1))
    .slice(0, HARD);
  const pictures = new Map<string, string>();
  // A split's images are gathered anew with each call: once for all of its own.
  for (const split of new Set(hardest.map(([, own]) => own.split))) {
    const { test, testIds } = experiment.at(Number(split) - 1);
    if (test?.kind !== 'images') continue;
    for (const [image, own] of hardest) {
      const at = own.split === split ? testIds.indexOf(image) : -1;
      if (at >= 0) pictures.set(image, await pictureOf(test, at));
    }
  }
  return hardest.flatMap(([image, { split: _, ...own }]) => {
    const picture = pictures.get(image);
    return picture === undefined ? [] : [{ image, ...own, picture }];
  });
}

const pictureOf = ({ pixels, height, width }: ImageData, index: number) =>
  pictureUri(rgbOf(pixels, index, height * width), height, width);

async function heatOf(
  gpu: Gpu,
  network: Network,
  images: ImageData,
  shown: readonly Said[],
  classes: readonly string[],
) {
  if (shown.length === 0) return undefined;
  const { height, width, pixels } = images;
  const maps = async (of: (error: Said) => string) =>
    await gradCam(gpu, network, { ...images, labels: Uint32Array.from(shown, (error) => classes.indexOf(of(error))) });
  const predicted = await maps((error) => error.predicted);
  const label = await maps((error) => error.label);
  const picture = (from: typeof predicted) => async (i: number) =>
    await pictureUri(heatOver(rgbOf(pixels, i, height * width), images, from.maps[i], from), height, width);
  return { layer: predicted.layer, predicted: picture(predicted), label: picture(label) };
}

/** A few images of the training part, as the network's input has them in each epoch: sampled on the device. */
async function augmentedSamples(
  gpu: Gpu,
  network: Network,
  train: ImageData,
  classes: readonly string[],
  augment: AugmentPreset,
  seed: number,
): Promise<Pictures['augmented']> {
  const still = drawTransforms(augment, { seed, epoch: 0, samples: [0], height: train.height, width: train.width });
  if ([1, 0, 0, 0, 1, 0].every((value, i) => still[i] === value) && augment.reflectX === 0) return [];
  // One of each class, then others.
  const firsts = classes.flatMap((_, c) => {
    const at = train.labels.indexOf(c);
    return at < 0 ? [] : [at];
  });
  const samples = [...new Set([...firsts, ...train.labels.keys()])].slice(0, SAMPLES);
  const batch = samples.length;
  const feed = createFeed(gpu, network, train, batch, augment.fill);
  const graph = await compile(gpu, { outputs: [feed.image] });
  try {
    feed.load(graph);
    const draw = async (transforms?: Float32Array<ArrayBuffer>): Promise<string[]> => {
      feed.write(graph, samples, transforms);
      const [bytes] = await graph.run([feed.image]);
      return await picturesOf(new Float32Array(bytes), network);
    };
    const original = await draw();
    const drawn: string[][] = [];
    for (let epoch = 0; epoch < DRAWS; epoch++) {
      const { height, width } = train;
      drawn.push(await draw(drawTransforms(augment, { seed, epoch, samples, height, width })));
    }
    return samples.map((sample, i) => ({
      image: classes[train.labels[sample]],
      original: original[i],
      drawn: drawn.map((epoch) => epoch[i]),
    }));
  } finally {
    graph.destroy();
  }
}

/** From [batch, channels, height, width] as the network reads it, its normalisation taken back. */
async function picturesOf(values: Float32Array, network: Network): Promise<string[]> {
  const [channels, height, width] = network.inputs[0].shape;
  const { scale, mean, std, channelOrder } = preprocessingOf(network);
  const plane = height * width;
  const pictures: string[] = [];
  for (let first = 0; first < values.length; first += channels * plane) {
    const rgb = new Uint8Array(3 * plane);
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++) {
        const channel = channels === 1 ? 0 : channelOrder === 'bgr' ? 2 - c : c;
        const value = (values[first + channel * plane + i] * std[channel] + mean[channel]) / scale;
        rgb[3 * i + c] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
    pictures.push(await pictureUri(rgb, height, width));
  }
  return pictures;
}
