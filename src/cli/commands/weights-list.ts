import { z } from 'zod';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description: 'Lists the published weights that frostline knows, and which of them are here.',
  options: z.object({
    folder: z.string().default('weights').meta({ valueName: 'DIR' }).describe('where pulled weights lie'),
  }),
  json: true,
  async run({ folder }, context) {
    const [{ listWeights }, { integer }, { default: Table }] = await Promise.all([
      import('../../models/zoo.ts'),
      import('../../report/format.ts'),
      import('cli-table3'),
    ]);
    const known = listWeights(folder);
    if (context.json) return context.printJson(known);
    const table = new Table({
      head: ['name', 'bytes', 'opset', 'preprocessing', 'here'],
      colAligns: ['left', 'right', 'right', 'left', 'left'],
      style: { head: [], border: [], compact: true },
    });
    for (const { name, bytes, opset, preprocessing, path, unsupported } of known) {
      const here = unsupported === undefined ? (path ?? 'no') : `cannot be run: ${unsupported.join(', ')}`;
      table.push([name, integer(bytes), opset, preprocessing, here]);
    }
    context.print(table.toString());
    context.print("fetch with 'frostline weights pull NAME'; 'alexnet-small' comes with the package");
  },
});
