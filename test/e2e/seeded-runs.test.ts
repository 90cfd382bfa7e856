/**
 * Whole runs from the command line, on shipped images with the shipped network, whose scores are known: a fault that
 * only a network's result shows, in kernels, graph, training, data or scores, shows here. On both adapters that are
 * the same everywhere. The numbers are those of these two, found once; `losses` within what rounding makes of them.
 */
import { describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { Gpu } from '../../src/gpu/device.ts';
import type { CellResult } from '../../src/train/results.ts';
import { temporaryFolder } from '../cli/models.ts';
import { run } from '../cli/run.ts';

const at = temporaryFolder();

const hasSoftware = await Gpu.open({ adapter: 'software' }).then(
  (gpu) => {
    gpu.destroy();
    return true;
  },
  () => false,
);

interface Known {
  readonly confusion: readonly (readonly number[])[];
  readonly f1: number;
  /** of the last three steps */
  readonly losses: readonly number[];
  /** relative, of each */
  readonly within: number;
}

async function expectScores(adapter: string, augment: string, epochs: number, known: Readonly<Record<string, Known>>) {
  const { code, stdout, stderr } = await run(
    registry,
    'sweep',
    ...['--model', 'alexnet-small', '--data', 'samples/fashion-two', '--learning-rates', '0.002', '--momentum', '0.9'],
    ...['--freeze', Object.keys(known).join(), '--epochs', String(epochs), '--augment', augment, '--seed', '5'],
    ...['--adapter', adapter, '--out', at(`${adapter}-${augment}`), '--json'],
  );
  expect(code, stderr).toBe(0);
  const cells: CellResult[] = JSON.parse(stdout).cells;
  for (const [point, { confusion, f1, losses, within }] of Object.entries(known)) {
    const cell = cells.find(({ freeze }) => freeze.name === point)!;
    expect(cell.confusion, point).toEqual(confusion);
    expect(cell.metrics!.f1, point).toBe(f1);
    for (const [i, loss] of cell.lossHistory!.slice(-3).entries()) {
      expect(Math.abs(loss / losses[i] - 1), `${point}, step ${i - 3}: ${loss}`).toBeLessThan(within);
    }
  }
}

/** Frozen to conv4, every image augmented: what differs between adapters has the fewest steps to grow. */
const augmented = {
  conv4: {
    confusion: [
      [1, 9],
      [0, 40],
    ],
    f1: 0.6850944716585025,
    losses: [0.591584, 0.502005, 0.192331],
    within: 1e-4,
  },
};

describe.skipIf(!hasSoftware)('scores of seeded runs on an installed software driver', () => {
  it('with features of the frozen layers, and without any', async () => {
    await expectScores('software', 'none', 3, {
      none: {
        confusion: [
          [7, 3],
          [1, 39],
        ],
        f1: 0.8684548254620122,
        losses: [0.0827924, 0.497683, 0.233063],
        // Another algorithm of the convolutions moves the first of these by 0.12, in 42 steps from its last bits.
        within: 0.15,
      },
      conv4: {
        confusion: [
          [4, 6],
          [1, 39],
        ],
        f1: 0.7534246575342466,
        losses: [0.118217, 0.385558, 0.234212],
        within: 1e-4,
      },
    });
  });

  it('with every image augmented', () => expectScores('software', 'paper', 6, augmented));
});

describe('scores of seeded runs on the embedded driver', () => {
  it('with every image augmented', () => expectScores('embedded', 'paper', 6, augmented));
});
