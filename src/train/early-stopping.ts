/**
 * Early stopping with the best checkpoint: behind every epoch the validation part's loss is taken; training ends when it
 * has not fallen for `patience` epochs, and the parameters go back to where it was lowest. The first of equal epochs is
 * kept. A patience of as many epochs as the run has trains all of them and keeps the best.
 *
 * The best epoch lies in host memory: a copy of what is trained and of moving state, not of velocities, for nothing is
 * trained on from there. A run's own checkpoints carry it. (Prechelt 1998.)
 */
import { FrostlineError } from '../errors.ts';
import type { CompiledGraph } from '../graph/compile.ts';
import type { Evaluation } from './evaluate.ts';
import type { FitSettings } from './fit.ts';
import { computeMetrics, confusionMatrix } from './metrics.ts';

/** Of the validation part, every sample alike whatever its class's weight in training. */
export interface ValidationScores {
  /** mean cross entropy */
  readonly validationLoss: number;
  readonly accuracy: number;
  /** the paper's: of macro precision and macro recall */
  readonly f1: number;
}

/** Loss and scores after an epoch. */
export interface EpochRecord extends ValidationScores {
  /** from 0; the scores are those after its last update */
  readonly epoch: number;
  /** its loss is the lowest so far: with early stopping the last such epoch is the one that is kept */
  readonly best: boolean;
}

/** The smallest normal f32: probabilities below it are 0 on some devices, and a loss stays finite. */
const LEAST = 2 ** -126;

/** Mean cross entropy of a data set's probabilities, every sample alike whatever its class's weight in training. */
export function meanLoss({ probabilities, classes }: Evaluation, labels: Uint32Array): number {
  let sum = 0;
  for (const [i, label] of labels.entries()) sum -= Math.log(Math.max(probabilities[i * classes + label], LEAST));
  return sum / labels.length;
}

export function validationScores(evaluation: Evaluation, labels: Uint32Array): ValidationScores {
  const { accuracy, f1 } = computeMetrics(confusionMatrix(labels, evaluation.predictions, evaluation.classes));
  return { validationLoss: meanLoss(evaluation, labels), accuracy, f1 };
}

/** @throws FrostlineError where there is nothing to stop by */
export function checkEarlyStopping(
  { earlyStopping }: Pick<FitSettings, 'earlyStopping'>,
  validation: object | undefined,
): void {
  if (earlyStopping === undefined || validation !== undefined) return;
  throw new FrostlineError(
    `--early-stopping ${earlyStopping}: there is no validation part to stop by. Give --validation-fraction 0.2.`,
  );
}

/** What a run has seen of its validation part: in a checkpoint, what early stopping goes on from. */
export interface Watched {
  readonly epochs: readonly EpochRecord[];
  /** with early stopping: the best epoch's parameters, as the step's `graph.readValues` gave them */
  readonly best?: readonly ArrayBuffer[];
}

/** Keeps what each epoch came to on the validation part and, with a patience, the best epoch's parameters. */
export class EpochWatch implements Watched {
  readonly epochs: EpochRecord[];
  best: readonly ArrayBuffer[] | undefined;

  private readonly graph: CompiledGraph;
  private readonly patience: number | undefined;

  /** @param patience none: nothing is stopped, kept or restored */
  constructor(graph: CompiledGraph, patience: number | undefined, from?: Watched) {
    this.graph = graph;
    this.patience = patience;
    this.epochs = [...(from?.epochs ?? [])];
    this.best = from?.best;
  }

  /** Takes an epoch's scores; keeps the parameters as they are now where its loss is the lowest. @returns whether to stop */
  async offer(epoch: number, scores: ValidationScores): Promise<boolean> {
    const before = this.epochs.findLast(({ best }) => best);
    const best = before === undefined || scores.validationLoss < before.validationLoss;
    this.epochs.push({ epoch, ...scores, best });
    if (this.patience === undefined) return false;
    if (best) this.best = await this.graph.readValues();
    return this.epochs.length - 1 - this.epochs.findLastIndex((record) => record.best) >= this.patience;
  }

  /** Puts the parameters back to the best epoch's. */
  restore(): void {
    if (this.best !== undefined) this.graph.writeValues(this.best);
    this.best = undefined;
  }
}
