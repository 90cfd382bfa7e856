/** What a grid would take: its cells with their arithmetic and a time, from a few steps. */
import type { Gpu } from '../gpu/device.ts';
import { splitNetwork } from '../models/split.ts';
import { type OpenedDivision, openDivision } from './division.ts';
import type { Experiment } from './experiment.ts';
import { TrainingStep } from './fit.ts';
import { GridFolder } from './grid-folder.ts';
import type { GridHooks } from './grid-hooks.ts';
import { judgeStanding } from './halve.ts';
import { rungEpochs } from './halving.ts';
import { createModel, type Model, releaseModel, setMasks } from './model.ts';
import { checkPlan, type GridPlan, type PlannedCell, planCells } from './plan.ts';
import type { Settings } from './run-folder.ts';
import { Standing } from './standing.ts';
import { GridWork, type Piece, type StepProgram, workOf } from './work.ts';
import { WorkAhead } from './work-ahead.ts';

/** Lists are by cell. Of a grid that is halved, a cell counts after each rung by the share of arms that goes on. */
export interface Rehearsal {
  /** those that would run here, in this order */
  readonly cells: readonly PlannedCell[];
  /** cells that have a result already, and those of other shards that have none */
  readonly finished: number;
  readonly elsewhere: number;
  /** where no phase stops early */
  readonly steps: readonly number[];
  /** of steps, of frozen layers as far as no cell before has run them, and of validation and test parts */
  readonly multiplyAdds: readonly number[];
  /** the sum of all cells' */
  readonly work: number;
  /** of `work`, what comes of features that do not fit into memory: in how many cells, and how much */
  readonly unkept: { readonly cells: number; readonly multiplyAdds: number };
  readonly halved: boolean;
  /** without compilation and decoding */
  readonly seconds: readonly number[];
}

/**
 * Times a few steps of the cheapest and of the costliest program of any cell, and the test part; reckons the other steps
 * between the two, and frozen layers and the validation part by the test part. Writes nothing.
 * @throws FrostlineError as `runGrid` for a plan that cannot be run, or a folder that is another grid's
 */
export async function rehearseGrid(
  gpu: Gpu,
  experiment: Experiment,
  plan: GridPlan,
  settings: Settings,
  folder: string,
  { only, signal }: Pick<GridHooks, 'only' | 'signal'> = {},
): Promise<Rehearsal> {
  checkPlan(plan, experiment);
  const cells = planCells(experiment.network, plan, experiment.divisions, experiment.newParameters);
  const home = new GridFolder(folder, settings, experiment, plan);
  await home.check();
  const { finished, stands, dropped } = await lookAt(folder, home.configuration, cells, plan);
  /** @param most bytes of features; as many as are kept unless given */
  const piecesOf = (most?: number) => {
    const ahead = new WorkAhead(GridWork.of(experiment, plan, cells.length, most), cells, plan, only);
    for (const index of finished) ahead.skip(index);
    for (const [index, epochs] of stands) ahead.stand(index, epochs);
    for (const index of dropped) ahead.drop(index);
    return [...ahead.pieces()].sort(([a], [b]) => a - b);
  };
  const own = piecesOf();
  const multiplyAdds = own.map(([, pieces]) => workOf(pieces));
  const roomy = piecesOf(Number.POSITIVE_INFINITY).map(([, pieces]) => workOf(pieces));
  const time =
    own.length === 0
      ? () => 0
      : await paceOf(
          gpu,
          experiment,
          plan,
          own.flatMap(([, p]) => p),
          signal,
        );
  const unkept = multiplyAdds.map((work, i) => work - roomy[i]);
  return {
    cells: own.map(([index]) => cells[index]),
    finished: finished.size,
    elsewhere: cells.length - finished.size - dropped.length - own.length,
    steps: own.map(([, pieces]) => Math.round(sum(pieces.map(({ kind, runs }) => (kind === 'steps' ? runs : 0))))),
    multiplyAdds,
    work: sum(multiplyAdds),
    unkept: { cells: unkept.filter((work) => work > 0).length, multiplyAdds: sum(unkept) },
    halved: plan.budget !== undefined,
    seconds: own.map(([, pieces]) => sum(pieces.map((piece) => piece.runs * time(piece)))),
  };
}

/** What is there of a grid: cells with a result, those that wait at a rung with its epochs, and those that were dropped. */
async function lookAt(
  folder: string,
  configuration: string,
  cells: readonly PlannedCell[],
  { budget, fit }: Pick<GridPlan, 'budget' | 'fit'>,
) {
  const finished = new Set<number>();
  const standing = new Standing(folder, configuration, cells, { onSkip: (index) => finished.add(index) });
  await standing.lookForAll();
  const stands = new Map<number, number>();
  const dropped: number[] = [];
  for (const epochs of budget === undefined ? [] : rungEpochs(budget, fit.epochs)) {
    for (const [index, cell] of cells.entries()) {
      if ((await standing.shownAt(cell, epochs)) !== undefined) stands.set(index, epochs);
    }
    const judged = await judgeStanding(standing, epochs, fit.earlyStopping !== undefined);
    if (judged === undefined) break;
    dropped.push(...judged.dropped);
  }
  return { finished, stands, dropped };
}

/** @returns seconds of a run of a piece */
async function paceOf(
  gpu: Gpu,
  experiment: Experiment,
  plan: GridPlan,
  pieces: readonly Piece[],
  signal: AbortSignal | undefined,
): Promise<(piece: Piece) => number> {
  const steps = pieces.filter(({ kind }) => kind === 'steps').sort((a, b) => a.multiplyAdds - b.multiplyAdds);
  const [low, high] = [steps[0], steps.at(-1)!];
  const scored = pieces.findLast(({ kind }) => kind === 'scores')!;
  const model = createModel(experiment.network);
  let at: OpenedDivision | undefined;
  try {
    at = await openDivision(gpu, model, experiment.at(0), 0, plan);
    const timed = async ({ program }: Piece) => timeStep(gpu, model, at!.experiment, plan, program!, signal);
    const ofLow = await timed(low);
    const ofHigh = high.multiplyAdds === low.multiplyAdds ? ofLow : await timed(high);
    const began = performance.now();
    await at.test.run(signal);
    const testing = (performance.now() - began) / 1000;
    const runs = Math.ceil(at.experiment.test!.labels.length / plan.fit.batchSize);
    const forward = testing / runs / scored.multiplyAdds;
    const slope = Math.max(0, (ofHigh - ofLow) / (high.multiplyAdds - low.multiplyAdds || 1));
    return ({ kind, multiplyAdds }) =>
      kind === 'steps' ? ofLow + slope * (multiplyAdds - low.multiplyAdds) : forward * multiplyAdds;
  } finally {
    at?.destroy();
    releaseModel(gpu, model);
  }
}

/** Seconds of a step, behind frozen layers that are not run for it: nothing hangs on what they would have made. */
async function timeStep(
  gpu: Gpu,
  model: Model,
  { train, newParameters }: Experiment,
  { fit, newLayerFactor }: GridPlan,
  { masks, cut }: StepProgram,
  signal: AbortSignal | undefined,
): Promise<number> {
  setMasks(model, { ...masks, newParameters, newLayerFactor });
  const { network, data } = cut === undefined ? { network: model.network, data: train } : behind(cut);
  const step = await TrainingStep.compile(gpu, { ...model, network }, data, fit, { reuse: false });
  try {
    return await secondsOf(step, fit, signal);
  } finally {
    step.destroy();
  }

  function behind(value: string) {
    const network = splitNetwork(model.network, value).tail;
    const [{ shape }] = network.inputs;
    const labels = train.labels.slice(0, (STEPS_TIMED + 1) * fit.batchSize);
    const values = new Float32Array(labels.length * shape.reduce((size, extent) => size * extent, 1));
    return { network, data: { kind: 'tensors' as const, values, shape, labels } };
  }
}

async function secondsOf(step: TrainingStep, fit: GridPlan['fit'], signal: AbortSignal | undefined): Promise<number> {
  const landed: number[] = [];
  const enough = new AbortController();
  const settings = { ...fit, learningRate: 0, seed: 0, schedule: undefined, earlyStopping: undefined, epochs: 1 };
  const hooks = {
    signal: signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]),
    onStep() {
      landed.push(performance.now());
      const long = landed.length > 2 && landed.at(-1)! - landed[0] > 1000 * SECONDS_TIMED;
      if (landed.length > STEPS_TIMED || long) enough.abort();
    },
  };
  // An epoch too short to leave its first step out is timed again, warm.
  for (let i = 0; i < 2 && !enough.signal.aborted; i++) {
    landed.length = 0;
    landed.push(performance.now());
    await step.fit(settings, hooks).catch((error) => {
      if (!enough.signal.aborted) throw error;
    });
  }
  return (landed.at(-1)! - landed[0]) / 1000 / (landed.length - 1);
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** after the first ones, in which pipelines are made */
const STEPS_TIMED = 5;
/** or two steps, where they take as long: what is asked for before a day's work need not take ten minutes */
const SECONDS_TIMED = 20;
