import { basename } from 'node:path';
import { z } from 'zod';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    'Computes the sha256 of a file and says which of the published weights it is. Exits with 1 when it is none of them.',
  arguments: z.object({ file: z.string().describe('an ONNX file') }),
  options: z.object({}),
  json: true,
  examples: [{ what: 'after a download by hand', line: 'weights/bvlcalexnet-9.onnx' }],
  async run({ file }, context) {
    const { manifest, verifyWeights } = await import('../../models/zoo.ts');
    const found = await verifyWeights(file);
    const { bytes, sha256, entry, shipped } = found;
    if (context.json) context.printJson({ file, bytes, sha256, name: entry?.name ?? shipped ?? null });
    else {
      context.print(`${file}\n  ${bytes} bytes\n  sha256 ${sha256}`);
      if (entry) context.print(`  is ${entry.name}, preprocessing ${entry.preprocessing}`);
      if (shipped) context.print(`  is ${shipped}, which comes with the package`);
    }
    if (entry || shipped) return;
    const namesake = manifest().find((known) => known.file === basename(file));
    context.checkFailed(
      namesake
        ? `${file} is not ${namesake.name}: that has ${namesake.bytes} bytes and sha256 ${namesake.sha256}. Fetch it again.`
        : `${file} is none of the published weights that frostline knows.`,
    );
  },
});
