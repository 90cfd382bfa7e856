/** The benchmarks' pages and the targets of whole steps, on made-up rows. */
import { describe, expect, it } from 'vitest';
import type { FirstStep } from '../../src/bench/first-step.ts';
import type { KernelRow } from '../../src/bench/kernels.ts';
import { peerTargets } from '../../src/bench/peers/peer-targets.ts';
import type { PeerRow } from '../../src/bench/peers/rounds.ts';
import { stepTargets } from '../../src/bench/step-targets.ts';
import type { StepRow } from '../../src/bench/steps.ts';
import { rooflineFigure } from '../../src/report/bench-figures.ts';
import { kernelsHtml, peersHtml, stepsHtml } from '../../src/report/bench-html.ts';

const head = {
  frostline: '1.2.3',
  date: '2026-01-02T03:04:05Z',
  adapter: { name: 'A <GPU>', kind: 'hardware', driver: 'd' },
};
const roofline = { gflops: 50, gigabytes: 10 };
const timing = (median: number) => ({ median, spread: median / 10, samples: 5 });

const step = (network: string, name: string, median: number, flops: number, overShare?: number): StepRow => ({
  name: `${network} 10 ${name}`,
  network,
  batch: 10,
  step: name,
  timing: timing(median),
  imagesPerSecond: 10_000 / median,
  flops,
  networkFlops: flops,
  firstRun: 1234,
  bytes: 3.5 * 2 ** 30,
  leastBytes: 3 * 2 ** 30,
  ...(overShare !== undefined && { overShare }),
});
const steps = [
  step('vgg16', 'forward', 30, 1e9),
  step('vgg16', 'none', 100, 3e9, 1),
  step('vgg16', 'conv1', 90, 2e9, 1.35),
];
const firstSteps: FirstStep[] = [{ network: 'alexnet', batch: 10, cold: 9000, warm: 2500 }];

const kernel = (name: string, share: number, passed = true): KernelRow => ({
  name,
  network: 'alexnet',
  batch: 10,
  layers: ['conv1', 'conv2'],
  direction: 'forward',
  kernel: name,
  choice: { variant: 'plain', configuration: { rows: 8 } },
  inStep: ['', 'relu'],
  verdict: { against: 'device', passed, worst: passed ? 0.5 : 3 },
  flops: 1e9,
  bytes: 1e8,
  timing: timing(40),
  gflops: 25,
  gigabytes: 2.5,
  roofline,
  share,
});

const peerRow: PeerRow = {
  name: 'alexnet 10 conv1 gradient of weight',
  network: 'alexnet',
  layer: 'conv1',
  batch: 10,
  direction: 'gradient of weight',
  outcomes: {
    frostline: { status: 'timed', timing: timing(10), first: 1, error: 0 },
    quick: { status: 'timed', timing: timing(41), first: 1, error: 1e-6 },
    garbled: { status: 'wrong', output: 'gradient', error: 0.97 },
    small: { status: 'unsupported', reason: 'inference <only>' },
  },
};

/** One file that asks for nothing, whose ids are its own, with nothing left unfilled. */
function check(page: string): void {
  expect(page.match(/<script|<link|@import|\bsrc=|url\((?!#)|https?:(?!\/\/www\.w3\.org)/)?.[0]).toBeUndefined();
  const ids = [...page.matchAll(/\bid="([^"]*)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [, id] of page.matchAll(/url\(#([^)]*)\)/g)) expect(ids).toContain(id);
  expect(page.match(/undefined|NaN|Infinity|\[object/)?.[0]).toBeUndefined();
  expect(page).toContain('A &#60;GPU&#62;');
  // A plot for a page and one for a phone.
  expect(page.match(/<svg /g)).toHaveLength(2);
}

describe('targets of whole steps', () => {
  it('take the worst row, and less is better', () => {
    const targets = stepTargets(steps, firstSteps);
    expect(targets.map(({ verdict }) => verdict)).toEqual(['missed', 'met', 'met', 'met', 'aim']);
    expect(targets.map(({ reached }) => reached && Number(reached.toFixed(4)))).toEqual([1.35, 1.1667, 3.5, 9, 2.5]);
    // The small network is measured for quick checks, and is no target.
    const small = step('alexnet-small', 'conv1', 1, 1e6, 9);
    expect(stepTargets([...steps, small], firstSteps)).toEqual(targets);
    expect(stepTargets([], []).every(({ verdict }) => verdict === 'not measured')).toBe(true);
  });
});

describe('pages', () => {
  it('kernels: the roofline, a point and a row for each run, and what is wrong', async () => {
    const rows = [kernel('contraction', 0.5), kernel('lrn/forward', 0.25), kernel('lrn/backward', 0.75, false)];
    const page = await kernelsHtml({ ...head, roofline, rows });
    check(page);
    expect(page).toContain('3 kernel runs, each checked before it was timed: ');
    const unchecked: KernelRow = { ...rows[0], verdict: { against: 'plain', passed: true, worst: 0 } };
    expect(await kernelsHtml({ ...head, roofline, rows: [...rows, unchecked] })).toContain(
      'but for 1 of plain variants',
    );
    expect(page).toContain('1 wrong');
    expect(page.match(/WRONG/g)).toHaveLength(1);
    expect(page).toContain('50.0 GFLOP/s');
    for (const share of ['50.0 %', '25.0 %', '75.0 %']) expect(page).toContain(share);
    // Directions of one operation share a colour: two series, each once in each plot's two legends at most.
    expect(page).toContain('>lrn<');
    expect(page).not.toContain('>lrn/forward<');
  });

  it('tells a dozen operations apart, each by a colour and a shape that is filled', async () => {
    const rows = Array.from({ length: 12 }, (_, i) => kernel(`operation${i}/forward`, 0.5));
    const svg = await rooflineFigure(rows, roofline, { width: 600, narrow: false });
    const points = svg.match(/<path [^>]*aria-roledescription="point"[^>]*>/g)!;
    // A path of one line encloses nothing: filled, it does not show.
    const looks = points.map((point) => {
      const [, path, fill] = /\bd="([^"]*)" fill="(#\w+)"/.exec(point)!;
      expect(path).toMatch(/Z$|A/);
      return `${path} ${fill}`;
    });
    expect(new Set(looks).size).toBe(12);
  });

  it('steps: freezing, memory over the least, first steps, targets', async () => {
    const page = await stepsHtml({ ...head, targets: stepTargets(steps, firstSteps), firstSteps, rows: steps });
    check(page);
    expect(page).toContain('vgg16, batch 10');
    expect(page).toContain('<td>1.35</td>');
    expect(page).toContain('<td>1.17</td>');
    expect(page).toContain('<td>9.00</td><td>2.50</td>');
    expect(page).toContain('missed');
  });

  it('peers: ratios, who was wrong and why others were not timed', async () => {
    const peers = ['frostline', 'quick', 'garbled', 'small'].map((name) => ({
      name,
      version: '1',
      on: 'adapter' as const,
    }));
    const targets = peerTargets([peerRow], ['quick', 'garbled', 'small']);
    const missing = [{ name: 'absent', reason: 'not installed' }];
    const page = await peersHtml({ ...head, roofline, peers, missing, targets, rows: [peerRow] });
    check(page);
    expect(page).toContain('41.0 (4.1×)');
    expect(page).toContain('wrong: gradient is 0.97 of its size off');
    expect(page).toContain('inference &#60;only&#62;');
    expect(page).toContain('absent (not installed)');
    expect(page).toContain('d weight');
  });
});
