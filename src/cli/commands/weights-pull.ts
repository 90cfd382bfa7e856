import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { countProgress } from '../count-progress.ts';

export const command = defineCommand({
  description:
    'Fetches published weights. Goes on where an earlier try ended, and gives the file its name only when its sha256 is right.',
  arguments: z.object({ name: z.string().describe("as 'frostline weights list' names them") }),
  options: z.object({
    folder: z.string().default('weights').meta({ valueName: 'DIR' }).describe('where to put the file'),
    address: z
      .array(z.url())
      .optional()
      .meta({ valueName: 'URL' })
      .describe('fetch from here, a mirror; the sum is checked all the same'),
  }),
  json: true,
  examples: [{ what: "the zoo's AlexNet", line: 'bvlcalexnet-9' }],
  async run({ name, folder, address }, context) {
    const [{ pullWeights }, { integer }] = await Promise.all([
      import('../../models/zoo.ts'),
      import('../../report/format.ts'),
    ]);
    const megabytes = (bytes: number) => integer(Math.round(bytes / 1e6));
    const progress = countProgress(context, (done, total) => `${megabytes(done)} of ${megabytes(total)} MB`);
    let from: string | undefined;
    const file = await pullWeights(name, {
      folder,
      addresses: address,
      onProgress({ received, total, address: current }) {
        if (current !== from) context.note(`fetching ${current} (${integer(total)} bytes)`);
        from = current;
        progress.update(received, total);
      },
    });
    progress.stop();
    if (context.json) context.printJson({ name, file, fetched: from !== undefined });
    else context.print(from === undefined ? `${file} is there already, and its sha256 is right` : `wrote ${file}`);
  },
});
