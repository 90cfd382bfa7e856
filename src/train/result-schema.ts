/** What result.json of a cell and results.json of a grid hold: the one description, for all that read them. */
import { z } from 'zod';
import type { DetailedScores } from '../statistics/detail.ts';
import type { Verdict } from '../statistics/verdict.ts';
import { divergenceOf } from './diverged.ts';
import type { Halving } from './halving.ts';
import { computeMetrics } from './metrics.ts';
import type { Protocol } from './protocol.ts';
import { strategySchema } from './strategy.ts';

/** null in the file stands for NaN or infinity. */
const lossy = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const count = z.int().min(0);
const confusion = z
  .array(z.array(count))
  .refine((rows) => rows.length > 0 && rows.every((row) => row.length === rows.length), {
    message: 'a confusion matrix has as many columns as rows',
  });
export const freezePoint = z.object({
  number: z.int().positive().nullable(),
  name: z.string(),
  all: z.boolean().optional(),
  method: z.string().optional(),
});

const adapter = z.object({ name: z.string(), driver: z.string(), kind: z.enum(['hardware', 'software', 'embedded']) });

/** What each epoch came to on the validation part. */
export const epochRecords = z.array(
  z.object({
    epoch: count,
    validationLoss: lossy,
    accuracy: z.number(),
    f1: z.number(),
    best: z.boolean(),
  }),
);

export const cellResult = z
  .object({
    configuration: z.string().optional(),
    freeze: freezePoint,
    learningRate: z.number().positive(),
    newLayerRate: z.number().min(0),
    momentum: z.number().optional(),
    training: z
      .object({
        freeze: z.union([z.number(), z.string()]),
        tuneOnly: z.array(z.string()).optional(),
        strategy: strategySchema.optional(),
      })
      .optional(),
    split: z.string().default('1'),
    seed: z.int(),
    folder: z.string().optional(),
    status: z.enum(['done', 'diverged', 'failed']),
    error: z.string().optional(),
    confusion: confusion.optional(),
    classes: z.array(z.string()).optional(),
    validation: z.object({ confusion }).optional(),
    detail: z.custom<DetailedScores>((value) => typeof value === 'object').optional(),
    constant: z.string().optional(),
    trainAccuracy: z.number().optional(),
    finalLoss: lossy.optional(),
    epochs: epochRecords.optional(),
    phases: z.array(z.object({ name: z.string(), from: count, epochs: count })).optional(),
    frozen: z.object({ parameters: count, before: z.string(), after: z.string() }).optional(),
    adapter,
    seconds: z.number().min(0),
    steps: count,
    lossHistory: z.array(lossy).optional(),
  })
  .refine((c) => c.status !== 'done' || c.confusion !== undefined, {
    message: 'a cell that is done needs its confusion matrix',
    path: ['confusion'],
  });

const pendingCell = z.object({
  folder: z.string(),
  freeze: freezePoint,
  learningRate: z.number().positive(),
  newLayerRate: z.number().min(0),
  momentum: z.number().optional(),
  split: z.string(),
  seed: z.int(),
});

/** plan.json: what a grid is to become, written before its first cell. */
export const gridPlan = z.lazy(() =>
  gridResult
    .omit({ seconds: true, adapters: true, verdict: true, leftOut: true, halving: true, dropped: true, cells: true })
    .extend({ configuration: z.string(), cells: z.array(pendingCell) }),
);

export const gridResult = z.object({
  title: z.string(),
  startedAt: z.string(),
  seconds: z.number().min(0),
  model: z.object({
    name: z.string(),
    source: z.string(),
    sha256: z.string().optional(),
    parameters: count,
    note: z.string().optional(),
    layers: z.array(z.object({ number: z.int().positive(), name: z.string() })).optional(),
    numbering: z.string().optional(),
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
  halving: z.custom<Halving>((value) => typeof value === 'object').optional(),
  dropped: z.array(pendingCell.extend({ epochs: count })).optional(),
  freezePoints: z.array(freezePoint),
  learningRates: z.array(z.number().positive()),
  cells: z.array(cellResult),
  pending: z.array(pendingCell).optional(),
  frostlineVersion: z.string(),
});

/**
 * Scores are computed anew from the confusion matrices, so that they cannot disagree with them; and a run that diverged
 * is told by its history, also one that an earlier version called done.
 */
export const withScores = (cell: z.output<typeof cellResult>) => ({
  ...cell,
  ...statusOf(cell),
  metrics: cell.confusion && computeMetrics(cell.confusion),
  validation: cell.validation && { ...cell.validation, metrics: computeMetrics(cell.validation.confusion) },
});

function statusOf({ status, error, epochs, lossHistory = [] }: z.output<typeof cellResult>) {
  // What has epochs told it itself: there, early stopping may test an epoch before the end.
  const diverged = status === 'done' && epochs === undefined ? divergenceOf(lossHistory) : undefined;
  return diverged === undefined ? { status, error } : { status: 'diverged' as const, error: diverged };
}
