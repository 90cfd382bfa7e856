/** One run on a narrow network: whose folder it is. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { type RunOptions, trainOnce } from '../../src/train/run.ts';
import { useGpu } from '../support/gpu.ts';
import { experiment, plan } from '../support/narrow-experiment.ts';

const gpu = useGpu();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-run-'));
});
afterAll(() => rm(folder, { recursive: true }));

const fit = { ...plan.fit, epochs: 1, learningRate: 0.002, seed: 1 };
const options = (own: Partial<RunOptions> = {}): RunOptions => ({
  ...{ training: { freeze: 'all' }, newLayerFactor: 10, mask: [], fit, settings: { a: 1 }, out: join(folder, 'a') },
  ...own,
});

describe('the folder of a run', () => {
  it('is told by what is trained and how, though the settings are the same', async () => {
    const first = await trainOnce(gpu(), experiment, options());
    expect((await trainOnce(gpu(), experiment, options())).finalLoss).toBe(first.finalLoss);
    const others: Record<string, Partial<RunOptions>> = {
      epochs: { fit: { ...fit, epochs: 2 } },
      learningRate: { fit: { ...fit, learningRate: 0.004 } },
      seed: { fit: { ...fit, seed: 2 } },
      freeze: { training: { freeze: 'none' } },
      strategy: { training: { freeze: 'all', strategy: { kind: 'head-first' } } },
      newLayerFactor: { newLayerFactor: 5 },
      mask: { mask: ['fc8.*=3'] },
      layerDecay: { layerDecay: 0.5 },
    };
    for (const [name, own] of Object.entries(others)) {
      await expect(trainOnce(gpu(), experiment, options(own)), name).rejects.toThrow(
        `${join(folder, 'a')} holds a run of another configuration (different: ${name}). Give another --out`,
      );
    }
    const drawn = { ...experiment, network: experiment.withSeed(2) };
    await expect(trainOnce(gpu(), drawn, options())).rejects.toThrow('(different: newLayer)');
    expect(JSON.parse(await readFile(join(folder, 'a', 'metrics.json'), 'utf8')).finalLoss).toBe(first.finalLoss);
  });
});

describe('options of a run that are refused by name', () => {
  it.each([
    [{ fit: { ...fit, epochs: 0 } }, "trainOnce's fit: epochs is 0. Give a whole number of 1 or more."],
    [{ fit: { ...fit, epochs: Number.NaN } }, "trainOnce's fit: epochs is NaN."],
    [{ fit: { ...fit, lerningRate: 1 } }, "trainOnce's fit has no option 'lerningRate'."],
    [{ fit: { ...fit, schedule: { kind: 'cosin' } } }, "a schedule: kind is 'cosin'."],
    [{ layerDecay: 0 }, 'trainOnce: layerDecay is 0. Give a number above 0, at most 1.'],
    [{ layerDeacy: 0.5 }, "trainOnce has no option 'layerDeacy'."],
    [{ training: { freez: 'all' } }, "trainOnce's training has no option 'freez'."],
    [{ training: { freeze: 'all', strategy: { kind: 'gradul' } } }, "trainOnce's training: strategy is Object."],
  ])('%o', async (own, words) => {
    const wrong = { ...options(), ...own, out: join(folder, 'refused') } as RunOptions;
    const error = await trainOnce(gpu(), experiment, wrong).catch((reason) => reason);
    expect(error).toBeInstanceOf(FrostlineError);
    expect(error.message).toContain(words);
  });
});
