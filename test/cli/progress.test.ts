import type { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { gridProgress, progressLine } from '../../src/cli/progress.ts';
import { type Cost, TimeEstimate } from '../../src/cli/time-estimate.ts';
import { collector } from './run.ts';

describe('TimeEstimate', () => {
  it('weighs what is left by cost', () => {
    let time = 0;
    const estimate = new TimeEstimate([4, 4, 1, 1], () => time);
    expect(estimate.left()).toBeUndefined();
    estimate.begin(0);
    time = 4000;
    estimate.advance(0.5);
    // 4 s for 2 of 10 units: 8 units are left at 2 s each.
    expect(estimate.left()).toBeCloseTo(16, 9);
    expect(estimate.fraction).toBeCloseTo(0.2, 9);
    time = 8000;
    estimate.end(true);
    expect(estimate.left()).toBeCloseTo(12, 9);
    estimate.begin(2);
    time = 10_000;
    estimate.end(true);
    expect(estimate.left()).toBeCloseTo(10, 9);
    expect([estimate.finished, estimate.elapsed()]).toEqual([2, 10]);
  });

  it('does not take cells of an earlier run, or idle time, for work', () => {
    let time = 0;
    const estimate = new TimeEstimate([1, 1, 1, 1], () => time);
    estimate.skip(0);
    estimate.skip(1);
    expect(estimate.left()).toBeUndefined();
    time = 60_000; // reading the data
    estimate.begin(2);
    time = 65_000;
    estimate.end(true);
    expect(estimate.left()).toBeCloseTo(5, 9);
  });

  it('tells what a run takes from what its work takes, as soon as cells differ in both', () => {
    // A second for a unit of work, a tenth for a run.
    const seconds = ({ work, runs }: Cost) => work / 1e9 + runs / 10;
    const costs = [10e9, 10e9, 1e9, 0.1e9].map((work) => ({ work, runs: 100 }));
    let time = 0;
    const estimate = new TimeEstimate(costs, () => time);
    for (const index of [0, 2]) {
      estimate.begin(index);
      time += 1000 * seconds(costs[index]);
      estimate.end(true);
    }
    const left = seconds(costs[1]) + seconds(costs[3]);
    expect(Math.abs(estimate.left()! / left - 1)).toBeLessThan(0.03);
  });

  it('takes noise for no pace that would give time back', () => {
    let time = 0;
    const estimate = new TimeEstimate(
      [1, 10, 1].map((work) => ({ work: work * 1e9, runs: 100 })),
      () => time,
    );
    for (const [index, seconds] of [9, 5].entries()) {
      estimate.begin(index);
      time += 1000 * seconds;
      estimate.end(true);
    }
    // The mean of both, by one over what they weigh: 1.7 and 10.7.
    expect(estimate.left()).toBeCloseTo((9 / 1.7 + 5 / 10.7) / (1 / 1.7 + 1 / 10.7), 9);
  });

  it('goes by what cells cost now', () => {
    let time = 0;
    const estimate = new TimeEstimate([0, 0, 0], () => time);
    const work = (of: number) => ({ work: of, runs: 0 });
    const asked: number[] = [];
    estimate.reckon(() => {
      asked.push(time);
      return new Map([1, 2].map((index) => [index, work(5)]));
    });
    expect(asked).toEqual([]);
    estimate.begin(0, work(10));
    time = 10_000;
    estimate.advance(0.5);
    expect(estimate.left()).toBeCloseTo(2 * (5 + 10), 9);
    expect(estimate.fraction).toBeCloseTo(5 / 20, 9);
    // It waits, and has as much again before it.
    time = 20_000;
    estimate.pause();
    estimate.reckon(() => new Map([0, 1, 2].map((index) => [index, work(10)])));
    expect(estimate.left()).toBeCloseTo(60, 9);
    expect(estimate.fraction).toBeCloseTo(10 / 40, 9);
    estimate.skip(1);
    expect(estimate.left()).toBeCloseTo(40, 9);
    expect(asked).toEqual([0]);
  });

  it('counts a failed cell only as far as it came', () => {
    let time = 0;
    const estimate = new TimeEstimate([10, 10], () => time);
    estimate.begin(0);
    time = 1000;
    estimate.advance(0.1);
    estimate.end(false);
    expect(estimate.left()).toBeCloseTo(10, 9);
  });
});

describe('progressLine', () => {
  const estimate = new TimeEstimate([1, 1, 1, 1], () => 0);
  estimate.skip(0);
  const state = { step: 30, steps: 90, epoch: 2, epochs: 6, loss: 0.41234, imagesPerSecond: 1234.4 };

  it('shows everything where there is room', () => {
    expect(progressLine(estimate, 4, '10 conv3, rate 0.0001', state, 160)).toBe(
      `${'█'.repeat(8)}${'░'.repeat(22)} 1/4 cells · 10 conv3, rate 0.0001 · epoch 2/6 · loss 0.412 · 1,234 images/s · 0 s elapsed · time left not known yet`,
    );
  });

  it('fits every width', () => {
    for (let width = 1; width <= 160; width++) {
      const line = progressLine(estimate, 4, '10 conv3, rate 0.0001', state, width);
      expect(line.length).toBeLessThanOrEqual(width);
    }
  });
});

describe('gridProgress', () => {
  const cells = [
    { label: 'none, rate 0.1', cost: 3 },
    { label: '2 conv1, rate 0.1', cost: 1 },
    { label: '6 conv2, rate 0.1', cost: 1 },
  ];

  it('writes plain lines off a terminal: one a cell, one every few seconds', () => {
    let time = 0;
    const { stream, text } = collector();
    const progress = gridProgress(cells, { stream, everySeconds: 10, now: () => time });
    progress.skip(0);
    progress.begin(1);
    for (let step = 1; step <= 4; step++) {
      time += 4000;
      progress.update({ step, steps: 10, loss: 0.5 });
    }
    time += 4000;
    progress.end('done', 'F1 0.900');
    progress.begin(2);
    time += 1000;
    progress.end('failed', 'loss is NaN at step 3');
    progress.stop();
    expect(text().split('\n')).toEqual([
      '[1/3] none, rate 0.1: finished before; 0 s elapsed, time left not known yet',
      '[1/3] 2 conv1, rate 0.1: step 3/10, loss 0.500; 12 s elapsed, about 1 min 8 s left',
      '[2/3] 2 conv1, rate 0.1: F1 0.900 in 20 s; 20 s elapsed, about 20 s left',
      '[3/3] 6 conv2, rate 0.1: failed: loss is NaN at step 3 in 1 s; 21 s elapsed',
      '',
    ]);
  });

  it('draws a bar on a terminal and gives the cursor back', () => {
    const { stream, text } = collector();
    const terminal = Object.assign(stream as PassThrough, { isTTY: true, columns: 100 });
    const progress = gridProgress(cells, { stream: terminal });
    progress.begin(0);
    progress.update({ step: 1, steps: 2 });
    progress.end('done', 'F1 0.9');
    progress.stop();
    expect(text()).toContain('1/3 cells');
    const showCursor = `${String.fromCharCode(27)}[?25h`;
    expect(text()).toContain(showCursor);
  });
});
