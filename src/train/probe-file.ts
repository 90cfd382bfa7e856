/** probe.json in a grid's folder. */
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import { join } from '../host.ts';
import { readTextIfThere } from '../read-files.ts';
import type { Probe } from './probe.ts';
import { freezePoint } from './result-schema.ts';
import { parseRunFile } from './run-folder.ts';

export const PROBE = 'probe.json';

const schema = z.object({
  points: z.array(
    z.object({
      freeze: freezePoint,
      shape: z.array(z.int()),
      linear: z.object({ f1: z.number(), accuracy: z.number(), penalty: z.number() }),
      logme: z.number(),
      cka: z.number(),
    }),
  ),
  images: z.int(),
  grouped: z.boolean(),
  seconds: z.number(),
});

/** @returns nothing where there is none. @throws FrostlineError for a file that is not what a probe writes */
export async function readProbe(folder: string): Promise<Probe | undefined> {
  const file = join(folder, PROBE);
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(parseRunFile(file, text));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw new FrostlineError(`${file}: ${path.join('.')}: ${message}. Run frostline probe again, or delete the file.`);
}

export const probeText = (probe: Probe) => `${JSON.stringify(probe, null, 2)}\n`;
