/** What each strategy trains, phase after phase, and how it is asked for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseStrategy } from '../../src/cli/strategies.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { masksOf } from '../../src/train/model.ts';
import { plannedEpochs } from '../../src/train/phases.ts';
import { pointName } from '../../src/train/results.ts';
import { describeTraining, phasesOf, type Strategy, type Training, trainingsOf } from '../../src/train/strategy.ts';

const network = alexnetSmall({ classes: 2 });
const folder = mkdtempSync(join(tmpdir(), 'frostline-strategy-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** For each phase the layers that it trains, its epochs, and the factor on the rate of the first of them. */
const planned = (training: Training, defaults = { epochs: 4 }) =>
  phasesOf(network, training, defaults).map(({ masks, epochs, rateFactor }) => {
    const factors = masksOf(network, { ...masks, newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 });
    const weights = [...factors].filter(([name, factor]) => name.endsWith('.weight') && factor !== 0);
    return [weights.map(([name]) => name.replace('.weight', '')).join(' '), epochs, rateFactor * weights[0][1]];
  });

const everything = 'conv1 conv2 conv3 conv4 conv5 fc6 fc7 fc8';
const above6 = 'conv3 conv4 conv5 fc6 fc7 fc8';

describe('a strategy', () => {
  it('direct, which is the default: all that is not frozen, at once', () => {
    expect(planned({ freeze: 'none' })).toEqual([[everything, 4, 1]]);
    expect(planned({ freeze: 6, strategy: { kind: 'direct' } })).toEqual([[above6, 4, 1]]);
    expect(planned({ freeze: 'none', tuneOnly: ['conv4..conv5'] })).toEqual([['conv4 conv5 fc8', 4, 1]]);
  });

  it('head first: the new layer alone, as long as is said or as the run, then the rest with it', () => {
    expect(planned({ freeze: 6, strategy: { kind: 'head-first' } })).toEqual([
      ['fc8', 4, 10],
      [above6, 4, 1],
    ]);
    expect(planned({ freeze: 'none', tuneOnly: ['conv1'], strategy: { kind: 'head-first', epochs: 1 } })).toEqual([
      ['fc8', 1, 10],
      ['conv1 fc8', 4, 1],
    ]);
  });

  it('gradual: a layer more in each phase, down to the frost line, where it stays for the run', () => {
    expect(planned({ freeze: 'conv4', strategy: { kind: 'gradual', epochs: 2 } })).toEqual([
      ['fc8', 2, 10],
      ['fc7 fc8', 2, 1],
      ['fc6 fc7 fc8', 2, 1],
      ['conv5 fc6 fc7 fc8', 4, 1],
    ]);
    const phases = phasesOf(network, { freeze: 'none', strategy: { kind: 'gradual' } }, { epochs: 4 });
    expect(phases.map(({ epochs }) => epochs)).toEqual([1, 1, 1, 1, 1, 1, 1, 4]);
    expect(plannedEpochs(phases)).toBe(11);
  });

  it('layer decay: smaller rates for what lies deeper', () => {
    expect(planned({ freeze: 'fc6', strategy: { kind: 'layer-decay', factor: 0.5 } })).toEqual([['fc7 fc8', 4, 0.5]]);
    expect(planned({ freeze: 'none', strategy: { kind: 'layer-decay', factor: 0.5 } })).toEqual([
      [everything, 4, 0.5 ** 7],
    ]);
  });

  it('phases: exactly what each names, by name, number, range and pattern', () => {
    const phases = [
      { train: ['new'], epochs: 2, rate: 0.5 },
      { train: ['fc*', 'conv1'] },
      { train: ['conv3..conv5'], 'early-stopping': 3 },
    ];
    const strategy: Strategy = { kind: 'phases', name: 'mine', phases };
    expect(planned({ freeze: 'none', strategy })).toEqual([
      ['fc8', 2, 5],
      ['conv1 fc6 fc7 fc8', 4, 1],
      ['conv3 conv4 conv5', 4, 1],
    ]);
    const stopping = phasesOf(network, { freeze: 'none', strategy }, { epochs: 4, earlyStopping: 2 });
    expect(stopping.map(({ earlyStopping }) => earlyStopping)).toEqual([2, 2, 3]);
    const unknown: Strategy = { kind: 'phases', name: 'x', phases: [{ train: ['conv9*'] }] };
    expect(() => planned({ freeze: 'none', strategy: unknown })).toThrow(/no learnable layer 'conv9\*'/);
  });

  it('has a name of its own', () => {
    const name = (training: Training) => pointName(describeTraining(network, training));
    expect(name({ freeze: 'none' })).toBe('none');
    expect(name({ freeze: 10, strategy: { kind: 'head-first', epochs: 2 } })).toBe('conv3, head first (2)');
    expect(name({ freeze: 'none', strategy: { kind: 'gradual' } })).toBe('none, gradual');
    expect(name({ freeze: 'none', tuneOnly: ['10..14', 'fc7'] })).toBe('only conv3..conv5 and fc7');
    expect(name({ freeze: 'none', strategy: { kind: 'phases', name: 'mine', phases: [{ train: ['new'] }] } })).toBe(
      'phases mine',
    );
  });
});

describe('points and strategies', () => {
  const names = (...given: [(string | number)[], string[][], Strategy[]]) =>
    trainingsOf(network, ...given).map((training) => pointName(describeTraining(network, training)));

  it('cross, but for what is no training of its own', () => {
    const strategies: Strategy[] = [
      { kind: 'direct' },
      { kind: 'head-first' },
      { kind: 'gradual' },
      { kind: 'phases', name: 'mine', phases: [{ train: ['new'] }] },
    ];
    expect(names(['none', 'all'], [['conv1']], strategies)).toEqual([
      ...['none', 'none, head first', 'none, gradual', 'fc7'],
      ...['only conv1', 'only conv1, head first', 'phases mine'],
    ]);
  });

  it('are refused where nothing is left, or two have one name', () => {
    expect(() => names([], [['conv1']], [{ kind: 'gradual' }])).toThrow(/gradual is for --freeze points/);
    const mine: Strategy = { kind: 'phases', name: 'mine', phases: [{ train: ['new'] }] };
    expect(() => names([], [], [mine, mine])).toThrow(/Two strategies are called 'mine'/);
  });
});

describe('--strategy', () => {
  it.each([
    ['direct', { kind: 'direct' }],
    ['head-first', { kind: 'head-first' }],
    ['head-first=3', { kind: 'head-first', epochs: 3 }],
    ['gradual=2', { kind: 'gradual', epochs: 2 }],
    ['layer-decay=0.7', { kind: 'layer-decay', factor: 0.7 }],
  ])('%s', async (text, expected) => {
    expect(await parseStrategy(text)).toEqual(expected);
  });

  it.each(['slowly', 'head-first=0', 'head-first=1.5', 'head-first=', 'gradual=1=2', 'layer-decay', 'layer-decay=2'])(
    'refuses %s',
    async (text) => {
      await expect(parseStrategy(text)).rejects.toThrow(`--strategy ${text}: expected direct, head-first[=EPOCHS]`);
    },
  );

  it('reads phases from a file, and says what is wrong with one', async () => {
    const file = (text: string) => {
      const path = join(folder, 'mine.yaml');
      writeFileSync(path, text);
      return path;
    };
    expect(await parseStrategy(file('- train: [new]\n  epochs: 2\n- train: [conv4.., 6]\n  rate: 0.1\n'))).toEqual({
      kind: 'phases',
      name: 'mine',
      phases: [
        { train: ['new'], epochs: 2 },
        { train: ['conv4..', 6], rate: 0.1 },
      ],
    });
    await expect(parseStrategy(file('- train: [new]\n  epoch: 2\n'))).rejects.toThrow(
      /expected a list of phases.*epoch/,
    );
    await expect(parseStrategy(file('train: ['))).rejects.toThrow(/not valid YAML/);
    await expect(parseStrategy(file('[]'))).rejects.toThrow(/expected a list of phases/);
    await expect(parseStrategy(join(folder, 'none.yaml'))).rejects.toThrow(/cannot be read \(ENOENT\)/);
  });
});
