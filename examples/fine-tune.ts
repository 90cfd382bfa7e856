/**
 * Fine-tunes an ONNX network, a ResNet-18 for example, on a folder of class folders, its first layers frozen, and writes
 * the tuned network. `node fine-tune.js resnet18.onnx photos/ tuned.onnx`
 *
 * Get one by torch.onnx.export(torchvision.models.resnet18(weights='DEFAULT').eval(), torch.zeros(1, 3, 224, 224),
 * 'resnet18.onnx').
 */
import { augmentPresets, freezePoints, Gpu, openExperiment, trainOnce } from 'frostline';

const [model, data, tuned] = process.argv.slice(2);
if (tuned === undefined) throw new Error('Give the network, the folder of images and the file for the tuned network.');

const gpu = await Gpu.open();
const SEED = 1;
// A file says how it wants its images only where frostline wrote it: torchvision's networks want ImageNet's mean and spread.
const experiment = await openExperiment(
  { model, ...(process.env['PREPROCESSING'] && { preprocessing: process.env['PREPROCESSING'] }) },
  { dataset: { path: data }, trainFraction: 0.75 },
  SEED,
);
for (const note of experiment.dataset.notes) console.log(note);
const points = freezePoints(experiment.network);
// Half of its layers stand still.
const freeze = points[Math.floor(points.length / 2)].name;
console.log(`${experiment.network.name}: frozen through ${freeze} of ${points.map(({ name }) => name).join(', ')}`);

const result = await trainOnce(gpu, experiment, {
  training: { freeze },
  newLayerFactor: 10,
  mask: [],
  fit: {
    ...{ learningRate: 0.001, momentum: 0.9, weightDecay: 1e-4, batchSize: 4, epochs: 2, seed: SEED },
    ...{ shuffle: 'every-epoch', augment: augmentPresets.none, dropout: true },
  },
  settings: { example: 'fine-tune' },
  out: `${tuned}.run`,
  export: tuned,
});
console.log(
  `${result.steps} steps, loss ${result.finalLoss.toFixed(3)}, F1 on the rest ${result.metrics?.f1.toFixed(3)}`,
);
console.log(`wrote ${tuned}`);
gpu.destroy();
