/**
 * What a grid is reckoned to compute, against what its programs dispatch: every graph that runs is asked for its kernels,
 * and those that multiply matrices for their multiply-adds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { CompiledGraph } from '../../src/graph/compiled-graph.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { startFrom } from '../../src/train/cell.ts';
import type { Experiment } from '../../src/train/experiment.ts';
import { FeatureStore } from '../../src/train/feature-store.ts';
import { TrainingStep } from '../../src/train/fit.ts';
import { runGrid } from '../../src/train/grid.ts';
import { createModel, releaseModel, setMasks } from '../../src/train/model.ts';
import { type GridPlan, planCells } from '../../src/train/plan.ts';
import { behindIn, GridWork, workOf } from '../../src/train/work.ts';
import { useGpu } from '../support/gpu.ts';
import { divided, experiment, plan } from '../support/narrow-experiment.ts';

// Winograd's tiles save products.
const gpu = useGpu({ algorithms: { conv2d: 'implicit-gemm' } });
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-work-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Multiply-adds of the products of a dispatch, from its kernel's parameters. */
function products({ kernel, params }: KernelDispatch): number {
  const of = params as Readonly<Record<string, number>>;
  const product = (...names: readonly string[]) => names.reduce((value, name) => value * of[name], 1);
  switch (kernel.name) {
    case 'contraction':
      return product('groups', 'rows', 'columns', 'u', 'v', 'inner');
    case 'linear/forward':
    case 'linear/input-gradient':
    case 'linear/update':
      return product('batch', 'inputs', 'outputs');
    case 'linear/backward':
      return 2 * product('batch', 'inputs', 'outputs');
    default:
      if (/^(conv2d\/(direct|winograd)|gemm\/(?!pack))/.test(kernel.name))
        throw new Error(`${kernel.name} is not counted`);
      return 0;
  }
}

/** @param tell is told of each run of a program what it multiplies */
function countRuns(tell: (products: number) => void) {
  const run = CompiledGraph.prototype.run;
  return vi.spyOn(CompiledGraph.prototype, 'run').mockImplementation(function (this: CompiledGraph, ...args) {
    tell(this.dispatches.reduce((sum, dispatch) => sum + products(dispatch as KernelDispatch), 0));
    return run.apply(this, args);
  });
}

/** Runs a grid, and counts what each cell's programs multiply. */
async function dispatched(name: string, of: Experiment, own: GridPlan, only?: (index: number) => boolean) {
  const cells: number[] = [];
  const begun: number[] = [];
  // The first cell's step is made ready before the folder is opened, and the cell told.
  let early = 0;
  const spy = countRuns((products) => {
    if (begun.length === 0) early += products;
    else cells[begun.at(-1)!] += products;
  });
  try {
    await runGrid(gpu(), of, own, { name }, join(folder, name), {
      only,
      onPlan: (planned) => cells.push(...planned.map(() => 0)),
      onBegin: (index) => begun.push(index),
    });
  } finally {
    spy.mockRestore();
  }
  cells[begun[0]] += early;
  return { cells, begun };
}

/** What the same cells are reckoned to compute, one after another. */
function reckoned(of: Experiment, own: GridPlan, begun: readonly number[]) {
  const cells = planCells(of.network, own, of.divisions, of.newParameters);
  const work = GridWork.of(of, own, cells.length);
  const sums = cells.map(() => 0);
  for (const index of begun) sums[index] += workOf(work.run(cells[index]));
  return sums;
}

const still = { ...plan.fit, augment: augmentPresets.none };
const grid: GridPlan = { ...plan, freeze: ['none', 2, 10, 'all'], learningRates: [0.002, 0.001] };

describe('the work of a grid', () => {
  it.each<[string, Experiment, GridPlan]>([
    ['without augmentation', experiment, { ...grid, fit: still }],
    ['with augmentation', experiment, grid],
    ['with augmentation, several seeds and splits, and a validation part', divided, { ...grid, seeds: [1, 2] }],
    ['of cells that share nothing', experiment, { ...plan, freeze: [10] }],
    ['of strategies', experiment, { ...grid, strategies: [{ kind: 'direct' }, { kind: 'head-first', epochs: 1 }] }],
    [
      'of strategies without augmentation',
      experiment,
      { ...grid, fit: still, strategies: [{ kind: 'direct' }, { kind: 'gradual', epochs: 1 }] },
    ],
    ['of blocks', experiment, { ...grid, freeze: ['all'], tuneOnly: [['conv3']], fit: still }],
  ])('%s is what its programs dispatch', async (name, of, own) => {
    const { cells, begun } = await dispatched(name, of, own);
    expect(begun).toEqual([...cells.keys()]);
    expect(reckoned(of, own, begun)).toEqual(cells);
  });

  it.each([
    // An epoch of conv1's features (14 x 14 x 4 values of 20 images) has 62,720 bytes, of conv3's and what follows 11,520.
    ['of two seeds of which one fits', 130_000, { ...grid, seeds: [1, 2] }],
    ['of features of which the shallow ones do not fit', 40_000, { ...grid, seeds: [1, 2] }],
    ['of features of which none fit', 100, grid],
  ])('%s is what the steps and their frozen layers dispatch', async (_, most, own) => {
    const cells = planCells(experiment.network, own, 1, experiment.newParameters);
    const work = GridWork.of(experiment, own, cells.length, most);
    const roomy = GridWork.of(experiment, own, cells.length);
    const store = new FeatureStore(most);
    const model = createModel(experiment.network);
    let counted = 0;
    const spy = countRuns((products) => {
      counted += products;
    });
    let step: TrainingStep | undefined;
    const total = { bounded: 0, roomy: 0 };
    for (const [i, cell] of cells.entries()) {
      counted = 0;
      const [{ masks, epochs }] = cell.phases;
      if (cell.freeze !== cells[i - 1]?.freeze) {
        step?.destroy();
        const { newParameters } = experiment;
        setMasks(model, { ...masks, newParameters, newLayerFactor: own.newLayerFactor });
        step = await TrainingStep.compile(gpu(), model, experiment.train, own.fit, { kept: { store, epochs } });
      }
      startFrom(gpu(), model, experiment.withSeed(cell.seed));
      await step!.fit({ ...own.fit, learningRate: cell.learningRate, seed: cell.seed });
      const trained = (of: GridWork) => workOf(of.run(cell).filter(({ kind }) => kind !== 'scores'));
      const bounded = trained(work);
      expect(bounded, cell.label).toBe(counted);
      total.bounded += bounded;
      total.roomy += trained(roomy);
    }
    spy.mockRestore();
    step?.destroy();
    releaseModel(gpu(), model);
    expect(total.bounded).toBeGreaterThan(total.roomy);
  });

  it('goes on from a copy as from itself, and leaves it alone', () => {
    const cells = planCells(experiment.network, grid, 1, experiment.newParameters);
    const works = [GridWork.of(experiment, grid, cells.length)];
    const sums = cells.map((cell) => {
      works.push(works.at(-1)!.copy());
      return workOf(works.at(-1)!.run(cell));
    });
    expect(cells.map((cell, i) => workOf(works[i].copy().run(cell)))).toEqual(sums);
  });

  it('of a cell in two parts is that of the whole', () => {
    const cells = planCells(experiment.network, grid, 1, experiment.newParameters);
    const whole = GridWork.of(experiment, grid, cells.length);
    const parted = GridWork.of(experiment, grid, cells.length);
    for (const cell of cells) {
      const pieces = whole.run(cell);
      expect([...parted.run(cell, 0, 1), ...parted.run(cell, 1)]).toEqual(pieces);
      // Four steps an epoch; what comes before the first of the second is behind it with that.
      const [first, second] = pieces.flatMap((piece, i) => (piece.kind === 'steps' ? [i] : []));
      const before = workOf(pieces.slice(0, second));
      expect(workOf(behindIn(pieces, 5))).toBe(before + pieces[first].multiplyAdds);
      expect(workOf(behindIn(pieces, 0))).toBe(0);
    }
  });

  it.each([
    ['with augmentation', grid],
    ['without', { ...grid, fit: still }],
  ])('of a resumed grid of shards %s', async (name, own) => {
    const first = await dispatched(`resumed ${name}`, experiment, own, (index) => index % 3 === 1);
    const rest = await dispatched(`resumed ${name}`, experiment, own);
    expect(first.begun).toEqual([1, 4, 7]);
    expect(rest.begun).toEqual([0, 2, 3, 5, 6]);
    expect(reckoned(experiment, own, first.begun)).toEqual(first.cells);
    expect(reckoned(experiment, own, rest.begun)).toEqual(rest.cells);
  });
});
