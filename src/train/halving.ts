/**
 * Successive halving (Jamieson and Talwalkar 2016; Karnin, Koren and Somekh 2013): every arm of a grid, a freeze point at
 * its rate and momentum, is trained for the first rung's epochs; the better half goes on to twice as many, and so on, and
 * those that are left are trained to the end. A cell that goes on goes on from its checkpoint under its own schedule, so
 * what it comes to has the bits of the full grid.
 *
 * An arm is judged by the validation part, by its mean over all splits and seeds together: points are compared run by run,
 * and one that went on in some splits alone could not be. The test part is not looked at.
 *
 * What is lost: an arm that learns slowly is dropped before it shows what it can. `whatHalvingCosts` says how much, on a
 * full grid that is there.
 */
import { FrostlineError } from '../errors.ts';
import { kendallTau } from '../statistics/kendall.ts';
import type { EpochRecord } from './early-stopping.ts';
import { type CellResult, type FreezePoint, pointKey } from './results.ts';

/** What is dropped or kept as one. */
export type Arm = Pick<CellResult, 'freeze' | 'learningRate' | 'newLayerRate' | 'momentum'>;

export const armKey = ({ freeze, learningRate, newLayerRate, momentum }: Arm): string =>
  JSON.stringify([pointKey(freeze), learningRate, newLayerRate, momentum ?? null]);

/** Of one run of an arm after a rung's epochs. */
export interface RungScore {
  readonly f1: number;
  readonly loss: number;
}

/** An arm at a rung: means over its runs. */
export interface RungArm {
  readonly freeze: FreezePoint;
  readonly learningRate: number;
  readonly newLayerRate: number;
  readonly momentum?: number;
  /** of the validation part; nothing where a run of it has failed */
  readonly f1?: number;
  readonly loss?: number;
  readonly kept: boolean;
}

/** What halving judged after so many epochs: all arms that had come so far. */
export interface Rung {
  /** after how many epochs */
  readonly epochs: number;
  /** the best first */
  readonly arms: readonly RungArm[];
}

/** How a grid was halved: what went on at each rung, and what that took. */
export interface Halving {
  readonly rungs: readonly Rung[];
  /** of the full grid's steps */
  readonly share: number;
}

/** Epochs of the rungs: `first`, then twice as many as before, as long as that is not the whole run. */
export function rungEpochs(first: number, epochs: number): number[] {
  const rungs: number[] = [];
  for (let at = first; at < epochs; at *= 2) rungs.push(at);
  return rungs;
}

/** Steps of a halved grid as a share of the full one's. */
export function shareOfSteps(arms: number, rungs: readonly number[], epochs: number): number {
  let [left, before, spent] = [arms, 0, 0];
  for (const rung of rungs) {
    spent += left * (rung - before);
    left = Math.ceil(left / 2);
    before = rung;
  }
  return (spent + left * (epochs - before)) / (arms * epochs);
}

/**
 * What a run had shown after so many epochs; of one that early stopping had ended by then, the epoch it kept.
 * @returns nothing for a run that had failed
 */
export function scoreAfter(
  records: readonly EpochRecord[] | undefined,
  epochs: number,
  earlyStopping: boolean,
): RungScore | undefined {
  const seen = (records ?? []).filter(({ epoch }) => epoch < epochs);
  const last = earlyStopping ? seen.findLast(({ best }) => best) : seen.at(-1);
  return last && { f1: last.f1, loss: last.validationLoss };
}

/** The better half, rounded up: by mean F1, of equals by mean loss, of equals the one that comes first. */
export function judgeRung(
  epochs: number,
  runs: readonly { readonly arm: Arm; readonly score: RungScore | undefined }[],
): Rung {
  const arms = new Map<string, { arm: Arm; scores: (RungScore | undefined)[] }>();
  for (const { arm, score } of runs) {
    const of = arms.get(armKey(arm)) ?? { arm, scores: [] };
    of.scores.push(score);
    arms.set(armKey(arm), of);
  }
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const judged = [...arms.values()].map(({ arm, scores }): Omit<RungArm, 'kept'> => {
    const { freeze, learningRate, newLayerRate, momentum } = arm;
    const own = { freeze, learningRate, newLayerRate, ...(momentum !== undefined && { momentum }) };
    const whole = scores.filter((score) => score !== undefined);
    if (whole.length < scores.length) return own;
    return { ...own, f1: mean(whole.map(({ f1 }) => f1)), loss: mean(whole.map(({ loss }) => loss)) };
  });
  const rank = (one: Pick<RungArm, 'f1' | 'loss'>) => [one.f1 ?? -1, -(one.loss ?? Number.POSITIVE_INFINITY)];
  const sorted = judged.toSorted((a, b) => {
    const [[f1A, lossA], [f1B, lossB]] = [rank(a), rank(b)];
    // By rounding alone apart: runs are summed in any order.
    if (Math.abs(f1A - f1B) > 1e-12) return f1B - f1A;
    return lossA === lossB ? 0 : lossB - lossA;
  });
  const most = Math.ceil(sorted.length / 2);
  return { epochs, arms: sorted.map((arm, i) => ({ ...arm, kept: i < most })) };
}

/** @throws FrostlineError for a budget that halves nothing, or that compares what cannot be compared */
export function checkBudget(
  budget: number,
  { epochs, phases, validated }: { epochs: number; phases: number; validated: boolean },
): void {
  if (!validated) {
    throw new FrostlineError(
      `--budget ${budget}: points are dropped by their validation part, and there is none. Give --validation-fraction 0.2.`,
    );
  }
  if (phases > 1) {
    throw new FrostlineError(
      `--budget ${budget}: strategies of several phases show late what they can, and would be dropped for it. ` +
        'Leave out --budget, or such strategies.',
    );
  }
  if (budget >= epochs) {
    throw new FrostlineError(
      `--budget ${budget}: the first half is dropped after so many epochs, and runs have ${epochs}. Give fewer, or more --epochs.`,
    );
  }
}

/** What halving would have come to on a full grid, or on one split and seed of it. */
export interface HalvingCost {
  /** the arm with the best validation F1 of the full grid, and of those that halving leaves: means over its runs */
  readonly best: Arm;
  readonly found: Arm;
  /** F1 of the test part: the best's less the found one's; below 0 where the validation part had chosen badly */
  readonly regret: number;
  /** Kendall's tau of all arms' validation F1 at the first rung and at the end; NaN where one holds all equal */
  readonly tau: number;
}

export interface HalvingCosts {
  /** of all runs together, as `--budget` judges them */
  readonly together: HalvingCost;
  /** of each split and seed by itself: what a grid without repeats would have had */
  readonly alone: readonly (HalvingCost & { readonly split: string; readonly seed: number })[];
}

interface PlayOptions {
  readonly budget: number;
  readonly epochs: number;
  readonly earlyStopping: boolean;
}

/**
 * Plays halving on a full grid.
 * @throws FrostlineError where cells have no validation part's scores
 */
export function whatHalvingCosts(cells: readonly CellResult[], options: PlayOptions): HalvingCosts {
  const validated = cells.every(({ validation, status }) => validation || status === 'failed');
  checkBudget(options.budget, { epochs: options.epochs, phases: 1, validated });
  const runs = new Map<string, CellResult[]>();
  for (const cell of cells) {
    const key = JSON.stringify([cell.split, cell.seed]);
    runs.set(key, [...(runs.get(key) ?? []), cell]);
  }
  const alone = [...runs.values()].map((own) => ({ split: own[0].split, seed: own[0].seed, ...play(own, options) }));
  return { together: play(cells, options), alone };
}

function play(cells: readonly CellResult[], { budget, epochs, earlyStopping }: PlayOptions): HalvingCost {
  const arms = new Map<string, CellResult[]>();
  for (const cell of cells) arms.set(armKey(cell), [...(arms.get(armKey(cell)) ?? []), cell]);
  const at = (own: readonly CellResult[], rung: number) =>
    own.map((cell) => ({ arm: cell, score: scoreAfter(cell.epochs, rung, earlyStopping) }));
  const mean = (key: string, of: (cell: CellResult) => number) => {
    const own = arms.get(key)!;
    return own.reduce((sum, cell) => sum + of(cell), 0) / own.length;
  };
  const final = (key: string) =>
    mean(key, ({ status, validation }) => (status === 'done' ? validation!.metrics.f1 : -1));
  const tested = (key: string) => mean(key, ({ metrics }) => metrics?.f1 ?? 0);
  const bestOf = (keys: readonly string[]) => keys.reduce((best, key) => (final(key) > final(best) ? key : best));
  const all = [...arms.keys()];
  let left = all;
  for (const rung of rungEpochs(budget, epochs)) {
    const { arms: judged } = judgeRung(
      rung,
      at(
        left.flatMap((key) => arms.get(key)!),
        rung,
      ),
    );
    const kept = new Set(judged.filter((arm) => arm.kept).map(armKey));
    left = left.filter((key) => kept.has(key));
  }
  const [best, found] = [bestOf(all), bestOf(left)];
  const first = (key: string) => judgeRung(budget, at(arms.get(key)!, budget)).arms[0].f1 ?? -1;
  return {
    best: arms.get(best)![0],
    found: arms.get(found)![0],
    regret: tested(best) - tested(found),
    tau: kendallTau(all.map(first), all.map(final)),
  };
}
