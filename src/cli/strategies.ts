/** --strategy: direct, head-first[=EPOCHS], gradual[=EPOCHS], layer-decay=FACTOR, or a YAML file of phases. */
import { basename, extname } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import { type Strategy, strategySchema } from '../train/strategy.ts';
import { readYaml } from './yaml.ts';

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
  const phases = await readYaml(path);
  const name = basename(path, extname(path));
  const parsed = strategySchema.safeParse({ kind: 'phases', name, phases });
  if (parsed.success) return parsed.data;
  throw new FrostlineError(
    `--strategy ${path}: expected a list of phases, each with train (layers) and, where wanted, epochs, rate, ` +
      `early-stopping. ${z.prettifyError(parsed.error).split('\n')[0]}`,
  );
}
