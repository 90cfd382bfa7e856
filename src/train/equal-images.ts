/** The same picture more than once: by its pixels as the network sees them, whatever its names and formats. */
import type { ImageDataset } from '../data/dataset.ts';
import type { Split } from '../data/split.ts';
import { createHash } from '../host.ts';
import { visibleName } from '../text.ts';
import type { TrainingData } from './data.ts';

/** A text for each sample, the same for the same values. */
export function digestsOf(data: TrainingData): string[] {
  const values = data.kind === 'images' ? data.pixels : data.values;
  const item = values.length / data.labels.length;
  return Array.from(data.labels, (_, i) =>
    createHash('sha256')
      .update(values.subarray(i * item, (i + 1) * item))
      .digest('base64'),
  );
}

/** Samples by digest, those that stand alone left out. */
function repeated(digests: readonly string[]): number[][] {
  const by = new Map<string, number[]>();
  for (const [at, digest] of digests.entries()) {
    const same = by.get(digest);
    if (same === undefined) by.set(digest, [at]);
    else same.push(at);
  }
  return [...by.values()].filter((same) => same.length > 1);
}

/** The data set with equal samples in one group, together with all that shares a group with one of them. */
export function withEqualTogether(dataset: ImageDataset, digests: readonly string[]): ImageDataset {
  const { samples } = dataset;
  const parent = samples.map((_, at) => at);
  const root = (at: number): number => {
    while (parent[at] !== at) at = parent[at] = parent[parent[at]];
    return at;
  };
  const firstOf = new Map<string, number>();
  const join = (key: string, at: number) => {
    const first = firstOf.get(key);
    if (first === undefined) firstOf.set(key, at);
    else parent[root(at)] = root(first);
  };
  for (const [at, { group }] of samples.entries()) {
    join(`pixels ${digests[at]}`, at);
    if (group !== undefined) join(`group ${group}`, at);
  }
  const sizes = new Map<number, number>();
  for (const at of samples.keys()) sizes.set(root(at), (sizes.get(root(at)) ?? 0) + 1);
  return {
    ...dataset,
    samples: samples.map((sample, at) => {
      const one = root(at);
      if (sizes.get(one) === 1) return sample;
      return { ...sample, group: samples[one].group ?? `like ${samples[one].id}` };
    }),
  };
}

/**
 * What is to be said of equal samples, a line each: that there are any, that they stand under several classes, that a
 * split tests what it has trained on.
 */
export function sameOnBothSides(dataset: ImageDataset, digests: readonly string[], splits: readonly Split[]): string[] {
  const { samples, classes } = dataset;
  const groups = repeated(digests);
  if (groups.length === 0) return [];
  const idsOf = (same: readonly number[]) =>
    `${same
      .slice(0, 3)
      .map((at) => visibleName(samples[at].id))
      .join(', ')}${same.length > 3 ? ', ...' : ''}`;
  const lines = [
    `${groups.length} images stand more than once, pixel for pixel: ${groups.slice(0, 3).map(idsOf).join('; ')}`,
  ];
  const conflicting = groups.filter((same) => same.some((at) => samples[at].label !== samples[same[0]].label));
  if (conflicting.length > 0) {
    const [first] = conflicting;
    const labels = [...new Set(first.map((at) => visibleName(classes[samples[at].label])))].join(' and ');
    lines.push(`${conflicting.length} images stand under more than one class: ${idsOf(first)} (${labels})`);
  }
  const counts = splits.map(({ train, test }) => {
    const trained = new Set(train.map((at) => digests[at]));
    return test.filter((at) => trained.has(digests[at])).length;
  });
  const affected = counts.filter((count) => count > 0).length;
  if (affected === 0) return lines;
  const most = Math.max(...counts);
  const where =
    splits.length === 1
      ? `${most} test images are`
      : `in ${affected} of ${splits.length} splits up to ${most} test images are`;
  return [
    ...lines,
    `the same image on both sides: ${where} also trained on, so the scores are too good. Remove the copies, or give --duplicates together`,
  ];
}
