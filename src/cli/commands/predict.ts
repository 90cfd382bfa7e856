import { dirname } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { presets } from '../../models/preprocessing.ts';
import { adapterOption, algorithmOption, openAdapter, precisionOption } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { countProgress } from '../count-progress.ts';
import { masksOption, maxPixelsOption } from '../dataset-options.ts';
import { inputSizeOption, noteLeftOut } from '../model-options.ts';

export const command = defineCommand({
  description:
    'Classifies images with a network: a CSV line for each image and rank, with class and probability, batch by batch, so that a folder may be of any size. Preprocessing and names of the classes are those in the file.',
  arguments: z.object({
    model: z.string().describe('an ONNX file, or the name of a model'),
    images: z.array(z.string()).min(1).describe('image files, and folders with images at any depth'),
  }),
  options: z.object({
    top: z.int().positive().default(1).describe('how many classes for each image, the most probable first'),
    format: z.enum(['csv', 'jsonl']).default('csv').describe('lines of CSV, or of JSON, one an image'),
    output: z.string().optional().meta({ valueName: 'FILE' }).describe('write them there, not on standard output'),
    skipBroken: z
      .boolean()
      .default(false)
      .describe('go on where images cannot be decoded; they are named at the end, and the exit code is 1'),
    preprocessing: z
      .enum(Object.keys(presets) as [string, ...string[]])
      .optional()
      .describe("how images become the input, in place of what the file says; at the file's own size"),
    inputSize: inputSizeOption,
    batchSize: z.int().positive().default(16).describe('images at a time on the device'),
    masks: masksOption,
    maxPixels: maxPixelsOption,
    adapter: adapterOption,
    algorithm: algorithmOption,
    precision: precisionOption,
  }),
  json: true,
  examples: [
    { what: 'a fine-tuned network, a folder', line: 'tuned.onnx photos/ --top 2 --output classes.csv' },
    { what: 'a network that does not say how it wants its images', line: 'net.onnx a.jpg --preprocessing torchvision' },
  ],
  async run(values, context) {
    const {
      model,
      images,
      top,
      format,
      output,
      skipBroken,
      preprocessing,
      inputSize,
      batchSize,
      adapter,
      algorithm,
      precision,
    } = values;
    const [
      zoo,
      { loadNetwork },
      { readModel },
      { declaredImageSize },
      { preprocessingPreset },
      predict,
      { checkWritable, GrowingFile },
      { leftOutLines },
      { csvText },
    ] = await Promise.all([
      import('../../models/zoo.ts'),
      import('../../models/load.ts'),
      import('../../onnx/read.ts'),
      import('../../models/inputs.ts'),
      import('../../models/preprocessing.ts'),
      import('../../train/predict.ts'),
      import('../../files.ts'),
      import('../../data/findings.ts'),
      import('../../csv-text.ts'),
    ]);
    const { images: files, leftOut } = await predict.findImages(images, values);
    for (const line of leftOutLines({ ignored: leftOut })) context.note(line);
    const path = zoo.resolveModel(model);
    const size = inputSize ?? (preprocessing === undefined ? undefined : declaredImageSize(readModel(path)));
    const network = await loadNetwork(path, {
      inputSize: size,
      preprocessing: preprocessing === undefined ? undefined : preprocessingPreset(preprocessing, size),
    });
    noteLeftOut(network, context);
    if (output !== undefined) await checkWritable(dirname(output));
    const gpu = await openAdapter(adapter, context, algorithm, precision);
    const progress = countProgress(context, 'images classified');
    const unreadable: import('../../train/predict.ts').Unreadable[] = [];
    const { signal } = context;
    const stream = predict.streamPredictions(gpu, network, files, {
      ...{ top, batch: batchSize, signal, maxPixels: values.maxPixels, onProgress: progress.update },
      onRemark: (text) => context.note(text),
      onUnreadable: (problem) => unreadable.push(problem),
    });
    const columns = ['image', 'rank', 'class', 'probability'];
    const lines = (part: readonly import('../../train/predict.ts').ImagePrediction[], first: boolean): string => {
      if (format === 'jsonl') return part.map((one) => `${JSON.stringify(one)}\n`).join('');
      const rows = part.flatMap(({ image, classes }) =>
        classes.map(({ name, probability }, rank) => [image, rank + 1, name, probability]),
      );
      return csvText(first ? [columns, ...rows] : rows);
    };
    const kept: import('../../train/predict.ts').ImagePrediction[] = [];
    const file = output === undefined ? undefined : await GrowingFile.open(output);
    let whole = false;
    let first = true;
    try {
      for await (const part of stream) {
        // Behind a broken image nothing more is told but which others are broken.
        if (unreadable.length > 0 && !skipBroken) continue;
        if (context.json) kept.push(...part);
        const text = lines(part, first);
        first = false;
        if (file !== undefined) file.append(text);
        else if (!context.json) context.print(text.trimEnd());
      }
      progress.stop();
      if (unreadable.length > 0) {
        const message =
          `${unreadable.length} of ${files.length} images cannot be decoded:\n` +
          `${unreadable.map(({ image, why }) => `  ${image}: ${why}`).join('\n')}\n`;
        if (!skipBroken)
          throw new FrostlineError(`${message}Replace or remove them, or leave them out with --skip-broken.`);
        context.checkFailed(`${message}They are left out.`);
      }
      whole = true;
    } finally {
      if (whole) await file?.commit();
      else await file?.discard();
    }
    if (output !== undefined) context.note(`wrote ${output}`);
    if (context.json) context.printJson({ model: path, adapter: gpu.describe(), predictions: kept });
  },
});
