/** The folder of a grid: made when its first cell is ready to run, and asked for ever after whether it is still the same. */
import type { Gpu } from '../gpu/device.ts';
import type { Experiment } from './experiment.ts';
import { headOf, planFile } from './head.ts';
import type { GridPlan, PlannedCell } from './plan.ts';
import {
  type Configuration,
  checkRunFolder,
  configurationHash,
  openRunFolder,
  runFiles,
  type Settings,
  stillOurs,
  tellOtherMachine,
} from './run-folder.ts';

/** Settings of which a grid may get more, or that do not touch its cells: those that are finished hold. */
export const GROWS = [
  'data',
  'freeze',
  'tuneOnly',
  'strategy',
  'learningRates',
  'allFrozenRates',
  'repeats',
  'splits',
  'select',
  'keep',
  'logits',
  'budget',
  'title',
  'preset',
] as const;

/** What cells hang on that their folders' names do not say. */
function trainingOf({ fit, momenta, newLayerFactor, layerDecay, positive, sensitivity }: GridPlan): Settings {
  return { ...fit, momentum: momenta ?? [fit.momentum], newLayerFactor, layerDecay, positive, sensitivity };
}

export class GridFolder {
  readonly path: string;
  /** of this process's work on it, ISO 8601 */
  readonly startedAt = new Date().toISOString();
  /** the hash of all that decides what cells come to */
  readonly configuration: string;
  private readonly plan: GridPlan;
  private readonly whole: Configuration;
  private opened = false;

  constructor(path: string, settings: Settings, experiment: Experiment, plan: GridPlan) {
    this.path = path;
    this.plan = plan;
    this.whole = { settings, training: trainingOf(plan), experiment, grows: GROWS };
    this.configuration = configurationHash(this.whole);
  }

  /** @throws FrostlineError where it holds another configuration, or cannot be written to */
  check(): Promise<boolean> {
    return checkRunFolder(this.path, this.whole);
  }

  /** Makes the folder, or finds it made, with configuration, environment, split and plan. */
  async open(gpu: Gpu, cells: readonly PlannedCell[]): Promise<void> {
    const { plan, configuration, whole } = this;
    const { settings, experiment } = whole;
    const head = headOf(experiment, plan, settings, cells);
    const files = {
      ...runFiles(whole, gpu, plan.protocol),
      'plan.json': planFile(head, this.startedAt, cells, configuration),
    };
    await tellOtherMachine(this.path, gpu);
    await openRunFolder(this.path, files, () => this.check());
    this.opened = true;
  }

  get isOpen(): boolean {
    return this.opened;
  }

  /** @throws FrostlineError where it was opened, and is another's now */
  async stillOurs(): Promise<void> {
    if (this.opened) await stillOurs(this.path, this.configuration);
  }
}
