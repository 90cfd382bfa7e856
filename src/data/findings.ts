/** What a data set shows before its images are opened: classes, counts, what was left out, names that make doubtful. */
import { visibleName } from '../text.ts';
import { classCounts, type ImageDataset } from './dataset.ts';
import { saysMask } from './masks.ts';

const plural = (count: number, noun: string, several = `${noun}s`): string =>
  `${count} ${count === 1 ? noun : several}`;
const quoted = (names: readonly string[]): string => names.map((name) => `'${visibleName(name)}'`).join(', ');
const some = (names: readonly string[], most: number): string =>
  `${names.slice(0, most).join(', ')}${names.length > most ? ` and ${names.length - most} more` : ''}`;

/** A line that says each class with its count. */
export function classesLine(dataset: ImageDataset): string {
  const counts = classCounts(dataset);
  const each = dataset.classes.map((name, label) => `${visibleName(name)} ${counts[label]}`);
  return `${plural(dataset.samples.length, 'image')}, ${plural(each.length, 'class', 'classes')}: ${some(each, 20)}`;
}

/** A line for each reason for which files were left out, with the kinds of their names. */
export function leftOutLines({ ignored }: Pick<ImageDataset, 'ignored'>): string[] {
  const byReason = new Map<string, string[]>();
  for (const { path, reason } of ignored) {
    const paths = byReason.get(reason);
    if (paths === undefined) byReason.set(reason, [path]);
    else paths.push(path);
  }
  return [...byReason].map(([reason, paths]) => {
    const what = paths.length === 1 && paths[0].endsWith('/') ? 'folder' : 'file';
    return `${plural(paths.length, what)} left out, ${reason}: ${some(paths.map(visibleName), 3)}`;
  });
}

/** Names that stand for nothing in tables. */
const nothing = /^(nan|na|n\/a|#n\/a|null|none|nil|\?|-|unknown|undefined)$/i;

/** Classes that are hardly meant: too few images, or names that say something else than a class. */
export function classProblems(dataset: ImageDataset, fewest: number): string[] {
  const { classes } = dataset;
  const counts = classCounts(dataset);
  const problems: string[] = [];
  if (classes.length < 2) problems.push(`${plural(classes.length, 'class', 'classes')}: nothing to tell apart`);
  const small = classes.flatMap((name, label) => (counts[label] < fewest ? [{ name, count: counts[label] }] : []));
  const few = (count: number) => `expected ${fewest} or more`.concat(count === 0 ? ', or no folder of that name' : '');
  if (small.length <= 5) {
    for (const { name, count } of small) {
      problems.push(`class '${visibleName(name)}' has ${plural(count, 'image')}, ${few(count)}`);
    }
  } else {
    const each = small.map(({ name, count }) => `'${visibleName(name)}' (${count})`);
    problems.push(`${small.length} of ${classes.length} classes have fewer than ${fewest} images: ${some(each, 5)}`);
    if (small.length > classes.length / 2) {
      problems.push('most classes are of a few images: are these folders cases or patients, and no classes?');
    }
  }
  return problems;
}

/** What a user should look at once more; it may be meant. */
export function classDoubts({ classes }: Pick<ImageDataset, 'classes'>): string[] {
  const doubts: string[] = [];
  const masks = classes.filter((name) => saysMask(name) || /mask|segmentation|ground.?truth/i.test(name));
  if (masks.length > 0 && masks.length < classes.length) {
    doubts.push(
      `class ${quoted(masks)}: the name says mask or lesion. Leave it out (--exclude ${masks[0]}) if its images mark places in others`,
    );
  }
  const alike = new Map<string, string[]>();
  for (const name of classes) {
    const number = name.trim() !== '' && Number.isFinite(Number(name)) ? String(Number(name)) : undefined;
    const key =
      number ??
      name
        .toLowerCase()
        .replaceAll(/[\s_-]+/g, ' ')
        .trim();
    alike.set(key, [...(alike.get(key) ?? []), name]);
  }
  for (const names of alike.values()) {
    if (names.length > 1)
      doubts.push(`classes ${quoted(names)} are written almost alike: if they are one, write them alike`);
  }
  const empty = classes.filter((name) => nothing.test(name));
  if (empty.length > 0) doubts.push(`class ${quoted(empty)}: the name usually stands for a value that is missing`);
  return doubts;
}
