import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import type { RunResult } from '../../train/run.ts';
import type { Training } from '../../train/strategy.ts';
import { adapterOption, algorithmOption, openAdapter } from '../adapter.ts';
import { type Context, defineCommand } from '../command.ts';
import { detailLines } from '../detail-lines.ts';
import {
  dataOptions,
  dataSource,
  fitOptions,
  fitSettings,
  logitsOption,
  modelOptions,
  modelSource,
  scoreOptions,
  strategyOption,
} from '../experiment-options.ts';
import type { GridCell } from '../from-cell.ts';
import { noteNumbers } from '../model-options.ts';
import { noteExperiment, openWithProgress } from '../open-experiment.ts';
import { openTrackers, stepScalars, trackingOptions, trackResult } from '../tracking.ts';

export const command = defineCommand({
  description:
    'Fine-tunes a network once and tests it. The folder then holds the configuration, environment, split, history, predictions, metrics and the trained model.',
  options: z.object({
    from: z
      .string()
      .optional()
      .meta({ valueName: 'GRID/cells/CELL' })
      .describe('train a cell of a grid again, to the bit: all but where files lie is taken from the grid'),
    model: z
      .string()
      .optional()
      .meta({ valueName: 'FILE|NAME' })
      .describe('ONNX file, a name from weights list, or random/alexnet-small, random/alexnet, random/vgg16'),
    ...modelOptions,
    ...dataOptions,
    images: z.string().optional().meta({ valueName: 'X.npy' }).describe('float32 N,C,H,W, used as they are'),
    labels: z.string().optional().meta({ valueName: 'Y.npy' }).describe('integers N'),
    freeze: z
      .union([z.number(), z.string()])
      .default('none')
      .describe('none, all (but the last learnable layer), or the number or name of a layer: it and all before it'),
    learningRate: z.number().positive().default(1e-4).describe('global learning rate'),
    momentum: z.number().min(0).lt(1).default(0.9).describe('of SGD, the paper has 0.99; of Adam beta 1'),
    ...fitOptions,
    ...scoreOptions,
    tuneOnly: z
      .array(z.string())
      .min(1)
      .optional()
      .meta({ valueName: 'LAYERS' })
      .describe('train these layers and the new one alone: names, numbers, ranges, as in conv3..conv5,fc7'),
    strategy: strategyOption.optional().meta({ ...strategyOption.meta() }),
    mask: z
      .array(z.string())
      .default([])
      .describe('PATTERN=FACTOR on parameters’ learning rates, such as conv1.weight=0 or fc8.*=10'),
    keepHead: z.boolean().default(false).describe('train the file’s own classifier instead of a new one'),
    out: z.string().default('runs/train').meta({ valueName: 'DIR' }).describe('folder of the run'),
    logits: logitsOption,
    ...trackingOptions,
    export: z.string().optional().meta({ valueName: 'FILE' }).describe('also write the trained network here as ONNX'),
    adapter: adapterOption,
    algorithm: algorithmOption,
  }),
  json: true,
  examples: [
    {
      what: 'the shipped model and sample',
      line: '--model alexnet-small --data samples/fashion-two --freeze 10 --learning-rate 0.002',
    },
    {
      what: 'the winner of a grid, to keep',
      line: '--from runs/quickstart/cells/none_rate-0.002_split-1_seed-1 --export best.onnx',
    },
    { what: 'raw tensors', line: '--model net.onnx --images X.npy --labels Y.npy --keep-head --train-fraction 1' },
  ],
  async run(given, context) {
    const [{ atCell, readCell }, { parseStrategy }, { trainOnce }, { stepProgress }] = await Promise.all([
      import('../from-cell.ts'),
      import('../strategies.ts'),
      import('../../train/run.ts'),
      import('../step-progress.ts'),
    ]);
    const cell = given.from === undefined ? undefined : await readCell(given.from);
    const values = cell === undefined ? given : ofCell(given, cell);
    const { model, freeze, tuneOnly, learningRate, seed, out } = values;
    if (model === undefined) throw new FrostlineError('No model: give --model FILE|NAME, or --from GRID/cells/CELL.');
    const source = dataSource(values, values, cell?.settings);
    const fit = { ...(await fitSettings(values)), learningRate, seed };
    const strategy = values.strategy === undefined ? undefined : await parseStrategy(values.strategy);
    const training: Training = cell?.training ?? { freeze, tuneOnly, strategy };

    const gpu = await openAdapter(values.adapter, context, values.algorithm, values.precision);
    const ofSplits = (cell?.settings['seed'] as number | undefined) ?? seed;
    const opened = await openWithProgress(modelSource(model, values, values.keepHead), source, ofSplits, context);
    const experiment = cell === undefined ? opened : atCell(`--from ${given.from}`, cell, opened);
    await noteExperiment(experiment, values.batchNorm, context);
    if (typeof freeze === 'number') await noteNumbers(experiment.network, context);

    const tracker = await openTrackers(values, { out, title: experiment.source.name }, context);
    tracker?.begin({
      name: basename(resolve(out)),
      parameters: { freeze, learningRate, seed, momentum: values.momentum, epochs: values.epochs },
    });
    const progress = stepProgress(context);
    let steps = 0;
    context.defer(() => {
      progress.stop();
      if (context.signal.aborted && steps > 0) {
        context.note(`interrupted after ${steps} steps; their history is in ${join(out, 'history.jsonl')}`);
      }
    });
    const { adapter: _, algorithm: _2, out: _3, export: _4, tensorboard: _5, mlflow: _6, ...recorded } = values;
    const { newLayerFactor, mask, layerDecay, positive, sensitivity, logits } = values;
    const scored = { positive, sensitivity, logits };
    const result = await trainOnce(
      gpu,
      experiment,
      {
        ...{ training, newLayerFactor, mask, layerDecay, fit, ...scored },
        ...{ settings: { ...recorded, ...training }, out, export: values.export },
      },
      {
        signal: context.signal,
        onStep(record, of) {
          steps = record.step + 1;
          tracker?.scalars(record.step, stepScalars(record));
          progress.step(record, of);
        },
      },
    );
    progress.stop();
    if (tracker !== undefined) {
      trackResult(tracker, result);
      tracker.end('done');
    }
    if (context.json) context.printJson(result);
    else printRun(result, context);
  },
});

function printRun({ finalLoss, steps, seconds, metrics, detail, files }: RunResult, context: Context): void {
  context.print(`final loss ${finalLoss.toPrecision(4)} after ${steps} steps, ${seconds.toFixed(1)} s`);
  if (metrics !== undefined) {
    context.print(
      `test: accuracy ${metrics.accuracy.toFixed(4)} (${metrics.correct} of ${metrics.total}), macro precision ` +
        `${metrics.macroPrecision.toFixed(4)}, macro recall ${metrics.macroRecall.toFixed(4)}, F1 ${metrics.f1.toFixed(4)}`,
    );
  }
  for (const line of detailLines(detail)) context.print(line);
  context.print(files.join('\n'));
}

/** The grid's options in place of those given, but for where model, data and results lie. */
function ofCell<Values extends { model?: string; data?: string }>(
  given: Values,
  { settings, learningRate, momentum = settings['momentum'] as number, seed }: GridCell,
): Values {
  const { model = settings.model, data = settings.data } = given;
  // What is trained, and how, is the cell's own.
  const { freeze: _, tuneOnly: __, strategy: ___, ...common } = settings;
  return { ...given, ...common, learningRate, momentum, seed, model, data } as Values;
}
