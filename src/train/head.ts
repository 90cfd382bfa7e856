/** What is known of a grid before its first cell: the head of its results, and its plan. */
import { freezePoints } from '../models/layers.ts';
import { aboutNumbers } from '../models/numbering.ts';
import { frostlineVersion } from '../version.ts';
import type { Experiment } from './experiment.ts';
import type { GridPlan, PlannedCell } from './plan.ts';
import { type FreezePoint, pointKey } from './results.ts';
import type { Settings } from './run-folder.ts';

/** What is known of a grid before its first cell: the head of its results. */
export function headOf(experiment: Experiment, plan: GridPlan, settings: Settings, cells: readonly PlannedCell[]) {
  const { network } = experiment;
  return {
    title: plan.title,
    model: {
      ...experiment.source,
      parameters: [...network.parameters.values()].reduce(
        (sum, { shape }) => sum + shape.reduce((product, extent) => product * extent, 1),
        0,
      ),
      note: plan.notes.model,
      layers: freezePoints(network).map(({ number, name }) => ({ number, name })),
      numbering: aboutNumbers(network),
    },
    dataset: {
      name: experiment.dataset.name,
      classes: experiment.classes,
      train: experiment.train.labels.length,
      test: experiment.test!.labels.length,
      counts: experiment.counts,
      note: plan.notes.dataset,
    },
    settings,
    protocol: plan.protocol,
    select: plan.select ?? 'test',
    freezePoints: uniqueFreezePoints(cells),
    learningRates: plan.learningRates,
    frostlineVersion,
  };
}

/** plan.json, from which a report is made while cells are missing. */
export function planFile(
  head: ReturnType<typeof headOf>,
  startedAt: string,
  cells: readonly PlannedCell[],
  configuration: string,
) {
  return `${JSON.stringify(
    {
      ...head,
      startedAt,
      configuration,
      cells: cells.map(pendingOf),
    },
    null,
    2,
  )}\n`;
}

/** A cell as it stands in files before it has a result. */
export function pendingOf({ folder, freeze, learningRate, newLayerRate, momentum, division, seed }: PlannedCell) {
  return { folder, freeze, learningRate, newLayerRate, momentum, seed, split: String(division + 1) };
}

/** Prefixes in order of depth, then blocks and phases, for each way of training in turn. */
function uniqueFreezePoints(cells: readonly PlannedCell[]): FreezePoint[] {
  const points = [...new Map(cells.map(({ freeze }) => [pointKey(freeze), freeze])).values()];
  const methods = [...new Set(points.map(({ method = '' }) => method))].sort();
  const depth = ({ number, name }: FreezePoint) => number ?? (name === 'none' ? 0 : Number.MAX_VALUE);
  return points.sort(
    (a, b) => methods.indexOf(a.method ?? '') - methods.indexOf(b.method ?? '') || depth(a) - depth(b),
  );
}
