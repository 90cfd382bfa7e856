import { createHash } from 'node:crypto';
import { attemptAll } from './concurrent.ts';
import { classCounts, type DatasetFormat, type ImageDataset } from './dataset.ts';
import { classDoubts, classProblems, leftOutLines } from './findings.ts';
import { arrayPixels, type DecodedImage, decodeFile, Remarks, reasonOf } from './pixels.ts';
import type { Pixels } from './resize.ts';

export interface DatasetInspection {
  readonly name: string;
  readonly path: string;
  readonly format: DatasetFormat;
  readonly notes: readonly string[];
  readonly count: number;
  readonly classes: readonly { readonly name: string; readonly count: number }[];
  /** Number of different groups; undefined where the data set has none. */
  readonly groups?: number;
  /** Of the readable images, after EXIF rotation; undefined where none is readable. */
  readonly sizes?: {
    readonly height: { readonly min: number; readonly max: number };
    readonly width: { readonly min: number; readonly max: number };
    readonly mostCommon: { readonly height: number; readonly width: number; readonly count: number };
    /** How many different sizes there are. */
    readonly different: number;
  };
  /** Number of images by number of channels in their files. */
  readonly channels: readonly { readonly channels: number; readonly count: number }[];
  /** Samples whose pixels are the same, whatever their names and formats. */
  readonly duplicates: readonly { readonly ids: readonly string[]; readonly sameLabel: boolean }[];
  readonly unreadable: readonly { readonly id: string; readonly reason: string }[];
  readonly ignored: ImageDataset['ignored'];
  /** What keeps the data set from being split and trained on, or makes its scores doubtful; empty where all is well. */
  readonly problems: readonly string[];
}

export interface InspectOptions {
  /** Fewest images that a class should have (default 3: classes of one or two are mostly no classes). */
  fewest?: number;
  concurrency?: number;
  /** Larger images count as unreadable (default: `MOST_PIXELS`). */
  maxPixels?: number;
  onProgress?: (done: number, total: number) => void;
}

/** Opens and decodes every image and reports what there is; never throws for what it finds in them. */
export async function inspectDataset(dataset: ImageDataset, options: InspectOptions = {}): Promise<DatasetInspection> {
  const { samples } = dataset;
  const fewest = options.fewest ?? 3;
  const found: (Described | undefined)[] = [];
  const open = async (at: number) => {
    const { source } = samples[at];
    found[at] =
      'file' in source
        ? describe(await decodeFile(source.file, options.maxPixels))
        : describe({ pixels: arrayPixels(source.array, source.index), fileChannels: source.array.channels });
  };
  const failures = await attemptAll(samples.length, open, options);
  const unreadable = failures.map(({ index, error }) => ({ id: samples[index].id, reason: reasonOf(error) }));

  const readable = found.filter((one) => one !== undefined);
  const duplicates = [...groupBy(samples.keys(), (at) => found[at]?.digest).values()]
    .filter((same) => same.length > 1)
    .map((same) => ({
      ids: same.map((at) => samples[at].id),
      sameLabel: same.every((at) => samples[at].label === samples[same[0]].label),
    }));
  const counts = classCounts(dataset);
  const classes = dataset.classes.map((name, label) => ({ name, count: counts[label] }));
  const groups = new Set(samples.flatMap(({ group }) => group ?? [])).size;

  const remarks = new Remarks();
  for (const [at, each] of found.entries()) if (each !== undefined) remarks.add(samples[at].id, each);

  const conflicting = duplicates.filter(({ sameLabel }) => !sameLabel).length;
  const problems = [
    ...classProblems(dataset, fewest),
    ...(unreadable.length > 0
      ? [`${unreadable.length} image${unreadable.length === 1 ? '' : 's'} cannot be read`]
      : []),
    ...(duplicates.length > 0
      ? [
          `${duplicates.length} images stand more than once and may fall on both sides of a split (--duplicates together keeps them on one)`,
        ]
      : []),
    ...(conflicting > 0 ? [`${conflicting} images stand under more than one label`] : []),
  ];
  return {
    name: dataset.name,
    path: dataset.path,
    format: dataset.format,
    notes: [...dataset.notes, ...leftOutLines(dataset), ...classDoubts(dataset), ...remarks.lines()],
    count: samples.length,
    classes,
    ...(groups > 0 && { groups }),
    ...(readable.length > 0 && { sizes: sizesOf(readable) }),
    channels: [...groupBy(readable, ({ channels }) => channels)]
      .map(([channels, images]) => ({ channels, count: images.length }))
      .sort((a, b) => a.channels - b.channels),
    duplicates,
    unreadable,
    ignored: dataset.ignored,
    problems,
  };
}

interface Described extends Pick<DecodedImage, 'remark' | 'bits'> {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly digest: string;
}

function describe({ pixels, fileChannels, remark, bits }: DecodedImage): Described {
  const { height, width } = pixels;
  return { height, width, channels: fileChannels, digest: digestOf(pixels), remark, bits };
}

const digestOf = ({ height, width, channels, data }: Pixels): string =>
  createHash('sha256').update(`${height} x ${width} x ${channels};`).update(data).digest('hex');

/** Items by key, in order of first appearance; items without a key are left out. */
function groupBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K | undefined): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function sizesOf(images: readonly { height: number; width: number }[]): NonNullable<DatasetInspection['sizes']> {
  const range = (values: number[]) => ({
    min: values.reduce((least, value) => Math.min(least, value)),
    max: values.reduce((most, value) => Math.max(most, value)),
  });
  const bySize = [...groupBy(images, ({ height, width }) => `${height}x${width}`).values()];
  const common = bySize.reduce((most, same) => (same.length > most.length ? same : most));
  return {
    height: range(images.map(({ height }) => height)),
    width: range(images.map(({ width }) => width)),
    mostCommon: { height: common[0].height, width: common[0].width, count: common.length },
    different: bySize.length,
  };
}
