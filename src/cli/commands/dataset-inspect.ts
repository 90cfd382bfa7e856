import { z } from 'zod';
import type { DatasetInspection } from '../../data/inspect.ts';
import { plural } from '../../report/format.ts';
import { defineCommand } from '../command.ts';
import { countProgress } from '../count-progress.ts';
import { datasetOptions, maxPixelsOption } from '../dataset-options.ts';

export const command = defineCommand({
  description:
    'Opens every image of a data set and reports classes, counts, sizes, duplicates, and files that cannot be read or were left out. Exits with 1 when images cannot be read or the data set cannot be trained on.',
  arguments: z.object({ data: z.string().describe('a folder, or the one file that describes the data set') }),
  options: z.object({
    ...datasetOptions,
    images: z.string().optional().meta({ valueName: 'FILE' }).describe('npy: file of the images'),
    labels: z.string().optional().meta({ valueName: 'FILE' }).describe('npy: file of the labels'),
    maxPixels: maxPixelsOption,
  }),
  json: true,
  examples: [
    { what: 'a folder for each class', line: 'samples/fashion-two' },
    { what: 'a table of files and labels', line: 'images.csv --label-column diagnosis' },
  ],
  async run({ data, maxPixels, ...options }, context) {
    const [{ loadDataset }, { inspectDataset }] = await Promise.all([
      import('../../data/load.ts'),
      import('../../data/inspect.ts'),
    ]);
    const dataset = await loadDataset({ path: data, ...options });
    const progress = countProgress(context, 'images');
    const inspection = await inspectDataset(dataset, { maxPixels, onProgress: progress.update });
    progress.stop();
    if (context.json) context.printJson(inspection);
    else context.print(describe(inspection));
    const { length } = inspection.problems;
    if (length > 0) context.checkFailed(`${plural(length, 'problem')}, see above`);
  },
});

/** Lines of a list that are printed in full. */
const LISTED = 20;

function describe(found: DatasetInspection): string {
  const { sizes } = found;
  const range = ({ min, max }: { min: number; max: number }) => (min === max ? `${min}` : `${min} to ${max}`);
  const widest = Math.max(...found.classes.map(({ name }) => name.length));
  return [
    `${found.name}: ${found.count} images, ${found.classes.length} classes (${found.path})`,
    ...found.notes.map((note) => `  ${note}`),
    '',
    ...found.classes.map(({ name, count }) => `  ${name.padEnd(widest)}  ${count}`),
    '',
    ...(found.groups === undefined ? [] : [`groups    ${found.groups}`]),
    ...(sizes === undefined
      ? []
      : [
          `height    ${range(sizes.height)}`,
          `width     ${range(sizes.width)}`,
          `sizes     ${sizes.different} different, the most common ${sizes.mostCommon.height} x ${sizes.mostCommon.width} (${sizes.mostCommon.count} images)`,
        ]),
    `channels  ${found.channels.map(({ channels, count }) => `${channels} (${count} images)`).join(', ') || 'none'}`,
    ...section(
      'cannot be read',
      found.unreadable.map(({ id, reason }) => `${id}: ${reason}`),
    ),
    ...section(
      'the same image more than once',
      found.duplicates.map(({ ids, sameLabel }) => `${ids.join(', ')}${sameLabel ? '' : '  (under different labels)'}`),
    ),
    ...section(
      'left out',
      found.ignored.map(({ path, reason }) => `${path}: ${reason}`),
    ),
    ...section('problems', found.problems),
    ...(found.problems.length === 0 ? ['', 'no problems'] : []),
  ].join('\n');
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const more = lines.length > LISTED ? [`  and ${lines.length - LISTED} more`] : [];
  return ['', `${title}:`, ...lines.slice(0, LISTED).map((line) => `  ${line}`), ...more];
}
