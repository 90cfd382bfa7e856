import { z } from 'zod';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description: "Lists every kernel with its variants. 'frostline kernels show NAME' prints the WGSL.",
  options: z.object({}),
  json: true,
  async run(_, context) {
    const [{ allKernels }, { contractionUses }, { default: Table }] = await Promise.all([
      import('../../operators/kernels.ts'),
      import('../../kernels/contraction/uses.ts'),
      import('cli-table3'),
    ]);
    const rows = [
      ...[...allKernels.values()].map(({ name, variants }) => ({
        name,
        kernel: name,
        variants: variants.map((variant) => ({
          name: variant.name,
          configurations: variant.configurations.length,
        })),
      })),
      ...contractionUses.map(({ name }) => ({ name, kernel: 'contraction', variants: [] })),
    ].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (context.json) return context.printJson(rows);
    const table = new Table({ head: ['kernel', 'variants'], style: { head: [], border: [], compact: true } });
    for (const { name, kernel, variants } of rows) {
      const texts = variants.map((v) =>
        v.configurations > 1 ? `${v.name} (${v.configurations} configurations)` : v.name,
      );
      table.push([name, kernel === name ? texts.join(', ') : `is ${kernel} with strides of its own`]);
    }
    context.print(table.toString());
  },
});
