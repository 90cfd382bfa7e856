import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import type { DetailedScores } from '../statistics/detail.ts';
import type { Verdict } from '../statistics/verdict.ts';
import { computeMetrics } from '../train/metrics.ts';
import type { Protocol } from '../train/protocol.ts';
import type { GridResult } from '../train/results.ts';

/** null in the file stands for NaN or infinity. */
const lossy = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const count = z.int().min(0);
const freezePoint = z.object({ number: z.int().positive().nullable(), name: z.string(), all: z.boolean().optional() });

const adapter = z.object({ name: z.string(), driver: z.string(), kind: z.enum(['hardware', 'software', 'embedded']) });

const cell = z
  .object({
    freeze: freezePoint,
    learningRate: z.number().positive(),
    newLayerRate: z.number().min(0),
    split: z.string().default('1'),
    seed: z.int(),
    folder: z.string().optional(),
    status: z.enum(['done', 'failed']),
    error: z.string().optional(),
    confusion: z.array(z.array(count)).optional(),
    validation: z.object({ confusion: z.array(z.array(count)) }).optional(),
    detail: z.custom<DetailedScores>((value) => typeof value === 'object').optional(),
    constant: z.string().optional(),
    trainAccuracy: z.number().optional(),
    finalLoss: lossy.optional(),
    adapter,
    seconds: z.number().min(0),
    steps: count,
    lossHistory: z.array(lossy).optional(),
  })
  .refine((c) => c.status === 'failed' || c.confusion !== undefined, {
    message: 'a cell that is done needs its confusion matrix',
    path: ['confusion'],
  });

const gridResult = z.object({
  title: z.string(),
  startedAt: z.string(),
  seconds: z.number().min(0),
  model: z.object({
    name: z.string(),
    source: z.string(),
    sha256: z.string().optional(),
    parameters: count,
    note: z.string().optional(),
  }),
  dataset: z.object({
    name: z.string(),
    classes: z.array(z.string()),
    train: count,
    test: z.int().positive(),
    counts: z.object({ train: z.array(count), validation: z.array(count).optional(), test: z.array(count) }),
    note: z.string().optional(),
  }),
  adapters: z.array(adapter),
  settings: z.record(z.string(), z.unknown()),
  // Written by frostline alone, and only shown: taken as they are.
  protocol: z.custom<Protocol>((value) => typeof value === 'object').optional(),
  select: z.enum(['validation', 'test']).optional(),
  verdict: z.custom<Verdict>((value) => typeof value === 'object').optional(),
  leftOut: z.array(z.object({ point: z.string(), why: z.string() })).optional(),
  freezePoints: z.array(freezePoint),
  learningRates: z.array(z.number().positive()),
  cells: z.array(cell),
  frostlineVersion: z.string(),
});

/**
 * Reads and checks results.json of a grid's folder. Scores are computed anew from the confusion matrices, so that they
 * cannot disagree with them.
 */
export async function readResults(folder: string): Promise<GridResult> {
  const path = join(folder, 'results.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES') throw error;
    throw new FrostlineError(
      `${path}: cannot be read (${code}); expected the folder of a grid, as 'frostline sweep --out FOLDER' writes it`,
    );
  }
  const parsed = gridResult.safeParse(parseJson(path, text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new FrostlineError(
      `${path}: ${issue.path.join('.') || 'the file'}: ${issue.message}; expected the results of a grid; run 'frostline sweep' again to write them anew`,
    );
  }
  const cells = parsed.data.cells.map((c) => ({
    ...c,
    metrics: c.confusion === undefined ? undefined : computeMetrics(c.confusion),
    validation: c.validation && { ...c.validation, metrics: computeMetrics(c.validation.confusion) },
  }));
  return { ...parsed.data, cells };
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FrostlineError(
      `${path}: not valid JSON (${(error as Error).message}); expected the results of a grid; run 'frostline sweep' again to write them anew`,
    );
  }
}
