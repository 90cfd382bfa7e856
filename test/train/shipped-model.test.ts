/** The model that ships is as good as weights/README.md says, measured on the test images it names. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeImages } from '../../src/data/decode.ts';
import { loadDataset } from '../../src/data/load.ts';
import { loadNetwork } from '../../src/models/load.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { createModel, releaseModel } from '../../src/train/model.ts';
import { useGpu } from '../support/gpu.ts';

const fashion = '/usr/share/datasets/fashion-mnist';
const weights = (name: string) => new URL(`../../weights/${name}`, import.meta.url);

describe.skipIf(!existsSync(fashion))('alexnet-small (Debian package dataset-fashion-mnist)', () => {
  const gpu = useGpu();

  it('is right on as many test images as its page says', async () => {
    const page = readFileSync(weights('README.md'), 'utf8');
    const classNames = /--class-names "([^"]+)"/.exec(page)![1].split(',');
    const exclude = /--exclude "([^"]+)"/.exec(page)![1].split(',');
    const claimed = Number(/\(([\d,]+) right;/.exec(page)![1].replace(',', ''));

    const dataset = await loadDataset({ path: fashion, format: 'idx', split: 'test', classNames, exclude });
    const network = await loadNetwork(weights('alexnet-small.onnx').pathname);
    expect(network.labels).toEqual(dataset.classes);
    const [, height, width] = network.inputs[0].shape;
    const { data } = await decodeImages(dataset, { height, width });
    const labels = Uint32Array.from(dataset.samples, ({ label }) => label);
    const model = createModel(network);
    const images = { kind: 'images' as const, pixels: data, height, width, labels };
    const evaluator = await Evaluator.compile(gpu(), model, images, 100);
    const { predictions } = await evaluator.run();
    evaluator.destroy();
    releaseModel(gpu(), model);
    expect(labels.length).toBe(8000);
    const right = predictions.reduce((sum, prediction, i) => sum + (prediction === labels[i] ? 1 : 0), 0);
    // Adapters round differently: a few images lie on the edge between two classes.
    expect(Math.abs(right - claimed)).toBeLessThanOrEqual(4);
  });
});
