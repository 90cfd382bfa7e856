/** Opening an experiment as the commands do: what it takes is shown, and what is to be known of it is told. */
import type { DataSource, Experiment, ModelSource } from '../train/experiment.ts';
import type { Context } from './command.ts';
import { countProgress } from './count-progress.ts';
import { noteLeftOut } from './model-options.ts';

/** With a bar while images are decoded; what hinders nothing is a warning. */
export async function openWithProgress(
  model: ModelSource,
  data: DataSource,
  seed: number,
  context: Context,
): Promise<Experiment> {
  const { openExperiment } = await import('../train/experiment.ts');
  const decoding = countProgress(context, 'images decoded');
  const experiment = await openExperiment(model, data, seed, decoding.update, (text) =>
    context.note(`warning: ${text}`),
  );
  decoding.stop();
  return experiment;
}

/** What a user should know before it is trained on: of the data, of batch normalisation, of outputs that are left out. */
export async function noteExperiment(
  { dataset, network }: Experiment,
  batchNorm: 'running' | 'batch' | undefined,
  context: Context,
): Promise<void> {
  const { aboutNormalization } = await import('../models/describe.ts');
  for (const note of dataset.notes) context.note(`data: ${note}`);
  const normalization = aboutNormalization(network, batchNorm === 'batch');
  if (normalization !== undefined) context.note(`normalisation: ${normalization}`);
  noteLeftOut(network, context);
}
