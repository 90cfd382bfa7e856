import { mkdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import type { Network } from '../../src/models/network.ts';
import { interpret } from '../models/interpret.ts';
import { temporaryFolder, tinyNetwork, writeImage, writeTiny } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();
/** In an order that is not the network's: bag, boot, coat. */
const folders = ['coat', 'bag', 'boot'];
const images: { label: string; pixels: Uint8Array }[] = [];
let network: Network;

beforeAll(async () => {
  network = await writeTiny(at('tiny.onnx'));
  await writeTiny(at('other.onnx'), tinyNetwork(['bag', 'boot', 'shoe']));
  for (const [c, label] of folders.entries()) {
    mkdirSync(at(`data/${label}`), { recursive: true });
    for (let i = 0; i < 3; i++) {
      images.push({ label, pixels: await writeImage(at(`data/${label}/${i}.png`), 10 * c + i) });
    }
  }
  mkdirSync(at('two/bag'), { recursive: true });
  mkdirSync(at('two/boot'), { recursive: true });
  await writeImage(at('two/bag/a.png'), 1);
  await writeImage(at('two/boot/a.png'), 2);
});

/** The class of an image from the definition of the network, in float64. */
function reference(pixels: Uint8Array): string {
  const { scale, mean, std, channelOrder } = network.preprocessing!;
  const plane = 64 * 64;
  const data = Float64Array.from({ length: 3 * plane }, (_, i) => {
    const c = Math.floor(i / plane);
    return (pixels[3 * (i % plane) + (channelOrder === 'rgb' ? c : 2 - c)] * scale - mean[c]) / std[c];
  });
  const [probabilities] = interpret(network, { data }, 1);
  return network.labels![probabilities.indexOf(Math.max(...probabilities))];
}

describe('frostline evaluate', () => {
  it('counts what the definition of the network counts, classes matched by name', async () => {
    const csv = at('out.csv');
    const { code, stdout, stderr } = await run(
      registry,
      ...['evaluate', at('tiny.onnx'), '--data', at('data'), '--batch-size', '4', '--output', csv, '--json'],
    );
    expect(stderr).toContain(`wrote ${csv}`);
    expect(code).toBe(0);
    const { classes, metrics, confusion, detail } = JSON.parse(stdout);
    expect(classes).toEqual(['bag', 'boot', 'coat']);
    const expected = classes.map((is: string) =>
      classes.map(
        (taken: string) => images.filter(({ label, pixels }) => label === is && reference(pixels) === taken).length,
      ),
    );
    expect(confusion).toEqual(expected);
    expect(metrics.correct).toBe(images.filter(({ label, pixels }) => reference(pixels) === label).length);
    expect(detail.perClass.map(({ name }: { name: string }) => name)).toEqual(classes);
    const [header, ...rows] = readFileSync(csv, 'utf8').trim().split('\n');
    expect(header).toBe('image,label,predicted,bag,boot,coat');
    expect(rows.length).toBe(9);
  });

  it.each([
    ['a class that the network does not know', ['other.onnx', 'data'], /The data has coat, which .* does not know/],
    ['a class without images', ['tiny.onnx', 'two'], /The data has no image of coat/],
  ])('refuses %s', async (_, [model, data], message) => {
    const { code, stderr } = await run(registry, 'evaluate', at(model), '--data', at(data));
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
