/**
 * The network on the device, ready for one cell after another. What cells of one split share is made once: its data, the
 * network compiled for its validation and test parts, and the step of the first phase, as long as cells begin with the same.
 */
import type { Gpu } from '../gpu/device.ts';
import { Evaluator } from './evaluate.ts';
import type { Experiment } from './experiment.ts';
import { sharesFeatures } from './feature-store.ts';
import type { Model } from './model.ts';
import { PhaseSteps } from './phases.ts';
import type { GridPlan, PlannedCell } from './plan.ts';

/** What the cells of one split share: its data, and the network compiled for its parts. */
export interface OpenedDivision {
  readonly division: number;
  readonly experiment: Experiment;
  readonly test: Evaluator;
  readonly validation?: Evaluator;
  destroy(): void;
}

export async function openDivision(
  gpu: Gpu,
  model: Model,
  experiment: Experiment,
  division: number,
  { fit: { batchSize }, logits }: Pick<GridPlan, 'fit' | 'logits'>,
): Promise<OpenedDivision> {
  const test = await Evaluator.compile(gpu, model, experiment.test!, batchSize, { logits });
  const validation = experiment.validation && (await Evaluator.compile(gpu, model, experiment.validation, batchSize));
  return {
    division,
    experiment,
    test,
    validation,
    destroy() {
      test.destroy();
      validation?.destroy();
    },
  };
}

/** One split at a time, with the steps of the cells that are trained on it. */
export class Divisions {
  private readonly gpu: Gpu;
  private readonly model: Model;
  private readonly experiment: Experiment;
  private readonly plan: GridPlan;
  private readonly shared: boolean;
  private opened: { readonly at: OpenedDivision; readonly steps: PhaseSteps } | undefined;

  /** @param cells how many the grid has */
  constructor(gpu: Gpu, model: Model, experiment: Experiment, plan: GridPlan, cells: number) {
    this.gpu = gpu;
    this.model = model;
    this.experiment = experiment;
    this.plan = plan;
    this.shared = sharesFeatures(cells, { divisions: experiment.divisions, seeds: plan.seeds.length });
  }

  /** Makes the network ready for a cell's split and first phase. */
  async prepare(cell: PlannedCell): Promise<{ at: OpenedDivision; steps: PhaseSteps }> {
    const opened = this.opened?.at.division === cell.division ? this.opened : await this.open(cell.division);
    await opened.steps.first(cell.phases[0]);
    return opened;
  }

  destroy(): void {
    this.opened?.steps.destroy();
    this.opened?.at.destroy();
    this.opened = undefined;
  }

  private async open(division: number): Promise<{ at: OpenedDivision; steps: PhaseSteps }> {
    this.destroy();
    const { gpu, model, plan, shared } = this;
    const { newParameters } = this.experiment;
    const masks = { newParameters, newLayerFactor: plan.newLayerFactor };
    const at = await openDivision(gpu, model, this.experiment.at(division), division, plan);
    this.opened = { at, steps: new PhaseSteps(gpu, model, at.experiment.train, masks, plan.fit, { shared }) };
    return this.opened;
  }
}
