import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { adapterOption, openAdapter } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { countProgress } from '../count-progress.ts';
import { dataOptions, dataSource, fitOptions, fitSettings, modelOptions, modelSource } from '../experiment-options.ts';
import { openWithProgress } from '../open-experiment.ts';

const {
  epochs: _,
  schedule: __,
  warmupSteps: ___,
  stepEpochs: ____,
  stepFactor: _____,
  earlyStopping: ______,
  ...options
} = fitOptions;

export const command = defineCommand({
  description:
    'The learning-rate range test (Smith 2017): one short run whose rate grows by the same factor with every step. Writes the curve of the loss, and suggests a rate to begin with: a tenth of the one at the lowest smoothed loss. What is frozen, the momentum and the batch decide it: give those of the runs to come.',
  options: z.object({
    model: z.string().meta({ valueName: 'FILE|NAME' }).describe('ONNX file, or a name from weights list'),
    ...modelOptions,
    ...dataOptions,
    freeze: z
      .union([z.number(), z.string()])
      .default('none')
      .describe('none, all (but the last learnable layer), or the number or name of a layer: it and all before it'),
    fromRate: z.number().positive().default(1e-6).describe("the first step's rate"),
    toRate: z.number().positive().default(1).describe("the last step's rate"),
    steps: z.int().min(20).default(100).describe('steps at least; whole epochs are run'),
    momentum: z.number().min(0).lt(1).default(0.9).describe('of SGD, the paper has 0.99; of Adam beta 1'),
    ...options,
    out: z.string().default('runs/range-test').meta({ valueName: 'DIR' }).describe('folder for the curve'),
    adapter: adapterOption,
  }),
  json: true,
  examples: [
    { what: 'the shipped model and sample', line: '--model alexnet-small --data samples/fashion-two --freeze conv3' },
  ],
  async run(values, context) {
    const { fromRate: from, toRate: to, steps, freeze, newLayerFactor, layerDecay, seed, out } = values;
    if (to <= from) {
      throw new FrostlineError(`--from-rate ${from} and --to-rate ${to}: the rate grows. Give a larger --to-rate.`);
    }
    const [{ rangeTest }, { rate }, { csvText }, { writeFilesAtomically, checkWritable }] = await Promise.all([
      import('../../train/range-test.ts'),
      import('../../report/format.ts'),
      import('../../csv-text.ts'),
      import('../../files.ts'),
    ]);
    await checkWritable(out);
    const source = dataSource(values);
    const fit = await fitSettings({ ...values, epochs: 1 });
    const gpu = await openAdapter(values.adapter, context, undefined, values.precision);
    const experiment = await openWithProgress(modelSource(values.model, values), source, seed, context);
    const progress = countProgress(context, 'steps');
    const test = await rangeTest(
      gpu,
      experiment,
      { masks: { freeze, newLayerFactor, layerDecay }, fit: { ...fit, seed }, from, to, steps },
      { signal: context.signal, onStep: ({ step }, all) => progress.update(step + 1, all) },
    );
    progress.stop();
    const { rangeTestFigure } = await import('../../report/figures/range-test.ts');
    const { standalone } = await import('../../report/write.ts');
    const columns = ['step', 'learning_rate', 'loss', 'smoothed_loss'];
    const rows = test.curve.map(({ step, learningRate, loss, smoothed }) => [step + 1, learningRate, loss, smoothed]);
    const paths = await writeFilesAtomically(out, {
      'range-test.csv': csvText([columns, ...rows]),
      'range-test.svg': standalone(await rangeTestFigure(test)),
      'range-test.json': `${JSON.stringify({ settings: values, ...test }, null, 2)}\n`,
    });
    if (context.json) return context.printJson({ ...test, files: paths });
    const last = test.curve.at(-1)!.learningRate;
    context.print(
      `${test.curve.length} steps from rate ${rate(from)} to ${rate(last)}${test.ended ? `, ended there: ${test.ended}` : ''}`,
    );
    const { suggestion } = test;
    context.print(
      suggestion === undefined
        ? 'no suggestion: the loss does not fall over this range. Give a wider one, or more --steps.'
        : `suggestion: ${suggestion.rate.toPrecision(2)}, a tenth of the rate at the lowest smoothed loss (${suggestion.lowestAt.toPrecision(2)}). ` +
            'Try a grid around it: one curve of one split is no proof.',
    );
    context.print(paths.join('\n'));
  },
});
