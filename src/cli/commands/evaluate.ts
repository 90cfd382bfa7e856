import { basename, dirname } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { adapterOption, algorithmOption, openAdapter, precisionOption } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { countProgress } from '../count-progress.ts';
import { datasetOptions, maxPixelsOption } from '../dataset-options.ts';
import { detailLines } from '../detail-lines.ts';
import { modelOptions, scoreOptions } from '../experiment-options.ts';
import { noteLeftOut } from '../model-options.ts';

export const command = defineCommand({
  description:
    'Tests a network as it is on a labelled data set: all scores, each with its 95 % interval. The classes of both go together by name. The intervals speak of other images of the same kind; images that the network was trained on give scores that are too good.',
  arguments: z.object({ model: z.string().describe('an ONNX file, or the name of a model') }),
  options: z.object({
    data: z.string().meta({ valueName: 'DIR' }).describe('data set, every image of which is tested'),
    ...datasetOptions,
    maxPixels: maxPixelsOption,
    ...modelOptions,
    ...scoreOptions,
    output: z.string().optional().meta({ valueName: 'FILE' }).describe('also write a CSV line for each image there'),
    logits: z
      .boolean()
      .optional()
      .describe('with --output: also a column logit_CLASS for each class, what the softmax is taken of'),
    batchSize: z.int().positive().default(16).describe('images at a time on the device'),
    adapter: adapterOption,
    algorithm: algorithmOption,
    precision: precisionOption,
  }),
  json: true,
  examples: [
    { what: 'a fine-tuned network on new images', line: 'best.onnx --data photos' },
    { what: 'one part of a data set', line: 'net.onnx --data fashion-mnist --split test --exclude "Ankle boot,Bag"' },
  ],
  async run(values, context) {
    const [zoo, { loadNetwork }, { readModel }, inputs, { preprocessingPreset }, { loadDataset }, tests, files] =
      await Promise.all([
        import('../../models/zoo.ts'),
        import('../../models/load.ts'),
        import('../../onnx/read.ts'),
        import('../../models/inputs.ts'),
        import('../../models/preprocessing.ts'),
        import('../../data/load.ts'),
        import('../../train/test-network.ts'),
        import('../../files.ts'),
      ]);
    const { data, preprocessing, output, batchSize, positive, sensitivity, logits } = values;
    if (logits && output === undefined) {
      throw new FrostlineError('--logits goes with --output FILE, where they are written to. Give both.');
    }
    const path = zoo.resolveModel(values.model);
    const size =
      values.inputSize ?? (preprocessing === undefined ? undefined : inputs.declaredImageSize(readModel(path)));
    const network = await loadNetwork(path, {
      inputSize: size,
      preprocessing: preprocessing === undefined ? undefined : preprocessingPreset(preprocessing, size),
    });
    const read = Object.keys(datasetOptions) as (keyof typeof datasetOptions)[];
    const dataset = await loadDataset({ path: data, ...Object.fromEntries(read.map((key) => [key, values[key]])) });
    const { classDoubts, classesLine, leftOutLines } = await import('../../data/findings.ts');
    const notes = [...dataset.notes, classesLine(dataset), ...leftOutLines(dataset), ...classDoubts(dataset)];
    for (const note of notes) context.note(`data: ${note}`);
    noteLeftOut(network, context);
    if (output !== undefined) await files.checkWritable(dirname(output));
    const gpu = await openAdapter(values.adapter, context, values.algorithm, values.precision);
    const progress = countProgress(context, 'images decoded');
    const { classes, metrics, confusion, detail, evaluation, labels } = await tests.testNetwork(gpu, network, dataset, {
      batch: batchSize,
      positive,
      sensitivity,
      logits,
      signal: context.signal,
      onProgress: progress.update,
      maxPixels: values.maxPixels,
      onRemark: (text) => context.note(`data: ${text}`),
    });
    progress.stop();
    if (output !== undefined) {
      const { csvText } = await import('../../csv-text.ts');
      const { predictions, probabilities, logits } = evaluation;
      const rows = dataset.samples.map(({ id }, i) => [
        ...[id, classes[labels[i]], classes[predictions[i]]],
        ...probabilities.subarray(i * classes.length, (i + 1) * classes.length),
        ...(logits?.subarray(i * classes.length, (i + 1) * classes.length) ?? []),
      ]);
      const names = [...classes, ...(logits ? classes.map((name) => `logit_${name}`) : [])];
      const csv = csvText([['image', 'label', 'predicted', ...names], ...rows]);
      const [written] = await files.writeFilesAtomically(dirname(output), { [basename(output)]: csv });
      context.note(`wrote ${written}`);
    }
    if (context.json) {
      return context.printJson({ model: path, adapter: gpu.describe(), classes, metrics, confusion, detail });
    }
    const [low, high] = metrics.accuracyInterval;
    context.print(
      `${metrics.correct} of ${metrics.total} images right: accuracy ${metrics.accuracy.toFixed(4)} (${low.toFixed(4)} to ${high.toFixed(4)})`,
    );
    for (const line of detailLines(detail)) context.print(line);
    const { default: Table } = await import('cli-table3');
    const table = new Table({ head: ['is \\ taken for', ...classes], style: { head: [], border: [], compact: true } });
    for (const [c, row] of confusion.entries()) table.push([classes[c], ...row]);
    context.print(table.toString());
  },
});
