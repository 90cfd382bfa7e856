/** What a grid would take: its cells with their arithmetic and a time, from a few steps. */
import type { Gpu } from '../gpu/device.ts';
import { type OpenedDivision, openDivision } from './division.ts';
import type { Experiment } from './experiment.ts';
import { TrainingStep } from './fit.ts';
import { createModel, releaseModel, setMasks } from './model.ts';
import { checkPlan, type GridPlan, type PlannedCell, planCells } from './plan.ts';

export interface Rehearsal {
  readonly cells: readonly PlannedCell[];
  /** by cell, where no phase stops early */
  readonly steps: readonly number[];
  /** multiply-adds of all steps of all cells */
  readonly work: number;
  /** by cell: training and testing; without compilation and decoding */
  readonly seconds: readonly number[];
}

/**
 * Times a few steps of the cheapest and of the costliest phase of any cell, and the test part, and reckons the others between them.
 * Writes nothing.
 * @throws FrostlineError as `runGrid` for a plan that cannot be run
 */
export async function rehearseGrid(
  gpu: Gpu,
  experiment: Experiment,
  plan: GridPlan,
  signal?: AbortSignal,
): Promise<Rehearsal> {
  checkPlan(plan, experiment);
  const cells = planCells(experiment.network, plan, experiment.divisions, experiment.newParameters);
  const byCost = cells
    .flatMap(({ phases, phaseCosts, seed }) => phases.map(({ masks }, p) => ({ masks, cost: phaseCosts[p], seed })))
    .sort((a, b) => a.cost - b.cost);
  const model = createModel(experiment.network);
  let at: OpenedDivision | undefined;
  try {
    const first = experiment.at(0);
    at = await openDivision(gpu, model, first, 0, plan);
    const time = async ({ masks, cost, seed }: (typeof byCost)[number]) => {
      const { newParameters } = experiment;
      setMasks(model, { ...masks, newParameters, newLayerFactor: plan.newLayerFactor });
      const step = await TrainingStep.compile(gpu, model, first.train, plan.fit);
      try {
        return { cost, stepsAnEpoch: step.stepsAnEpoch(), seconds: await timeSteps(step, seed) };
      } finally {
        step.destroy();
      }
    };
    const timeSteps = async (step: TrainingStep, seed: number): Promise<number> => {
      const landed: number[] = [];
      const enough = new AbortController();
      const settings = { ...plan.fit, learningRate: 0, seed, schedule: undefined, earlyStopping: undefined, epochs: 1 };
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
    };
    const low = await time(byCost[0]);
    const high = byCost.at(-1)!.cost === low.cost ? low : await time(byCost.at(-1)!);
    const began = performance.now();
    await at.test.run(signal);
    await at.validation?.run(signal);
    const testing = (performance.now() - began) / 1000;
    const slope = high.cost === low.cost ? 0 : (high.seconds - low.seconds) / (high.cost - low.cost);
    const steps = cells.map(({ epochs }) => epochs * low.stepsAnEpoch);
    return {
      cells,
      steps,
      work: cells.reduce((sum, { cost }, i) => sum + cost * plan.fit.batchSize * steps[i], 0),
      seconds: cells.map(({ cost }, i) => steps[i] * (low.seconds + slope * (cost - low.cost)) + testing),
    };
  } finally {
    at?.destroy();
    releaseModel(gpu, model);
  }
}

/** after the first ones, in which pipelines are made */
const STEPS_TIMED = 5;
/** or two steps, where they take as long: what is asked for before a day's work need not take ten minutes */
const SECONDS_TIMED = 20;
