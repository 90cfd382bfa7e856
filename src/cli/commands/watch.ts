import { z } from 'zod';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    "Serves a grid's report on this machine's loopback interface and updates the page while a sweep runs. It reads the folder alone, so it may be started before the sweep, beside shards, and on a folder that others write to. Ends with Ctrl-C.",
  arguments: z.object({ grid: z.string().describe("the grid's folder, the --out of a sweep") }),
  options: z.object({
    port: z.int().min(0).max(65_535).default(8017).describe('0 takes a free one'),
  }),
  examples: [{ what: 'beside a running sweep', line: 'runs/quickstart' }],
  async run({ grid, port }, context) {
    const { watchGrid } = await import('../../report/watch.ts');
    const { url, close } = await watchGrid(grid, { port });
    context.defer(close);
    context.print(`${grid}: ${url}`);
    await new Promise<void>((resolve) => {
      if (context.signal.aborted) resolve();
      else context.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  },
});
