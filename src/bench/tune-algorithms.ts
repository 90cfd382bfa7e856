/**
 * Tuning of whole algorithms: all that compute a problem race (./race-algorithms.ts), and the quickest right one is kept in
 * the adapter's table (gpu/tuning.ts), which `select` asks before any estimate.
 */
import type { Gpu } from '../gpu/device.ts';
import type { TunedProblem } from '../gpu/tuning.ts';
import { type Decided, decisionText, estimated } from '../operators/algorithms/algorithm.ts';
import { keeps, type RaceOptions } from './race.ts';
import { raceAlgorithms } from './race-algorithms.ts';

/** A problem with several algorithms to choose from. */
export interface ProblemCase extends Omit<Decided, 'selected'> {
  /** the layers that have this very problem */
  readonly layers: readonly string[];
  /** that compute it, the plain one first */
  readonly names: readonly string[];
  /** by estimate */
  readonly estimated: string;
}

/** What a case is called in tables and filters. */
export const problemName = ({ decision, layers }: Pick<ProblemCase, 'decision' | 'layers'>) =>
  `${decision.purpose} ${layers.join(', ')}`;

/** The problems with more than one algorithm among these decisions, each once, in their order. */
export function problemCases(gpu: Gpu, decided: readonly Decided[]): ProblemCase[] {
  const found = new Map<string, ProblemCase & { layers: string[] }>();
  for (const { decision, problem, case: text } of decided) {
    const { purpose, algorithms, measured = [] } = decision;
    const key = `${purpose} ${text}`;
    const known = found.get(key);
    if (known !== undefined) {
      if (!known.layers.includes(problem.name)) known.layers.push(problem.name);
      continue;
    }
    const names = [...algorithms, ...measured]
      .filter((one) => one.obstacle(gpu, problem as never) === undefined)
      .map(({ name }) => name);
    if (names.length < 2) continue;
    const usual = estimated(gpu, decision, problem as never).algorithm.name;
    found.set(key, { decision, problem, case: text, layers: [problem.name], names, estimated: usual });
  }
  return [...found.values()];
}

/** The table's result for a problem, or nothing where it must be measured. */
export const problemMeasuredBefore = (gpu: Gpu, { decision, case: text }: ProblemCase): TunedProblem | undefined =>
  gpu.tuning?.measuredAlgorithms(decision.purpose, () => decisionText(decision), text);

/**
 * Checks and races every algorithm of a problem. A wrong one is never chosen. Keeps the result in the adapter's table.
 */
export async function tuneProblem(gpu: Gpu, one: ProblemCase, options: RaceOptions): Promise<TunedProblem> {
  const { decision, case: text } = one;
  const { order, measurements, settled } = await raceAlgorithms(gpu, one, options);
  const usual = order.find(({ name }) => name === one.estimated);
  const choice = usual !== undefined && keeps(usual) ? one.estimated : order[0].name;
  const result = { choice, date: new Date().toISOString(), settled, measurements };
  await gpu.tuning?.recordAlgorithm(decision.purpose, decisionText(decision), text, result);
  return result;
}
