import { z } from 'zod';
import type { DescribedValue, ModelDescription } from '../../models/describe.ts';
import { defineCommand } from '../command.ts';
import { inputSizeOption } from '../model-options.ts';

export const command = defineCommand({
  description:
    'Prints what is in an ONNX model: producer, operator set, inputs and outputs, every layer with its number, shape and parameters, the freeze points, preprocessing and labels.',
  arguments: z.object({ model: z.string().describe('an ONNX file, or the name of a model') }),
  options: z.object({ inputSize: inputSizeOption }),
  json: true,
  examples: [{ what: 'the model that comes with the package', line: 'alexnet-small' }],
  async run({ model, inputSize }, context) {
    const [{ describeModel }, { resolveModel }] = await Promise.all([
      import('../../models/describe.ts'),
      import('../../models/zoo.ts'),
    ]);
    const description = await describeModel(resolveModel(model), { inputSize });
    if (context.json) return context.printJson(description);
    const { default: Table } = await import('cli-table3');
    const { integer } = await import('../../report/format.ts');
    context.print(head(description));
    const table = new Table({
      head: ['number', 'layer', 'kind', '', 'output', 'weight', 'parameters'],
      colAligns: ['right', 'left', 'left', 'left', 'left', 'left', 'right'],
      style: { head: [], border: [], compact: true },
    });
    for (const { number, name, kind, detail, shape, parameters, parameterCount } of description.layers) {
      const weight = parameters[0]?.shape.join(' x ') ?? '';
      const values = parameterCount === 0 ? '' : integer(parameterCount);
      table.push([number ?? '', name, kind, detail, shape.join(' x '), weight, values]);
    }
    context.print(table.toString());
    context.print(foot(description, integer));
  },
});

function head({ file, name, producer, opset, irVersion, inputs, outputs }: ModelDescription): string {
  const value = ({ name, type, shape }: DescribedValue) =>
    `${name}: ${type ?? 'unknown type'} [${shape?.map((dim) => dim ?? '?').join(', ') ?? 'unknown shape'}]`;
  return [
    `${name} (${file})`,
    `producer       ${producer || 'not named'}`,
    `operator set   ${opset}, IR version ${irVersion}`,
    ...inputs.map((input) => `input          ${value(input)}`),
    ...outputs.map((output) => `output         ${value(output)}`),
  ].join('\n');
}

function foot(
  { parameterCount, freezePoints, numbering, batchNormalization, preprocessing, labels }: ModelDescription,
  integer: (n: number) => string,
): string {
  const shown = labels?.slice(0, 10).join(', ');
  return [
    `parameters     ${integer(parameterCount)}`,
    `freeze points  ${['none', ...freezePoints.map(({ number, name }) => `${number} (${name})`)].join(', ')}`,
    `numbers        ${numbering}`,
    ...(batchNormalization === undefined ? [] : [`normalisation  ${batchNormalization}`]),
    preprocessing === undefined
      ? 'preprocessing  not known; give --preprocessing where images are read'
      : `preprocessing  ${preprocessing.size.join(' x ')}, ${preprocessing.channelOrder}, scale ${preprocessing.scale}, mean ${preprocessing.mean.join(' ')}, std ${preprocessing.std.join(' ')}`,
    labels === undefined
      ? 'labels         not known'
      : `labels         ${labels.length}: ${shown}${labels.length > 10 ? ', ...' : ''}`,
  ].join('\n');
}
