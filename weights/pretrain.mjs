#!/usr/bin/env node
/**
 * Pretrains the small AlexNet on eight of the ten classes of Fashion-MNIST: all but Sneaker and Ankle boot, which are the
 * transfer task in samples/. A tenth of the training images is the validation part, on which seeds and recipes are
 * compared; the test images are scored once, at the end. --validation-fraction 0 trains on all images, once nothing is left
 * to compare.
 *
 *   npm run build && node weights/pretrain.mjs [--data FOLDER] [--out FOLDER] [--seed N] ...
 *
 * The rate falls from --rate to --final-rate along half a cosine, an epoch at a time, after one epoch at a fifth of it.
 * --from FILE goes on from a network written before; --average N ends with the mean of the parameters after each of the
 * last N epochs (stochastic weight averaging: Izmailov et al., 2018), for which the final rate should not be 0.
 * Writes OUT/model.onnx, OUT/curve.csv (a line an epoch: rate, training loss, accuracy on either part) and OUT/scores.json.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fashionMnistClasses } from '../dist/data/dataset.js';
import { decodeImages } from '../dist/data/decode.js';
import { loadDataset } from '../dist/data/load.js';
import { stratifiedSplit } from '../dist/data/split.js';
import { Gpu } from '../dist/gpu/device.js';
import { loadNetwork } from '../dist/models/load.js';
import { alexnetSmall } from '../dist/models/tables.js';
import { writeModelFile } from '../dist/onnx/write.js';
import { selectSamples } from '../dist/train/data.js';
import { Evaluator } from '../dist/train/evaluate.js';
import { TrainingStep } from '../dist/train/fit.js';
import { createModel, exportModel, setMasks } from '../dist/train/model.js';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '/usr/share/datasets/fashion-mnist' },
    out: { type: 'string', default: 'runs/pretrain' },
    seed: { type: 'string', default: '1' },
    epochs: { type: 'string', default: '30' },
    rate: { type: 'string', default: '0.02' },
    'final-rate': { type: 'string', default: '0' },
    'validation-fraction': { type: 'string', default: '0.1' },
    from: { type: 'string' },
    average: { type: 'string', default: '0' },
    batch: { type: 'string', default: '32' },
    decay: { type: 'string', default: '0.0005' },
    /** Ratio in fc6 and fc7 while pretraining; the shipped network keeps AlexNet's 0.5. */
    dropout: { type: 'string', default: '0.2' },
    /** Largest shift, in pixels of the 28. */
    shift: { type: 'string', default: '1' },
    filters: { type: 'string', default: '16,32,48,48,32' },
    hidden: { type: 'string', default: '128' },
  },
});
const number = (name) => {
  const value = Number(values[name]);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} ${values[name]}: give a number.`);
  return value;
};
const [seed, epochs, rate, batchSize, weightDecay] = ['seed', 'epochs', 'rate', 'batch', 'decay'].map(number);
const [dropout, shift, hidden, finalRate, average] = ['dropout', 'shift', 'hidden', 'final-rate', 'average'].map(
  number,
);
const heldOut = number('validation-fraction');
if (average > epochs) throw new Error(`--average ${average}: there are ${epochs} epochs; give at most as many.`);
const filters = values.filters.split(',').map(Number);

const began = performance.now();
const seconds = () => ((performance.now() - began) / 1000).toFixed(0);
const heldBack = ['Sneaker', 'Ankle boot'];
const open = async (split) => {
  const dataset = await loadDataset({
    path: values.data,
    format: 'idx',
    split,
    classNames: fashionMnistClasses,
    exclude: heldBack,
  });
  const { data } = await decodeImages(dataset, { height: 64, width: 64 });
  const labels = Uint32Array.from(dataset.samples, ({ label }) => label);
  return { dataset, images: { kind: 'images', pixels: data, height: 64, width: 64, labels } };
};
const [{ dataset, images }, { images: test }] = [await open('train'), await open('test')];
const split = heldOut > 0 ? stratifiedSplit(dataset, { trainFraction: 1 - heldOut, seed: 1 }) : undefined;
const train = split ? selectSamples(images, split.train) : images;
const validation = split && selectSamples(images, split.test);

const fresh = alexnetSmall({ classes: dataset.classes, seed, filters, hidden });
const table = values.from ? { ...fresh, parameters: (await loadNetwork(values.from)).parameters } : fresh;
const withRatio = ({ op, ...node }) => ({ ...node, op: op.kind === 'dropout' ? { ...op, ratio: dropout } : op });
const gpu = await Gpu.open();
const model = createModel({ ...table, nodes: table.nodes.map(withRatio) });
setMasks(model, { freeze: 'none', newParameters: [], newLayerFactor: 1 });
const augment = {
  reflectX: 0.5,
  translate: [-shift / 28, shift / 28],
  scale: [1, 1],
  rotation: [0, 0],
  scalePerAxis: false,
  fill: 0,
};
const settings = {
  batchSize,
  weightDecay,
  momentum: 0.9,
  epochs: 1,
  shuffle: 'every-epoch',
  augment,
  dropout: dropout > 0,
};
const step = await TrainingStep.compile(gpu, model, train, settings);
const onValidation = validation && (await Evaluator.compile(gpu, model, validation, 100));
const right = ({ predictions }, { labels }) => predictions.filter((c, i) => c === labels[i]).length;
const validationRight = async () => onValidation && right(await onValidation.run(), validation);

console.log(
  `${gpu.describe()}; ${train.labels.length} + ${validation?.labels.length ?? 0} images after ${seconds()} s`,
);
await mkdir(values.out, { recursive: true });
const curve = [`epoch,learning_rate,training_loss,training_accuracy${validation ? ',validation_accuracy' : ''}`];
const sums = new Map();
for (let epoch = 0; epoch < epochs; epoch++) {
  const fallen = (1 - Math.cos((Math.PI * epoch) / epochs)) / 2;
  const learningRate = epoch === 0 ? rate / 5 : rate + (finalRate - rate) * fallen;
  const records = await step.fit({ ...settings, learningRate, seed: 1000 * seed + epoch });
  const mean = (key) => records.reduce((sum, record) => sum + record[key], 0) / records.length;
  const row = [epoch + 1, learningRate, mean('loss'), mean('accuracy')];
  if (validation) row.push((await validationRight()) / validation.labels.length);
  curve.push(row.map((x) => Number(x.toPrecision(5))).join());
  console.log(`${curve.at(-1)} after ${seconds()} s`);
  await writeFile(join(values.out, 'curve.csv'), `${curve.join('\n')}\n`);
  if (epoch < epochs - average) continue;
  for (const [name, parameter] of model.parameters) {
    const data = await parameter.read(gpu);
    const sum = sums.get(name) ?? new Float64Array(data.length);
    data.forEach((x, i) => {
      sum[i] += x;
    });
    sums.set(name, sum);
  }
}
step.destroy();
for (const [name, sum] of sums) {
  model.parameters.get(name).reset(
    gpu,
    Float32Array.from(sum, (x) => x / average),
  );
}
const validated = validation && { right: await validationRight(), of: validation.labels.length };
onValidation?.destroy();
const onTest = await Evaluator.compile(gpu, model, test, 100);
const testRight = right(await onTest.run(), test);
onTest.destroy();
// AlexNet's own ratio again: what is fine-tuned later has 0.5.
await writeModelFile(join(values.out, 'model.onnx'), await exportModel(gpu, { ...model, network: table }));
const scores = {
  recipe: {
    from: values.from,
    validationFraction: heldOut,
    seed,
    epochs,
    rate,
    finalRate,
    average,
    batchSize,
    weightDecay,
    dropout,
    shift,
    filters,
    hidden,
  },
  parameters: [...table.parameters.values()].reduce((sum, { data }) => sum + data.length, 0),
  validation: validated,
  test: { right: testRight, of: test.labels.length },
  adapter: gpu.describe(),
  seconds: Number(seconds()),
};
await writeFile(join(values.out, 'scores.json'), `${JSON.stringify(scores, null, 2)}\n`);
console.log(JSON.stringify(scores));
gpu.destroy();
