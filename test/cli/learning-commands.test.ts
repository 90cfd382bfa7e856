/** `frostline range-test` and `frostline halving` from the command line: files, figures by hand, and what they refuse. */
import { mkdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { temporaryFolder, writeImage, writeTiny } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();

beforeAll(async () => {
  await writeTiny(at('tiny.onnx'));
  for (const [c, name] of ['boot', 'coat'].entries()) {
    mkdirSync(at(`shoes/${name}`), { recursive: true });
    for (let i = 0; i < 12; i++) await writeImage(at(`shoes/${name}/${i}.png`), 100 * c + i);
  }
});
const model = () => ['--model', at('tiny.onnx'), '--data', at('shoes'), '--batch-size', '4'];

describe('frostline range-test', () => {
  const test = (...args: string[]) => run(registry, 'range-test', ...model(), '--steps', '20', ...args);

  it('lets the rate grow by one factor a step, and writes what it prints', async () => {
    const { code, stdout } = await test('--from-rate', '1e-5', '--to-rate', '1e-2', '--out', at('range'), '--json');
    expect(code).toBe(0);
    const { curve, suggestion, files } = JSON.parse(stdout);
    expect(curve.length).toBeGreaterThanOrEqual(20);
    expect(curve[0].learningRate).toBeCloseTo(1e-5, 12);
    expect(curve.at(-1).learningRate).toBeCloseTo(1e-2, 9);
    const factors = curve
      .slice(1)
      .map((one: { learningRate: number }, i: number) => one.learningRate / curve[i].learningRate);
    for (const factor of factors) expect(factor).toBeCloseTo(1000 ** (1 / (curve.length - 1)), 6);
    if (suggestion !== undefined) expect(suggestion.rate).toBeCloseTo(suggestion.lowestAt / 10, 12);
    const [csv, svg, json] = files.map((path: string) => readFileSync(path, 'utf8'));
    const [head, ...rows] = csv.trim().split(/\r?\n/);
    expect(head).toBe('step,learning_rate,loss,smoothed_loss');
    expect(rows.map((row: string) => Number(row.split(',')[2]))).toEqual(
      curve.map(({ loss }: { loss: number }) => loss),
    );
    expect(svg).toContain('<svg');
    expect(JSON.parse(json)).toMatchObject({ settings: { momentum: 0.9, freeze: 'none' }, curve });
  });

  it('says in words what it suggests, and what a range must be', async () => {
    const { stdout } = await test('--out', at('words'));
    expect(stdout).toMatch(/\d+ steps from rate 0\.000001 to /);
    expect(stdout).toMatch(
      /suggestion: .* a tenth of the rate at the lowest smoothed loss|no suggestion: the loss does not/,
    );
    const refused = await test('--from-rate', '0.1', '--to-rate', '0.01', '--out', at('none'));
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/--from-rate 0\.1 and --to-rate 0\.01/)]);
  });
});

describe('frostline halving', () => {
  const sweep = (out: string, ...args: string[]) =>
    run(
      registry,
      ...(['sweep', ...model(), '--freeze', 'none,conv3', '--learning-rates', '0.01,0.02', '--epochs', '4'] as const),
      ...['--validation-fraction', '0.3', '--out', at(out), ...args],
    );
  const halving = (...args: string[]) => run(registry, 'halving', ...args);

  it('plays the rungs on a full grid: the one that leads after each, in half of the arms, goes on', async () => {
    expect((await sweep('full')).code).toBe(0);
    const { code, stdout } = await halving(at('full'), '--budget', '2', '--json');
    expect(code).toBe(0);
    const [{ arms, rungs, epochs, share, together, alone }] = JSON.parse(stdout);
    expect([arms, rungs, epochs]).toEqual([4, [2], 4]);
    // Four arms to epoch 2, two of them to epoch 4: 12 of 16.
    expect(share).toBeCloseTo(12 / 16, 12);
    expect(alone).toHaveLength(1);
    // One split and seed: apart and together are the same.
    expect(alone[0]).toMatchObject({ best: together.best, found: together.found, regret: together.regret });
    expect(together.regret).toBeGreaterThanOrEqual(0);
    if (together.found === together.best) expect(together.regret).toBe(0);
    const words = await halving(at('full'), '--budget', '2');
    expect(words.stdout).toMatch(/4 points and rates, rungs after 2 of 4 epochs, 75 % of the steps/);
    expect(words.stdout).toMatch(/all runs together: finds (the full grid's best, |.* in place of )/);
  });

  it('refuses a grid that was itself halved', async () => {
    expect((await sweep('halved', '--budget', '2')).code).toBe(0);
    const { code, stderr } = await halving(at('halved'), '--budget', '2');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/halved: \d cells? not trained to the end\. Give a full/),
    ]);
  });
});
