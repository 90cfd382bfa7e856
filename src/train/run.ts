/** One run, from an experiment to a folder: train, test, export. */
import { join } from 'node:path';
import { writeFilesAtomically } from '../files.ts';
import type { Gpu } from '../gpu/device.ts';
import { writeModelFile } from '../onnx/write.ts';
import { Evaluator } from './evaluate.ts';
import type { Experiment } from './experiment.ts';
import { type FitHooks, type FitSettings, TrainingStep } from './fit.ts';
import { computeMetrics, confusionMatrix, type Metrics } from './metrics.ts';
import { createModel, exportModel, parseMaskRules, releaseModel, setMasks } from './model.ts';
import { historyLines, openRunFolder, predictionsCsv, type Settings } from './run-folder.ts';

export interface RunOptions {
  /** 'none', 'all', a layer's number or name */
  readonly freeze: number | string;
  readonly newLayerFactor: number;
  /** PATTERN=FACTOR */
  readonly mask: readonly string[];
  readonly fit: FitSettings;
  /** the configuration as it is saved, and as it identifies the run */
  readonly settings: Settings;
  readonly out: string;
  /** a further place for the trained model */
  readonly export?: string;
}

export interface RunResult {
  readonly adapter: string;
  readonly steps: number;
  readonly seconds: number;
  readonly finalLoss: number;
  /** of the test part, where there is one */
  readonly metrics?: Metrics;
  readonly confusion?: readonly (readonly number[])[];
  /** bytes on the device at most, and of what they consist */
  readonly memory: {
    readonly peak: number;
    readonly parameters: number;
    readonly momentum: number;
    readonly transient: number;
  };
  readonly files: readonly string[];
}

/** @throws FrostlineError for a folder of another configuration, masks that match nothing, a loss that is not finite */
export async function trainOnce(
  gpu: Gpu,
  experiment: Experiment,
  options: RunOptions,
  hooks: FitHooks = {},
): Promise<RunResult> {
  const { freeze, newLayerFactor, mask, fit, settings, out } = options;
  const { newParameters, network, train, test } = experiment;
  const model = createModel(network);
  setMasks(model, { freeze, newLayerFactor, newParameters, rules: parseMaskRules(mask) });
  await openRunFolder(out, settings, experiment, gpu);
  const began = performance.now();
  const step = await TrainingStep.compile(gpu, model, train, fit);
  const { parameters, momentum, transient } = step.graph.memory;
  try {
    const records = await step.fit(fit, hooks);
    step.destroy();
    const files: Record<string, string> = { 'history.jsonl': historyLines(records) };
    let scores: Pick<RunResult, 'metrics' | 'confusion'> = {};
    if (test !== undefined) {
      const evaluator = await Evaluator.compile(gpu, model, test, fit.batchSize);
      const evaluation = await evaluator.run(hooks.signal);
      evaluator.destroy();
      const confusion = confusionMatrix(test.labels, evaluation.predictions, evaluation.classes);
      scores = { metrics: computeMetrics(confusion), confusion };
      files['predictions.csv'] = predictionsCsv(experiment, evaluation);
    }
    const result = {
      adapter: gpu.describe(),
      steps: records.length,
      seconds: (performance.now() - began) / 1000,
      finalLoss: records.at(-1)!.loss,
      ...scores,
      memory: { peak: gpu.memory().peak, parameters, momentum, transient },
    };
    files['metrics.json'] = `${JSON.stringify(result, null, 2)}\n`;
    const written = await writeFilesAtomically(out, files);
    const onnx = await exportModel(gpu, model);
    const models = [join(out, 'model.onnx'), ...(options.export === undefined ? [] : [options.export])];
    for (const path of models) await writeModelFile(path, onnx);
    return { ...result, files: [...written, ...models] };
  } finally {
    releaseModel(gpu, model);
  }
}
