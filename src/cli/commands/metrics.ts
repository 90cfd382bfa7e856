import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { computeMetrics, type Metrics } from '../../train/metrics.ts';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    'Scores of a confusion matrix whose rows are true classes and whose columns are predicted ones. F1 is the harmonic mean of macro precision and macro recall; a class that is never predicted has precision 1.',
  options: z.object({
    confusion: z
      .array(z.array(z.number()))
      .describe("counts of images, one row for each true class, such as '[[38,2],[3,7]]'"),
    classes: z.array(z.string()).optional().describe('names of the classes, in the order of the rows'),
  }),
  json: true,
  examples: [
    { what: 'two classes, 50 images', line: "--confusion '[[38,2],[3,7]]' --classes benign,melanoma" },
    { what: 'for another program', line: "--confusion '[[38,2],[3,7]]' --json" },
  ],
  async run({ confusion, classes = confusion.map((_, c) => `class ${c}`) }, context) {
    const metrics = computeMetrics(confusion);
    if (classes.length !== confusion.length) {
      throw new FrostlineError(
        `--classes: ${classes.length} names for ${confusion.length} rows of the confusion matrix; give one for each row`,
      );
    }
    if (context.json) return context.printJson(metrics);
    const { default: Table } = await import('cli-table3');
    const table = new Table({
      head: ['', 'precision', 'recall', 'F1', 'images', 'predicted'],
      colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
      style: { head: [], border: [], compact: true },
    });
    for (const [c, m] of metrics.perClass.entries()) {
      table.push([classes[c], ...[m.precision, m.recall, m.f1].map(four), m.support, m.predicted]);
    }
    context.print(table.toString());
    context.print(summaryText(metrics));
  },
});

function summaryText(m: Metrics): string {
  const [low, high] = m.accuracyInterval;
  return [
    `accuracy          ${four(m.accuracy)}  (${m.correct} of ${m.total}; 95 % interval ${four(low)} to ${four(high)})`,
    `macro precision   ${four(m.macroPrecision)}`,
    `macro recall      ${four(m.macroRecall)}`,
    `F1                ${four(m.f1)}  (harmonic mean of the two macros)`,
    `mean of class F1  ${four(m.meanClassF1)}`,
  ].join('\n');
}

function four(value: number): string {
  return value.toFixed(4);
}
