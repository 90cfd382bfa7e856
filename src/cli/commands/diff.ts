import { z } from 'zod';
import type { LayerDifference, Reference } from '../../models/diff.ts';
import { adapterOption, algorithmOption, openAdapter } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { readInputs, withFileName } from '../model-inputs.ts';

export const command = defineCommand({
  description:
    "Runs an ONNX model on the adapter and in onnxruntime (CPU provider) with the same input, compares every layer's result, and names the first layer that departs. A relative difference is measured against the value there plus the root mean square of its tensor. Exits with 1 where a layer departs. onnxruntime is no dependency: npm install --ignore-scripts onnxruntime-node, or its folder in FROSTLINE_ORT.",
  arguments: z.object({ model: z.string().describe('an ONNX file, or the name of a model') }),
  options: z.object({
    against: z.enum(['onnxruntime']).default('onnxruntime').describe('what to compare with'),
    reference: z
      .string()
      .optional()
      .meta({ valueName: 'FILE' })
      .describe('the file that is run there, if another: a version whose values have the same names'),
    input: z
      .array(z.string())
      .optional()
      .meta({ valueName: '[NAME=]FILE' })
      .describe('tensors of the inputs, as .npy or .pb; random ones where it is left out'),
    batch: z
      .int()
      .min(1)
      .optional()
      .describe("items of the random inputs; the file's batch, or 1, where it is left out"),
    seed: z.int().min(0).default(1).describe('of the random inputs'),
    rtol: z.number().positive().default(1e-4).describe('the largest relative difference that is no departure'),
    adapter: adapterOption,
    algorithm: algorithmOption,
  }),
  json: true,
  examples: [
    { what: 'random inputs', line: 'model.onnx --against onnxruntime --batch 10' },
    { what: 'a given input', line: 'model.onnx --input x.npy' },
    { what: 'where a file departs from an earlier version', line: 'new.onnx --reference old.onnx' },
  ],
  async run({ model: nameOrPath, against, reference, input, batch, seed, rtol, adapter, algorithm }, context) {
    const [zoo, { readModel }, diff, onnxruntime] = await Promise.all([
      import('../../models/zoo.ts'),
      import('../../onnx/read.ts'),
      import('../../models/diff.ts'),
      import('../../models/onnxruntime.ts'),
    ]);
    const ort = onnxruntime.loadOnnxruntime();
    const path = zoo.resolveModel(nameOrPath);
    const model = readModel(path);
    const referenceModel = reference === undefined ? model : readModel(zoo.resolveModel(reference));
    const given = input
      ? await readInputs(input, model)
      : withFileName(path, () => diff.randomInputs(model, seed, batch));

    const gpu = await openAdapter(adapter, context, algorithm);
    const version = `onnxruntime ${ort.env.versions.node ?? ort.env.versions.common}`;
    context.note(`against: ${version}, CPU provider`);
    const there: Reference = (tapped) => onnxruntime.openOnnxruntime(ort, tapped);
    const { layers, leftOut } = await diff.diffLayers(gpu, model, given, there, { rtol, referenceModel });
    const first = layers.find(({ departs }) => departs);
    if (first !== undefined) {
      context.checkFailed(
        `the first layer that departs is '${first.layer}' (${first.kind}, value '${first.value}'): ` +
          `relative difference ${first.relative.toExponential(1)} at [${first.index.join(', ')}], ${first.here} here, ${first.there} there`,
      );
    }
    if (context.json) {
      const inputs = [...given].map(([name, { tensor, source }]) => ({ name, shape: tensor.dims, source }));
      const result = { model: path, against, version, adapter: gpu.describe(), inputs, rtol };
      return context.printJson({ ...result, layers, leftOut, firstDeparture: first?.layer ?? null });
    }
    context.print(await tableOf(layers));
    if (leftOut.length > 0)
      context.print(`Not compared, for want of a value of that name there: ${leftOut.join(', ')}.`);
    if (first === undefined) context.print(`No layer of ${layers.length} departs by more than ${rtol}.`);
  },
});

async function tableOf(layers: readonly LayerDifference[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: ['', 'layer', '', 'shape', 'absolute', 'relative', 'at', 'here', 'there', ''],
    colAligns: ['right', 'left', 'left', 'left', 'right', 'right', 'left', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  const first = layers.findIndex(({ departs }) => departs);
  for (const [i, row] of layers.entries()) {
    table.push([
      row.number ?? '',
      row.layer,
      row.kind,
      row.shape.join(' x '),
      row.absolute.toExponential(1),
      row.relative.toExponential(1),
      row.index.join(', '),
      row.here.toPrecision(6),
      row.there.toPrecision(6),
      i === first ? 'departs first' : row.departs ? 'departs' : '',
    ]);
  }
  return table.toString();
}
