import { basename, dirname } from 'node:path';
import { z } from 'zod';
import { presets } from '../../models/preprocessing.ts';
import { adapterOption, algorithmOption, openAdapter } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { countProgress } from '../count-progress.ts';
import { inputSizeOption } from '../model-options.ts';

export const command = defineCommand({
  description:
    'Classifies images with a network: a CSV line for each image and rank, with class and probability. Preprocessing and names of the classes are those in the file.',
  arguments: z.object({
    model: z.string().describe('an ONNX file, or the name of a model'),
    images: z.array(z.string()).min(1).describe('image files, and folders with images at any depth'),
  }),
  options: z.object({
    top: z.int().positive().default(1).describe('how many classes for each image, the most probable first'),
    output: z.string().optional().meta({ valueName: 'FILE' }).describe('write the CSV there, not on standard output'),
    preprocessing: z
      .enum(Object.keys(presets) as [string, ...string[]])
      .optional()
      .describe("how images become the input, in place of what the file says; at the file's own size"),
    inputSize: inputSizeOption,
    batchSize: z.int().positive().default(16).describe('images at a time on the device'),
    adapter: adapterOption,
    algorithm: algorithmOption,
  }),
  json: true,
  examples: [
    { what: 'a fine-tuned network, a folder', line: 'tuned.onnx photos/ --top 2 --output classes.csv' },
    { what: 'a network that does not say how it wants its images', line: 'net.onnx a.jpg --preprocessing torchvision' },
  ],
  async run({ model, images, top, output, preprocessing, inputSize, batchSize, adapter, algorithm }, context) {
    const [
      zoo,
      { loadNetwork },
      { readModel },
      { declaredImageSize },
      { preprocessingPreset },
      predict,
      { checkWritable, writeFilesAtomically },
    ] = await Promise.all([
      import('../../models/zoo.ts'),
      import('../../models/load.ts'),
      import('../../onnx/read.ts'),
      import('../../models/inputs.ts'),
      import('../../models/preprocessing.ts'),
      import('../../train/predict.ts'),
      import('../../files.ts'),
    ]);
    const files = await predict.findImages(images);
    const path = zoo.resolveModel(model);
    const size = inputSize ?? (preprocessing === undefined ? undefined : declaredImageSize(readModel(path)));
    const network = await loadNetwork(path, {
      inputSize: size,
      preprocessing: preprocessing === undefined ? undefined : preprocessingPreset(preprocessing, size),
    });
    if (output !== undefined) await checkWritable(dirname(output));
    const gpu = await openAdapter(adapter, context, algorithm);
    const progress = countProgress(context, 'images decoded');
    const { signal } = context;
    const options = { top, batch: batchSize, signal, onProgress: progress.update };
    const predictions = await predict.predictImages(gpu, network, files, options);
    progress.stop();

    const { stringify } = await import('csv-stringify/sync');
    const rows = predictions.flatMap(({ image, classes }) =>
      classes.map(({ name, probability }, rank) => [image, rank + 1, name, probability]),
    );
    const csv = stringify(rows, { header: true, columns: ['image', 'rank', 'class', 'probability'] });
    if (output !== undefined) {
      const [written] = await writeFilesAtomically(dirname(output), { [basename(output)]: csv });
      context.note(`wrote ${written}`);
    }
    if (context.json) context.printJson({ model: path, adapter: gpu.describe(), predictions });
    else if (output === undefined) context.print(csv.trimEnd());
  },
});
