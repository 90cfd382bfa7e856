/** pictures.json of a grid's folder: images in the page, from where the sweep left them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import { PICTURES, type Pictures } from '../train/pictures.ts';

export type { Pictures } from '../train/pictures.ts';

/** A picture goes into a page: nothing else may. */
const picture = z.string().regex(/^data:image\/(png|jpeg);base64,[A-Za-z0-9+/=]+$/);

const pictures = z.object({
  cell: z.string(),
  heatLayer: z.string().optional(),
  withoutHeat: z.string().optional(),
  wrongCount: z.int().min(0),
  wrong: z.array(
    z.object({
      image: z.string(),
      label: z.string(),
      predicted: z.string(),
      probabilities: z.record(z.string(), z.number()),
      picture,
      heat: picture.optional(),
      heatOfLabel: picture.optional(),
    }),
  ),
  hard: z.array(
    z.object({ image: z.string(), label: z.string(), runs: z.int().min(1), wrong: z.int().min(1), picture }),
  ),
  augmented: z.array(z.object({ image: z.string(), original: picture, drawn: z.array(picture) })),
});

/** @throws FrostlineError for a file that is not what a sweep writes */
export async function readPictures(folder: string): Promise<Pictures | undefined> {
  const file = join(folder, PICTURES);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = pictures.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw new FrostlineError(
    `${file}: ${path.join('.') || 'the file'}: ${message}. Delete it; 'frostline merge ${folder}' makes it anew.`,
  );
}
