import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { adapterOption, algorithmOption, openAdapter, precisionOption } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { readInputs, withFileName } from '../model-inputs.ts';
import { inputSizeOption } from '../model-options.ts';

export const command = defineCommand({
  description:
    'Runs an ONNX graph made of supported operators on tensors from .npy files or ONNX .pb files, and writes its outputs as .npy. The first dimension of every input is the batch.',
  arguments: z.object({ model: z.string().describe('an ONNX file, or the name of a model') }),
  options: z.object({
    input: z
      .array(z.string())
      .min(1)
      .meta({ valueName: '[NAME=]FILE' })
      .describe('tensor of an input; NAME= may be left out where the model has one input'),
    output: z
      .string()
      .meta({ valueName: 'FILE|DIR' })
      .describe('where to write: a file for one output, else a folder, which gets NAME.npy for each'),
    outputs: z
      .array(z.string())
      .min(1)
      .optional()
      .meta({ valueName: 'NAME' })
      .describe("these outputs alone; what others need need not be supported. Default: all of the model's"),
    inputSize: inputSizeOption,
    adapter: adapterOption,
    algorithm: algorithmOption,
    precision: precisionOption,
  }),
  json: true,
  examples: [
    { what: 'one input, one output', line: 'alexnet-small --input x.npy --output y.npy' },
    { what: 'inputs by name', line: 'two.onnx --input left=a.npy --input right=b.pb --output out/' },
  ],
  async run({ model: nameOrPath, input, output, outputs: wanted, inputSize, adapter, algorithm, precision }, context) {
    const [zoo, onnx, files, { bindInputs, infer }, { formatNpy }, { checkWritable, writeFilesAtomically }] =
      await Promise.all([
        import('../../models/zoo.ts'),
        import('../../onnx/read.ts'),
        import('../../models/tensor-file.ts'),
        import('../../models/infer.ts'),
        import('../../data/npy.ts'),
        import('../../files.ts'),
      ]);
    const path = zoo.resolveModel(nameOrPath);
    const model = onnx.readModel(path);
    const tensors = await readInputs(input, model);
    const bound = withFileName(path, () => bindInputs(model, tensors, { inputSize, outputs: wanted }));
    const { folder, names } = await outputPlaces(output, bound.network.outputs, files.outputFileNames);
    await checkWritable(folder);

    const gpu = await openAdapter(adapter, context, algorithm, precision);
    const results = await infer(gpu, bound);
    const contents = results.map(({ shape, data }, i) => [names[i], formatNpy({ type: 'f4', shape, data })] as const);
    const written = await writeFilesAtomically(folder, Object.fromEntries(contents));
    const outputs = results.map(({ name, shape }, i) => ({ name, shape, file: written[i] }));
    if (context.json) {
      const inputs = [...tensors].map(([name, { tensor, source }]) => ({ name, shape: tensor.dims, file: source }));
      return context.printJson({ model: path, adapter: gpu.describe(), inputs, outputs });
    }
    for (const { name, shape, file } of outputs) context.print(`${name} [${shape.join(', ')}] -> ${file}`);
  },
});

/** Where the outputs go, checked before anything is computed. */
async function outputPlaces(
  output: string,
  outputs: readonly string[],
  fileNames: (names: readonly string[]) => string[],
): Promise<{ folder: string; names: string[] }> {
  const { kindOf } = await import('../../data/files.ts');
  const found = await kindOf(output);
  const isFolder = found === undefined ? /[\\/]$/.test(output) : found === 'folder';
  if (outputs.length === 1 && !isFolder) return { folder: dirname(output), names: [basename(output)] };
  if (found !== undefined && !isFolder) {
    throw new FrostlineError(
      `--output: ${output} is a file, and the model has ${outputs.length} outputs, ${outputs.join(', ')}; name a folder`,
    );
  }
  return { folder: join(output), names: fileNames(outputs) };
}
