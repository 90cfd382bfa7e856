/** A grid before it runs: its device, its experiment, and the plan that its settings make of both. */
import type { Gpu } from '../../gpu/device.ts';
import { aboutNumbers, hasPaperNumbers } from '../../models/numbering.ts';
import type { Experiment } from '../../train/experiment.ts';
import type { GridPlan } from '../../train/plan.ts';
import { openAdapter } from '../adapter.ts';
import type { Context } from '../command.ts';
import { dataSource, fitSettings, modelSource } from '../experiment-options.ts';
import { noteNumbers } from '../model-options.ts';
import { noteExperiment, openWithProgress } from '../open-experiment.ts';
import { momentaOf, planOf } from './plan.ts';
import { presetOf, type SweepSettings } from './settings.ts';

export interface OpenedSweep {
  readonly gpu: Gpu;
  /** the same adapter anew, where this device is lost */
  readonly reopen: () => Promise<Gpu>;
  readonly experiment: Experiment;
  readonly plan: GridPlan;
}

/** @throws FrostlineError for settings that contradict each other, before the device and the images are opened */
export async function openSweep(
  settings: SweepSettings,
  adapter: string | undefined,
  context: Context,
): Promise<OpenedSweep> {
  const source = dataSource(settings, undefined, settings);
  const fit = await fitSettings({ ...settings, momentum: momentaOf(settings)[0] });
  const reopen = () => openAdapter(adapter, context, undefined, settings.precision);
  const gpu = await reopen();
  const experiment = await openWithProgress(modelSource(settings.model, settings), source, settings.seed, context);
  await noteExperiment(experiment, settings.batchNorm, context);
  await noteMeaningOfNumbers(settings, experiment, context);
  return { gpu, reopen, experiment, plan: planOf(settings, experiment, source, fit) };
}

/** A preset means the paper's numbers of layers; a freeze point that is given by its number means the file's. */
async function noteMeaningOfNumbers(settings: SweepSettings, { network }: Experiment, context: Context): Promise<void> {
  const meant = presetOf(settings)?.paper;
  if (meant !== undefined && !hasPaperNumbers(network, meant)) {
    context.note(`warning: ${aboutNumbers(network)} Name layers by their names.`);
  } else if (settings.freeze.some((point) => typeof point === 'number')) {
    await noteNumbers(network, context);
  }
}
