/** --strategy: direct, head-first[=EPOCHS], gradual[=EPOCHS], layer-decay=FACTOR, or a YAML file of phases. */
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import { type Strategy, strategySchema } from '../train/strategy.ts';

export const STRATEGIES = 'direct, head-first[=EPOCHS], gradual[=EPOCHS], layer-decay=FACTOR, or a YAML file of phases';

/** @throws FrostlineError for a word that is none, a number that does not fit, a file that holds no phases */
export async function parseStrategy(text: string): Promise<Strategy> {
  if (/\.(ya?ml|json)$/i.test(text)) return await readPhases(text);
  const [kind, value, ...more] = text.split('=');
  const number = value === undefined ? undefined : Number(value);
  const given = kind === 'layer-decay' ? { kind, factor: number } : { kind, epochs: number };
  const parsed = strategySchema.safeParse(number === undefined ? { kind } : given);
  if (parsed.success && more.length === 0 && value !== '') return parsed.data;
  throw new FrostlineError(`--strategy ${text}: expected ${STRATEGIES}.`);
}

/** The file is a list of phases; see `strategySchema`. It is named by its own name. */
async function readPhases(path: string): Promise<Strategy> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new FrostlineError(`--strategy ${path}: cannot be read (${error.code}).`);
  });
  let phases: unknown;
  try {
    phases = parse(text);
  } catch (error) {
    throw new FrostlineError(`--strategy ${path}: no YAML (${(error as Error).message.split('\n')[0]}).`);
  }
  const name = basename(path, extname(path));
  const parsed = strategySchema.safeParse({ kind: 'phases', name, phases });
  if (parsed.success) return parsed.data;
  throw new FrostlineError(
    `--strategy ${path}: expected a list of phases, each with train (layers) and, where wanted, epochs, rate, ` +
      `early-stopping. ${z.prettifyError(parsed.error).split('\n')[0]}`,
  );
}
