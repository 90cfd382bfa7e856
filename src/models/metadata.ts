/** What frostline writes into an ONNX file's metadata_props, and reads back: preprocessing, labels, layer numbers. */
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import type { Network, Preprocessing } from './network.ts';

const keys = {
  preprocessing: 'frostline.preprocessing',
  labels: 'frostline.labels',
  layers: 'frostline.layers',
} as const;

const positive = z.number().positive();
const channels = z.array(z.number()).min(1);

const preprocessing = z.strictObject({
  size: z.tuple([positive.int(), positive.int()]),
  channelOrder: z.enum(['rgb', 'bgr']),
  scale: positive,
  mean: channels,
  std: z.array(positive).min(1),
});
const labels = z.array(z.string());
const layers = z.record(z.string(), z.number().int().min(1));

export interface KnownMetadata {
  readonly preprocessing?: Preprocessing;
  readonly labels?: readonly string[];
  /** Layer numbers by name. */
  readonly layers?: ReadonlyMap<string, number>;
}

/** Throws FrostlineError for an entry of frostline's that does not hold what frostline writes. */
export function parseMetadata(metadata: ReadonlyMap<string, string>): KnownMetadata {
  const numbers = parse(metadata, keys.layers, layers);
  return {
    preprocessing: parse(metadata, keys.preprocessing, preprocessing),
    labels: parse(metadata, keys.labels, labels),
    layers: numbers && new Map(Object.entries(numbers)),
  };
}

export function formatMetadata(network: Network): Map<string, string> {
  const numbered = network.nodes.filter(({ number }) => number !== undefined).map(({ name, number }) => [name, number]);
  const entries: [string, unknown][] = [
    [keys.preprocessing, network.preprocessing],
    [keys.labels, network.labels],
    [keys.layers, Object.fromEntries(numbered)],
  ];
  return new Map(
    entries.filter(([, value]) => value !== undefined).map(([key, value]) => [key, JSON.stringify(value)]),
  );
}

function parse<T>(metadata: ReadonlyMap<string, string>, key: string, schema: z.ZodType<T>): T | undefined {
  const text = metadata.get(key);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new FrostlineError(`the model's metadata '${key}' is '${text}': ${why}. Remove or mend the entry.`);
  }
}
