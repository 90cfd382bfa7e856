/** `--precision f16` from the command line: what runs, what the records say of it, and what is refused. */
import { mkdirSync, readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { temporaryFolder, writeImage, writeTiny } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();
const short = ['--batch-size', '4', '--epochs', '2', '--learning-rate', '0.01'];
const model = () => ['--model', at('tiny.onnx'), '--data', at('shoes')];

beforeAll(async () => {
  await writeTiny(at('tiny.onnx'));
  for (const [c, name] of ['boot', 'coat'].entries()) {
    mkdirSync(at(`shoes/${name}`), { recursive: true });
    for (let i = 0; i < 8; i++) await writeImage(at(`shoes/${name}/${i}.png`), 100 * c + i);
  }
});

it('train keeps the scale of each step, and the settings', async () => {
  const options = [...model(), ...short, '--precision', 'f16', '--out', at('half'), '--export', at('half.onnx')];
  const { code, stderr } = await run(registry, 'train', ...options);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('half precision');
  const records = readFileSync(at('half/history.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(records.length).toBeGreaterThan(2);
  for (const record of records) expect(record).toMatchObject({ lossScale: 8192, skipped: false });
  expect(JSON.parse(readFileSync(at('half/config.json'), 'utf8'))).toMatchObject({ settings: { precision: 'f16' } });

  const images = [at('shoes/boot/0.png'), at('shoes/coat/1.png')];
  const predicted = async (precision: string) => {
    const found = await run(registry, 'predict', at('half.onnx'), ...images, '--precision', precision, '--json');
    expect(found.code, found.stderr).toBe(0);
    const { predictions } = JSON.parse(found.stdout) as { predictions: { classes: { probability: number }[] }[] };
    return predictions.map(({ classes }) => classes[0].probability);
  };
  const [half, full] = [await predicted('f16'), await predicted('f32')];
  expect(half).not.toEqual(full);
  for (const [i, probability] of half.entries()) expect(Math.abs(probability - full[i])).toBeLessThan(0.02);
});

it('a grid of halves is not gone on with in single precision', async () => {
  const grid = [...model(), '--batch-size', '4', '--epochs', '1', '--learning-rates', '0.01', '--freeze', 'none'];
  const first = await run(registry, 'sweep', ...grid, '--precision', 'f16', '--out', at('grid'));
  expect(first.code, first.stderr).toBe(0);
  const { code, stderr } = await run(registry, 'sweep', ...grid, '--out', at('grid'));
  expect(code).toBe(2);
  expect(stderr).toContain('precision');
});

it('an adapter without shader-f16, and an unknown precision, are refused', async () => {
  const half = await run(registry, 'train', ...model(), ...short, '--precision', 'f16', '--adapter', 'embedded');
  expect(half.code).toBe(2);
  expect(half.stderr).toMatch(/has no shader-f16.*Leave --precision f16 out/);
  const other = await run(registry, 'train', ...model(), ...short, '--precision', 'bf16');
  expect(other.code).toBe(2);
  expect(other.stderr).toMatch(/--precision/);
  const adam = await run(registry, 'train', ...model(), ...short, '--precision', 'f16', '--optimizer', 'adam');
  expect(adam.code).toBe(2);
  expect(adam.stderr).toMatch(/no update by adam\. Use --optimizer sgdm, or --precision f32/);
});

it('kernels plan counts the bytes of halves', async () => {
  const bytes = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(registry, 'kernels', 'plan', '--as', 'h100', '--json', ...args);
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  const [half, full] = [await bytes('--precision', 'f16'), await bytes()];
  expect([half.precision, full.precision]).toEqual(['f16', 'f32']);
  expect(half.bytes / full.bytes).toBeLessThan(0.9);
  expect(half.ms).toBeLessThan(full.ms);
});
