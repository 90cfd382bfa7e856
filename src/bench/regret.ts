/**
 * What choices among algorithms cost, by measured times: the regret. What is chosen for a layer's step is set against the
 * set of the quickest algorithms; a choice costs what it takes more, so that a bad one of what takes no time costs nothing.
 */
import type { RacedAlgorithms } from './race-algorithms.ts';

/** A layer's choices are good where its step takes at most so many times the quickest step's time. */
export const GOOD = 1.1;

export interface Candidate {
  readonly name: string;
  /** measured; nothing where it is wrong */
  readonly milliseconds?: number;
  /** times the tolerance */
  readonly wrong?: number;
  /** milliseconds, where an estimate tells it from the others */
  readonly estimated?: number;
}

/** One decision, measured. */
export interface MeasuredChoice {
  readonly purpose: string;
  readonly problem: string;
  readonly chosen: string;
  readonly best: string;
  readonly plain: string;
  /** the chosen one's by its ratio to the best in the rounds that both took part in */
  readonly milliseconds: { readonly chosen: number; readonly best: number; readonly plain: number };
  readonly settled: boolean;
  readonly candidates: readonly Candidate[];
}

/** A layer's step. */
export interface MeasuredLayer {
  readonly name: string;
  readonly operator: string;
  readonly gflop: number;
  readonly choices: readonly MeasuredChoice[];
  /** the chosen algorithms' time over the quickest ones', and the plain ones' */
  readonly ratio: number;
  readonly plainRatio: number;
}

/** What a choice costs, by a race: who did not take part to its end is set against the leader by the rounds that it had. */
export function choiceOf(
  { decision: { purpose }, case: problem }: { readonly decision: { readonly purpose: string }; readonly case: string },
  chosen: string,
  plain: string,
  { order, measurements, settled }: RacedAlgorithms,
): Omit<MeasuredChoice, 'candidates'> {
  const [leader] = order;
  const best = leader.timing.median;
  const timeOf = (name: string) => {
    const placing = order.find((one) => one.name === name);
    if (placing !== undefined) return best * placing.ratio;
    // A wrong one has no time, and no choice of it is good.
    return measurements.find(({ algorithm }) => algorithm === name)?.milliseconds ?? Number.POSITIVE_INFINITY;
  };
  const milliseconds = { chosen: timeOf(chosen), best, plain: timeOf(plain) };
  return { purpose, problem, chosen, best: leader.name, plain, milliseconds, settled };
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

const total = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0);

type Times = Pick<MeasuredChoice, 'milliseconds'>;

function sumsOf(choices: readonly Times[]) {
  const of = (which: keyof MeasuredChoice['milliseconds']) => total(choices.map((one) => one.milliseconds[which]));
  return { chosen: of('chosen'), best: of('best'), plain: of('plain') };
}

/** A step's times over the quickest step's. */
export function ratiosOf(choices: readonly Times[]): Pick<MeasuredLayer, 'ratio' | 'plainRatio'> {
  const { chosen, best, plain } = sumsOf(choices);
  return { ratio: chosen / best, plainRatio: plain / best };
}

/** The least value that so great a share of all does not pass. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

export interface SelectionSummary {
  readonly layers: number;
  /** of these the chosen algorithms take at most `GOOD` times the quickest ones' time; and the plain ones */
  readonly good: number;
  readonly plainGood: number;
  /** of the layers' ratios: half and nine tenths of the layers do not pass these, none the last */
  readonly ratios: { readonly half: number; readonly nineTenths: number; readonly worst: number };
  /** over all layers */
  readonly milliseconds: { readonly chosen: number; readonly best: number; readonly plain: number };
}

/** @param layers at least one */
export function summaryOf(layers: readonly MeasuredLayer[]): SelectionSummary {
  const ratios = layers.map(({ ratio }) => ratio);
  const good = (values: readonly number[]) => values.filter((ratio) => ratio <= GOOD).length;
  return {
    layers: layers.length,
    good: good(ratios),
    plainGood: good(layers.map(({ plainRatio }) => plainRatio)),
    ratios: { half: quantile(ratios, 0.5), nineTenths: quantile(ratios, 0.9), worst: quantile(ratios, 1) },
    milliseconds: sumsOf(layers.flatMap(({ choices }) => choices)),
  };
}

/** What was chosen in place of what, how often, and what all these cases took in place of what. */
export interface Miss {
  readonly chosen: string;
  readonly best: string;
  readonly cases: number;
  readonly milliseconds: { readonly chosen: number; readonly best: number };
}

export interface DecisionSummary {
  readonly purpose: string;
  readonly cases: number;
  readonly good: number;
  readonly milliseconds: { readonly chosen: number; readonly best: number; readonly plain: number };
  /** choices that are not good, those that cost the most first */
  readonly misses: readonly Miss[];
}

/** By decision, in the order in which layers come to them. */
export function decisionSummaries(layers: readonly MeasuredLayer[]): DecisionSummary[] {
  const byPurpose = groupBy(
    layers.flatMap(({ choices }) => choices),
    ({ purpose }) => purpose,
  );
  return [...byPurpose].map(([purpose, choices]) => {
    const [good, bad] = [true, false].map((wanted) =>
      choices.filter(({ milliseconds: { chosen, best } }) => chosen <= GOOD * best === wanted),
    );
    const misses = [...groupBy(bad, ({ chosen, best }) => `${chosen} for ${best}`).values()]
      .map(
        (some): Miss => ({
          chosen: some[0].chosen,
          best: some[0].best,
          cases: some.length,
          milliseconds: sumsOf(some),
        }),
      )
      .sort((a, b) => lossOf(b) - lossOf(a));
    return { purpose, cases: choices.length, good: good.length, milliseconds: sumsOf(choices), misses };
  });
}

const lossOf = ({ milliseconds: { chosen, best } }: Miss) => chosen - best;

/** How an algorithm's estimates stand to its times: a tenth, half and nine tenths of the ratios do not pass these. */
export interface EstimateSummary {
  readonly purpose: string;
  readonly algorithm: string;
  readonly cases: number;
  readonly tenth: number;
  readonly half: number;
  readonly nineTenths: number;
}

export function estimateSummaries(layers: readonly MeasuredLayer[]): EstimateSummary[] {
  const ratios = layers
    .flatMap(({ choices }) => choices)
    .flatMap(({ purpose, candidates }) =>
      candidates.flatMap(({ name, milliseconds, estimated: expected }) =>
        milliseconds === undefined || expected === undefined
          ? []
          : [{ purpose, algorithm: name, ratio: expected / milliseconds }],
      ),
    );
  return [...groupBy(ratios, ({ purpose, algorithm }) => `${purpose}: ${algorithm}`).values()].map((some) => {
    const at = (share: number) =>
      quantile(
        some.map(({ ratio }) => ratio),
        share,
      );
    const [{ purpose, algorithm }] = some;
    return { purpose, algorithm, cases: some.length, tenth: at(0.1), half: at(0.5), nineTenths: at(0.9) };
  });
}

/** The layers whose step takes the most times the quickest step's time, the worst first. */
export const worstLayers = (layers: readonly MeasuredLayer[], count: number): MeasuredLayer[] =>
  layers.toSorted((a, b) => b.ratio - a.ratio).slice(0, count);
