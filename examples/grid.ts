/**
 * The freezing experiment from code: a grid over freeze points and rates, three seeds each, and the points that cannot be
 * told from the best. `node grid.js model.onnx photos/ results/`; the same folder again goes on where it ended.
 */
import { augmentPresets, Gpu, openExperiment, runGrid } from 'frostline';

const [model, data, out] = process.argv.slice(2);
if (out === undefined) throw new Error('Give the network, the folder of images and the folder for results.');

const gpu = await Gpu.open();
const experiment = await openExperiment({ model }, { dataset: { path: data }, trainFraction: 0.75 }, 1);
const result = await runGrid(
  gpu,
  experiment,
  {
    title: 'How deep to freeze',
    freeze: ['none', 'conv3', 'all'],
    learningRates: [0.002],
    allFrozenRates: [],
    newLayerFactor: 10,
    seeds: [1, 2, 3],
    fit: {
      ...{ momentum: 0.9, weightDecay: 1e-4, batchSize: 10, epochs: 4 },
      ...{ shuffle: 'every-epoch', augment: augmentPresets.none, dropout: true },
    },
    notes: {},
  },
  { example: 'grid' },
  out,
  { onEnd: (index, { status, metrics }) => console.log(`cell ${index + 1}: ${status}, F1 ${metrics?.f1.toFixed(3)}`) },
);
console.log(result.verdict?.sentence);
gpu.destroy();
