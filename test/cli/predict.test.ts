import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import type { Network } from '../../src/models/network.ts';
import { presets } from '../../src/models/preprocessing.ts';
import { interpret } from '../models/interpret.ts';
import { expectClose } from '../support/compare.ts';
import { temporaryFolder, tinyNetwork, writeImage, writeTiny } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();
const names = ['a.png', 'b.png', 'deep/c.png'];
const pixels: Uint8Array[] = [];
let network: Network;

beforeAll(async () => {
  network = await writeTiny(at('tiny.onnx'));
  const { preprocessing: _, labels: __, ...bare } = network;
  await writeTiny(at('bare.onnx'), bare);
  mkdirSync(at('photos/deep'), { recursive: true });
  for (const [i, name] of names.entries()) pixels.push(await writeImage(at(`photos/${name}`), i + 1));
  writeFileSync(at('photos/notes.txt'), 'no image');
});

const predict = (...args: string[]) => run(registry, 'predict', ...args);
const lines = (csv: string) =>
  csv
    .trim()
    .split('\n')
    .map((line) => line.split(','));

/** Probabilities of one image, straight from the definition of its preprocessing, in float64. */
function reference(image: Uint8Array, preprocessing = network.preprocessing!): Float64Array {
  const { scale, mean, std, channelOrder } = preprocessing;
  const plane = 64 * 64;
  const data = Float64Array.from({ length: 3 * plane }, (_, i) => {
    const c = Math.floor(i / plane);
    const from = channelOrder === 'rgb' ? c : 2 - c;
    return (image[3 * (i % plane) + from] * scale - mean[c]) / std[c];
  });
  return interpret(network, { data }, 1)[0];
}

describe('frostline predict', () => {
  it('prints classes and probabilities of files and folders as CSV', async () => {
    const { code, stdout, stderr } = await predict(at('tiny.onnx'), at('photos'), '--top', '3', '--batch-size', '2');
    expect(stderr).toMatch(/^adapter: /m);
    expect(code).toBe(0);
    const [header, ...rows] = lines(stdout);
    expect(header).toEqual(['image', 'rank', 'class', 'probability']);
    expect(rows.length).toBe(9);
    for (const [i, name] of names.entries()) {
      const expected = reference(pixels[i]);
      const own = rows.filter(([image]) => image === join(at('photos'), name));
      expect(own.map(([, rank]) => rank)).toEqual(['1', '2', '3']);
      const order = [0, 1, 2].sort((a, b) => expected[b] - expected[a]);
      expect(own.map(([, , label]) => label)).toEqual(order.map((c) => ['bag', 'boot', 'coat'][c]));
      expectClose(
        own.map(([, , , probability]) => Number(probability)),
        order.map((c) => expected[c]),
        { absolute: 1e-4, relative: 1e-3 },
      );
    }
  });

  it('takes a preset in place of what the file does not say, and numbers classes without names', async () => {
    const image = at('photos/b.png');
    const { code, stdout } = await predict(at('bare.onnx'), image, '--preprocessing', 'caffe-bgr', '--json');
    expect(code).toBe(0);
    const { predictions, adapter } = JSON.parse(stdout);
    expect(adapter).toMatch(/\((hardware|software|embedded)\)$/);
    const expected = reference(pixels[1], presets['caffe-bgr']);
    const best = expected.indexOf(Math.max(...expected));
    expect(predictions).toEqual([
      { image, classes: [{ index: best, name: String(best), probability: expect.closeTo(expected[best], 3) }] },
    ]);
  });

  it('writes the CSV to a file', async () => {
    const { code, stdout, stderr } = await predict(at('tiny.onnx'), at('photos/a.png'), '--output', at('new/out.csv'));
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toContain(`wrote ${at('new/out.csv')}`);
    const expected = reference(pixels[0]);
    const best = ['bag', 'boot', 'coat'][expected.indexOf(Math.max(...expected))];
    expect(lines(readFileSync(at('new/out.csv'), 'utf8'))[1].slice(0, 3)).toEqual([at('photos/a.png'), '1', best]);
  });

  it('names every image that cannot be decoded, and writes nothing', async () => {
    writeFileSync(at('broken.png'), readFileSync(at('photos/a.png')).subarray(0, 2000));
    writeFileSync(at('text.jpg'), 'no image');
    const { code, stdout, stderr } = await predict(
      ...[at('tiny.onnx'), at('photos/a.png'), at('broken.png'), at('text.jpg'), '--output', at('never.csv')],
    );
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/2 of 3 images .*cannot be decoded:\n.*broken\.png: .*\n.*text\.jpg: /);
    expect(existsSync(at('never.csv'))).toBe(false);
  });

  it('leaves broken images out by option, names them, and ends with 1', async () => {
    writeFileSync(at('text.jpg'), 'no image');
    const broken = [at('photos/a.png'), at('text.jpg'), at('photos/b.png'), at('photos/deep/c.png')];
    const { code, stdout, stderr } = await predict(at('tiny.onnx'), ...broken, '--skip-broken', '--batch-size', '2');
    expect(code).toBe(1);
    expect(lines(stdout).map(([image]) => image)).toEqual(['image', broken[0], broken[2], broken[3]]);
    expect(stderr).toMatch(/1 of 4 images cannot be decoded:\n.*text\.jpg: .*\nThey are left out/);
    // The places of broken images change nothing about the others: to the bit where batches are as large.
    const sound = [broken[0], broken[2], broken[3]];
    const alone = await predict(at('tiny.onnx'), ...sound, '--batch-size', '2');
    expect(lines(alone.stdout)).toEqual(lines(stdout));
    // Other batches may go by other algorithms: to rounding.
    const together = await predict(at('tiny.onnx'), ...sound, '--batch-size', '3');
    const probabilities = (text: string) =>
      lines(text)
        .slice(1)
        .map((line) => Number(line[3]));
    expectClose(probabilities(together.stdout), probabilities(stdout), { absolute: 0, relative: 1e-5 }, 'together');
  });

  it('keeps no part of an output behind which an image is broken', async () => {
    writeFileSync(at('text.jpg'), 'no image');
    const images = [at('photos/a.png'), at('photos/b.png'), at('text.jpg')];
    const { code } = await predict(at('tiny.onnx'), ...images, '--batch-size', '1', '--output', at('none/at/all.csv'));
    expect(code).toBe(2);
    expect(existsSync(at('none'))).toBe(false);
  });

  it('writes JSON lines', async () => {
    const { code, stdout } = await predict(at('tiny.onnx'), at('photos'), '--format', 'jsonl', '--batch-size', '2');
    expect(code).toBe(0);
    const read = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(read.map(({ image }) => image)).toEqual(names.map((name) => join(at('photos'), name)));
    expect(read[0].classes).toHaveLength(1);
  });

  it.each([
    ['a path that is not there', ['tiny.onnx', 'nowhere'], /nowhere does not exist/],
    ['a folder without images', ['tiny.onnx', 'empty'], /empty holds no image/],
    [
      'a network whose preprocessing is not known',
      ['bare.onnx', 'photos'],
      /is not known\. Give --preprocessing with one of caffe-bgr, .*torchvision/,
    ],
    ['labels that are not the classes', ['labels.onnx', 'photos'], /carries 2 labels for 3 classes/],
    ['a network of another kind', ['photos/a.png', 'photos'], /a\.png is no ONNX model: it is an image/],
  ])('refuses %s', async (_, [model, images], message) => {
    mkdirSync(at('empty'), { recursive: true });
    await writeTiny(at('labels.onnx'), { ...tinyNetwork(), labels: ['bag', 'boot'] });
    const { code, stdout, stderr } = await predict(at(model), at(images));
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, '']);
  });

  it('refuses an unknown preset with the known ones', async () => {
    const { code, stderr } = await predict(at('bare.onnx'), at('photos'), '--preprocessing', 'torch');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/--preprocessing: found "torch"; .*torchvision/)]);
  });
});
