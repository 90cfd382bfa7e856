/** The grid that a sweep's settings ask for, on the network and the data that were opened. */
import type { DataSource, Experiment } from '../../train/experiment.ts';
import type { FitSettings } from '../../train/fit.ts';
import { allFreezePoints, type GridPlan } from '../../train/plan.ts';
import { protocolOf } from '../../train/protocol.ts';
import { presetOf, type SweepSettings } from './settings.ts';

/** @param source where the experiment's data came from; @param fit how every cell is trained, but for its rate and seed */
export function planOf(
  settings: SweepSettings,
  experiment: Experiment,
  source: DataSource,
  fit: Omit<FitSettings, 'learningRate' | 'seed'>,
): GridPlan {
  const { seed, repeats, keep } = settings;
  const preset = presetOf(settings);
  const momenta = momentaOf(settings);
  return {
    title:
      settings.title ?? preset?.title ?? `How deep to freeze ${experiment.source.name} on ${experiment.dataset.name}`,
    freeze: settings.freeze.flatMap((point) =>
      point === 'all-points' ? allFreezePoints(experiment.network) : [point],
    ),
    tuneOnly: settings.tuneOnly,
    strategies: settings.strategy,
    learningRates: settings.learningRates,
    momenta,
    newLayerFactor: settings.newLayerFactor,
    allFrozenRates: settings.allFrozenRates,
    layerDecay: settings.layerDecay,
    seeds: Array.from({ length: repeats }, (_, i) => seed + i),
    select: settings.select,
    positive: settings.positive,
    sensitivity: settings.sensitivity,
    keep: keep === 'none' ? undefined : keep,
    logits: settings.logits,
    budget: settings.budget,
    fit,
    protocol: protocolOf(experiment, source, fit, seed, preset?.assumptions, momenta),
    // Of the preset's own network and images, not of what was given in their place.
    notes: {
      model: settings.model === preset?.model ? preset?.notes.model : undefined,
      dataset: settings.data === preset?.data ? preset?.notes.dataset : undefined,
    },
  };
}

export const momentaOf = ({ momentum }: Pick<SweepSettings, 'momentum'>): readonly number[] => [momentum].flat();
