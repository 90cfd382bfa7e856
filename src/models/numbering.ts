/**
 * What a layer's number means. The paper names layers by MATLAB's numbers, which count every layer from the input on,
 * normalisation and pooling too: in MATLAB's AlexNet 10 is conv3. A file that has other layers in between counts
 * otherwise: torchvision's AlexNet has no normalisation, and its 10 is conv4. Names mean the same everywhere.
 */
import { type FreezePoint, freezePoints } from './layers.ts';
import type { Network } from './network.ts';

/** The learnable layers of the paper's two networks under MATLAB's numbers. */
export const paperLayers = {
  AlexNet: [
    ...([
      [2, 'conv1'],
      [6, 'conv2'],
      [10, 'conv3'],
      [12, 'conv4'],
      [14, 'conv5'],
    ] as const),
    ...([
      [17, 'fc6'],
      [20, 'fc7'],
      [23, 'fc8'],
    ] as const),
  ],
  VGG16: [
    ...([
      [2, 'conv1_1'],
      [4, 'conv1_2'],
      [7, 'conv2_1'],
      [9, 'conv2_2'],
    ] as const),
    ...([
      [12, 'conv3_1'],
      [14, 'conv3_2'],
      [16, 'conv3_3'],
      [19, 'conv4_1'],
      [21, 'conv4_2'],
      [23, 'conv4_3'],
    ] as const),
    ...([
      [26, 'conv5_1'],
      [28, 'conv5_2'],
      [30, 'conv5_3'],
      [33, 'fc6'],
      [36, 'fc7'],
      [39, 'fc8'],
    ] as const),
  ],
} as const;

export type PaperNetwork = keyof typeof paperLayers;

/** The paper's network that has the same number of learnable layers and convolutions where this one has, whatever their numbers. */
export function paperNetworkLike(network: Network): PaperNetwork | undefined {
  const points = freezePoints(network);
  const kinds = points.map(({ name }) => network.nodes.find((node) => node.name === name)?.op.kind);
  return (Object.keys(paperLayers) as PaperNetwork[]).find((key) => {
    const layers = paperLayers[key];
    // Exporters write the fully connected layers of some networks as convolutions.
    return (
      layers.length === points.length &&
      layers.every(([, name], i) => !name.startsWith('conv') || kinds[i] === 'conv2d')
    );
  });
}

const isPaper = (points: readonly FreezePoint[], key: PaperNetwork) =>
  points.length === paperLayers[key].length && points.every(({ number }, i) => number === paperLayers[key][i][0]);

/** Whether a layer's number is the one that the paper means by it. */
export const hasPaperNumbers = (network: Network, key: PaperNetwork): boolean => isPaper(freezePoints(network), key);

/** For people: what this file's numbers count, and what becomes of the paper's. */
export function aboutNumbers(network: Network): string {
  const points = freezePoints(network);
  const key = paperNetworkLike(network);
  const own = "this file's own layers, the input being 1";
  if (key === undefined) return `Numbers count ${own}; the paper's numbers name layers of other networks.`;
  if (isPaper(points, key)) {
    return `Numbers are MATLAB's for ${key}, as in the paper: they count every layer, the input being 1.`;
  }
  const layers = paperLayers[key];
  const moved = layers.flatMap(([number, name], i) =>
    i + 1 < layers.length && points[i].number !== number ? [`${number} (${name}) is ${points[i].number} here`] : [],
  );
  // Worse than a number that is none: one that names another layer.
  const taken = layers.flatMap(([number, name], i) => {
    const other = points.findIndex((point) => point.number === number);
    if (other < 0 || other === i) return [];
    const [, meaning] = layers[other];
    const called = points[other].name === meaning ? meaning : `${points[other].name} (the paper's ${meaning})`;
    return [`${number} here is ${called}, not ${name}`];
  });
  return `Numbers count ${own}, and are not MATLAB's for ${key}, which the paper has: the paper's ${[...moved, ...taken].join(', ')}.`;
}
