/** `bench selection`: what is drawn, what regret is on times that were made up, and what is said of it. Nothing passes by the clock. */
import { describe, expect, it } from 'vitest';
import type { RacedAlgorithms } from '../../src/bench/race-algorithms.ts';
import {
  choiceOf,
  decisionSummaries,
  estimateSummaries,
  type MeasuredChoice,
  type MeasuredLayer,
  quantile,
  ratiosOf,
  summaryOf,
  worstLayers,
} from '../../src/bench/regret.ts';
import { decisionsOf, drawLayers, layerName, measureLayer } from '../../src/bench/selection.ts';
import { decisionTable, estimateTable, leftText, summaryText, worstTable } from '../../src/cli/selection-text.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { decisionTrials, freshLayers } from '../../src/operators/trials.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const operatorOf = (purpose: string) => purpose.split(' ')[0];

describe('fresh layers', () => {
  it('there are some for every operator that has decisions', () => {
    const decided = new Set(decisionTrials.map(({ decision }) => operatorOf(decision.purpose)));
    expect(freshLayers.map(({ operator }) => operator).sort()).toEqual([...decided].sort());
  });

  it.each(freshLayers)('$operator: the same for a seed, however many; others for another', (fresh) => {
    const texts = (seed: number, count: number, gflop = 1) => drawLayers(fresh, { seed, count, gflop }).map(layerName);
    const twenty = texts(testSeed, 20);
    expect(texts(testSeed, 20)).toEqual(twenty);
    expect(texts(testSeed, 7)).toEqual(twenty.slice(0, 7));
    expect(new Set(twenty).size).toBe(20);
    expect(texts(testSeed + 1, 20).filter((text) => twenty.includes(text)).length).toBeLessThan(3);
    for (const gflop of [0.02, 1, 100]) {
      for (const { layer } of drawLayers(fresh, { seed: testSeed, count: 20, gflop })) {
        expect(layer.flops).toBeLessThanOrEqual(1e9 * gflop);
        expect(layer.flops).toBeGreaterThanOrEqual(1e6 * gflop);
      }
    }
  });

  const every = freshLayers.flatMap((fresh) => ['lavapipe', 'h100'].map((adapter) => ({ ...fresh, adapter })));
  it.each(every)(
    '$operator: every step is planned on $adapter, and comes to its decisions once',
    ({ adapter, ...fresh }) => {
      const gpu = plannedGpu(adapter);
      const met = new Set<string>();
      for (const drawn of drawLayers(fresh, { seed: testSeed, count: 60, gflop: 2 })) {
        const purposes = decisionsOf(gpu, drawn.layer).map(({ decision }) => decision.purpose);
        expect(purposes.length, layerName(drawn)).toBeGreaterThanOrEqual(2);
        expect(new Set(purposes).size, layerName(drawn)).toBe(purposes.length);
        for (const purpose of purposes) {
          expect(operatorOf(purpose), layerName(drawn)).toBe(fresh.operator);
          met.add(purpose);
        }
      }
      // A weight's gradient alone is asked for by who reads it, not by a training step.
      const all = decisionTrials
        .map(({ decision }) => decision.purpose)
        .filter((one) => operatorOf(one) === fresh.operator);
      const never = ['linear weight gradient', 'linear input gradient'];
      expect([...met].sort(), `seed ${testSeed}`).toEqual(all.filter((one) => !never.includes(one)).sort());
      // Nothing is left on the device.
      expect(gpu.memory().live).toBe(0);
    },
  );

  it('a size that is never drawn is refused, not looked for for ever', () => {
    expect(() => drawLayers(freshLayers[0], { seed: 1, count: 1, gflop: 1e-9 })).toThrow('no layer of conv2d of');
  });
});

const timing = (median: number) => ({ median, spread: 0, samples: 5 });

/** `slow` was hopeless from the first run on, `wrong` computes wrongly. */
const raced: RacedAlgorithms = {
  order: [
    { name: 'fast', timing: timing(10), ratio: 1, verdict: 'leads' },
    // Its own median is of other rounds than the leader's.
    { name: 'near', timing: timing(14), ratio: 1.2, verdict: 'slower' },
  ],
  measurements: [
    { algorithm: 'slow', milliseconds: 40, rounds: 1 },
    { algorithm: 'near', milliseconds: 14, spread: 0, rounds: 5 },
    { algorithm: 'fast', milliseconds: 10, spread: 0, rounds: 5 },
    { algorithm: 'wrong', wrong: 7 },
  ],
  settled: true,
};
const decided = (purpose: string) => ({ decision: { purpose }, case: 'a case' });

describe('regret', () => {
  it('sets who raced against the leader by common rounds, others by their own time', () => {
    const costs = (chosen: string) => choiceOf(decided('conv2d forward'), chosen, 'slow', raced).milliseconds;
    expect(costs('fast')).toEqual({ chosen: 10, best: 10, plain: 40 });
    expect(costs('near')).toEqual({ chosen: 12, best: 10, plain: 40 });
    expect(costs('slow').chosen).toBe(40);
    // No choice of it is good.
    expect(costs('wrong').chosen).toBe(Number.POSITIVE_INFINITY);
  });

  const choice = (
    purpose: string,
    [chosen, best, plain]: readonly [number, number, number],
    names: readonly [string, string] = chosen === best ? ['a', 'a'] : ['b', 'a'],
  ): MeasuredChoice => ({
    purpose,
    problem: '',
    chosen: names[0],
    best: names[1],
    plain: 'p',
    milliseconds: { chosen, best, plain },
    settled: true,
    candidates: [],
  });
  const layer = (name: string, operator: string, ...choices: MeasuredChoice[]): MeasuredLayer => ({
    name,
    operator,
    gflop: 1,
    choices,
    ...ratiosOf(choices),
  });
  const layers = [
    // A bad choice of what takes no time costs nothing; a fair one of what takes long does.
    layer('conv2d 1', 'conv2d', choice('conv2d forward', [100, 100, 100]), choice('conv2d filter gradient', [4, 1, 1])),
    layer('conv2d 2', 'conv2d', choice('conv2d forward', [120, 100, 150]), choice('conv2d filter gradient', [9, 9, 9])),
    layer('linear 1', 'linear', choice('linear forward', [3, 3, 30]), choice('linear backward', [8, 4, 4], ['c', 'd'])),
    layer('linear 2', 'linear', choice('linear forward', [11, 10, 10])),
  ];

  it('is of the sum over a step', () => {
    expect(layers.map(({ ratio }) => ratio)).toEqual([104 / 101, 129 / 109, 11 / 7, 1.1]);
    expect(layers.map(({ plainRatio }) => plainRatio)).toEqual([1, 159 / 109, 34 / 7, 1]);
    expect(worstLayers(layers, 2).map(({ name }) => name)).toEqual(['linear 1', 'conv2d 2']);
  });

  it('quantiles are values that so many do not pass', () => {
    expect([0, 0.1, 0.5, 0.9, 1].map((share) => quantile([5, 3, 1, 2, 4, 6, 8, 7, 10, 9], share))).toEqual([
      1, 1, 5, 9, 10,
    ]);
    expect(quantile([7], 0.9)).toBe(7);
  });

  it('summaries count layers within a tenth of the best', () => {
    expect(summaryOf(layers)).toEqual({
      layers: 4,
      good: 2,
      plainGood: 2,
      ratios: { half: 1.1, nineTenths: 11 / 7, worst: 11 / 7 },
      milliseconds: { chosen: 255, best: 227, plain: 304 },
    });
    const byDecision = decisionSummaries(layers);
    expect(byDecision.map(({ purpose, cases, good }) => [purpose, cases, good])).toEqual([
      ['conv2d forward', 2, 1],
      ['conv2d filter gradient', 2, 1],
      ['linear forward', 2, 2],
      ['linear backward', 1, 0],
    ]);
    expect(byDecision[3].misses).toEqual([
      { chosen: 'c', best: 'd', cases: 1, milliseconds: { chosen: 8, best: 4, plain: 4 } },
    ]);
  });

  it('misses of one kind stand together, those that cost the most first', () => {
    const many = [
      layer('1', 'conv2d', choice('conv2d forward', [20, 10, 10], ['winograd', 'direct'])),
      layer('2', 'conv2d', choice('conv2d forward', [12, 10, 10], ['winograd', 'direct'])),
      layer('3', 'conv2d', choice('conv2d forward', [50, 10, 10], ['direct', 'winograd'])),
      layer('4', 'conv2d', choice('conv2d forward', [10.5, 10, 10], ['direct', 'pointwise'])),
    ];
    expect(
      decisionSummaries(many)[0].misses.map(({ chosen, cases, milliseconds }) => [chosen, cases, milliseconds.chosen]),
    ).toEqual([
      ['direct', 1, 50],
      ['winograd', 2, 32],
    ]);
  });

  it('estimates are set against times, where there are both', () => {
    const candidates = [
      { name: 'a', milliseconds: 10, estimated: 5 },
      { name: 'b', milliseconds: 10 },
      { name: 'c', wrong: 3, estimated: 5 },
    ];
    const other = [{ name: 'a', milliseconds: 10, estimated: 20 }];
    const both = [candidates, other].map((some, i) =>
      layer(String(i), 'conv2d', { ...choice('conv2d forward', [1, 1, 1]), candidates: some }),
    );
    expect(estimateSummaries(both)).toEqual([
      { purpose: 'conv2d forward', algorithm: 'a', cases: 2, tenth: 0.5, half: 0.5, nineTenths: 2 },
    ]);
  });

  it('is told in sentences and tables', async () => {
    expect(summaryText(layers.slice(0, 2))).toBe(
      [
        'conv2d: 1 of 2 layers (50 %) are within 10 % of the best; with plain algorithms 1',
        '  half of the layers take at most 3.0 % longer than the best, nine tenths 18 %, the worst 18 %',
        '  all steps: chosen 233 ms, best 210, plain 260',
      ].join('\n'),
    );
    expect(summaryText(layers).split('\n')[0]).toBe(
      'all: 2 of 4 layers (50 %) are within 10 % of the best; with plain algorithms 2',
    );
    const wrong = layer('x', 'conv2d', choice('conv2d forward', [Number.POSITIVE_INFINITY, 1, 1]));
    expect(summaryText([wrong])).toContain('the worst wrong');
    const decisions = await decisionTable(layers);
    expect(decisions).toMatch(/linear backward +│ 1 +│ 0 +│ 8\.00 +│ 4\.00 +│ 4\.00 +│ 1 x c for d \(100 %\)/);
    const worst = await worstTable(layers, 1);
    expect(worst).toMatch(/linear 1 │ 57 % +│ forward: a 3\.00 /);
    expect(worst).toContain('backward: c 8.00, best d 4.00');
    expect(worst).not.toContain('conv2d');
    const candidates = [{ name: 'a', milliseconds: 10, estimated: 5 }];
    const estimates = await estimateTable([
      layer('0', 'conv2d', { ...choice('conv2d forward', [1, 1, 1]), candidates }),
    ]);
    expect(estimates).toMatch(/conv2d forward │ a +│ 1 +│ 0\.50 +│ 0\.50 │ 0\.50/);
    expect([leftText(1), leftText(3)]).toEqual([
      '1 layer was not begun before --stop-after',
      '3 layers were not begun before --stop-after',
    ]);
  });
});

describe('on an adapter', () => {
  const device = useGpu();
  it.each(freshLayers)('$operator: every algorithm of a small layer is checked, timed and told', async (fresh) => {
    const gpu = device();
    const before = gpu.memory().live;
    const [drawn] = drawLayers(fresh, { seed: testSeed, count: 1, gflop: 0.002 });
    const measured = await measureLayer(gpu, drawn, { seconds: 0.001 });
    expect(measured.choices.map(({ purpose }) => purpose)).toEqual(
      decisionsOf(gpu, drawn.layer).map(({ decision }) => decision.purpose),
    );
    for (const { chosen, best, milliseconds, candidates } of measured.choices) {
      const names = candidates.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining([chosen, best]));
      for (const one of candidates) {
        expect(one.wrong, `${layerName(drawn)}: ${one.name}`).toBeUndefined();
        expect(one.milliseconds).toBeGreaterThan(0);
        expect(one.estimated).toBeGreaterThan(0);
      }
      expect(milliseconds.chosen).toBeGreaterThanOrEqual(milliseconds.best);
    }
    expect(measured.ratio).toBeGreaterThanOrEqual(1);
    // Nothing stays forced, nothing on the device.
    expect(gpu.algorithms.size).toBe(0);
    expect(gpu.memory().live).toBe(before);
  });
});
