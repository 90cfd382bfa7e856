import { z } from 'zod';
import { measureNames } from '../../statistics/measure.ts';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    "Which points cannot be told from the best, over images, splits and seeds together. Reads a grid's predictions.csv, or anybody's table: columns point, split, seed, image, label, predicted, a row for each image of each run; group where images belong together, as those of a patient, and p_CLASS where there are probabilities.",
  arguments: z.object({ table: z.string().describe("CSV of predictions, or a grid's folder") }),
  options: z.object({
    score: z.enum(measureNames).default('f1').describe('what is compared'),
    positive: z
      .string()
      .optional()
      .meta({ valueName: 'CLASS' })
      .describe('the class that is looked for: sensitivity, specificity, auc; of two classes, else the rarer one'),
    level: z.number().gt(0.5).lt(1).default(0.95).describe('confidence of the set and the intervals'),
    draws: z.number().int().min(100).default(4000).describe('how often images, splits and seeds are drawn anew'),
    encoding: z.string().optional().describe('of the table, such as windows-1252; UTF-8 unless given'),
    seed: z.number().int().min(0).default(1).describe('of the draws'),
  }),
  json: true,
  examples: [
    { what: 'a grid', line: 'runs/quickstart' },
    { what: 'runs of any framework, by the area under the ROC curve', line: 'predictions.csv --score auc --json' },
  ],
  async run({ table, encoding, ...options }, context) {
    const [
      { parsePredictions },
      { gatherRuns },
      { verdictOf },
      { verdictText },
      { isFolder },
      { join },
      { decodeText, readGiven },
    ] = await Promise.all([
      import('../../statistics/table.ts'),
      import('../../statistics/runs.ts'),
      import('../../statistics/verdict.ts'),
      import('../../report/verdict-text.ts'),
      import('../../files.ts'),
      import('node:path'),
      import('../../read-files.ts'),
    ]);
    const file = (await isFolder(table)) ? join(table, 'predictions.csv') : table;
    const bytes = await readGiven(file);
    const remedy = 'Name its encoding, for example --encoding windows-1252 (Latin-1), or save it as UTF-8';
    const text = decodeText(bytes, file, encoding, remedy);
    const { rows, at } = parsePredictions(text, file);
    const verdict = verdictOf(gatherRuns(rows, at), options);
    if (context.json) return context.printJson(verdict);
    context.print(verdictText(verdict));
  },
});
