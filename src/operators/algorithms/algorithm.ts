/**
 * One way among several to compute the same problem, as dispatches. All of them say what they cost in one unit, so that
 * they can be compared with each other, with what was measured, and with what a pass over memory costs that a fusion
 * would save. `select` is the only place that chooses.
 */
import { FrostlineError } from '../../errors.ts';
import type { Purpose } from '../../gpu/algorithms.ts';
import { type Profile, profileOf } from '../../gpu/machine.ts';
import type { ForwardEmitter } from '../../graph/operation.ts';
import type { Capabilities } from '../../kernels/kernel.ts';
import { textHash } from '../../kernels/text-hash.ts';

/** What is to be done, counted by the algorithm; what it takes, an adapter knows (`milliseconds`). */
export interface Work {
  /** in the unit of the adapter's profile: vector instructions of the subgroup's width, or cycles of the whole GPU */
  readonly instructions: number;
  /** read and written at least by what computes; left out where the instructions have it in them, or where it hardly counts */
  readonly streamedBytes?: number;
  /** written and read once between its kernels: packed, padded, transformed */
  readonly movedBytes: number;
  readonly dispatches: number;
  /** that share the instructions: where they are few, or do not go into the cores, some of these stay idle */
  readonly workgroups?: number;
}

export interface Algorithm<Problem, Operands> {
  readonly name: string;
  /** how it computes, for the documentation, in a line */
  readonly how: string;
  /** the names of those that it consists of, where it is several in turn */
  readonly parts?: readonly string[];
  /** all that it may run: what its measurements depend on */
  readonly kernels: readonly { readonly name: string; textHash(): string }[];
  /** Why it does not compute the problem on this adapter, of text and limits, never of time; nothing where it does. */
  obstacle(adapter: Capabilities, problem: Problem): string | undefined;
  /** one thing, or several one after another */
  work(adapter: Capabilities, problem: Problem): Work | readonly Work[];
  emit(emit: ForwardEmitter, problem: Problem, operands: Operands): void;
}

export function milliseconds(adapter: Capabilities, works: Work | readonly Work[]): number {
  const rate = profileOf(adapter);
  return [works].flat().reduce((sum, { instructions, streamedBytes = 0, movedBytes, dispatches, workgroups }) => {
    const arithmetic = (instructions * idleness(rate, workgroups)) / rate.instructions;
    const memory = streamedBytes / rate.streamed;
    const work = rate.overlaps ? Math.max(arithmetic, memory) : arithmetic + memory;
    return sum + work + movedBytes / rate.moved + dispatches * rate.dispatch;
  }, 0);
}

/** What its texts must be worth (`Profile.compile`), one a dispatch. */
const compilation = (adapter: Capabilities, works: Work | readonly Work[]): number =>
  profileOf(adapter).compile * [works].flat().reduce((sum, { dispatches }) => sum + dispatches, 0);

/** How many times as long as with all cores at work, where each works on whole workgroups. */
const idleness = ({ cores }: Profile, workgroups?: number) =>
  cores === undefined || workgroups === undefined ? 1 : (Math.ceil(workgroups / cores) * cores) / workgroups;

/** What every problem says: which layer it is of. */
export interface Named {
  readonly name: string;
}

/** What an operator leaves to `select`. */
export interface Decision<Problem extends Named, Operands> {
  /** what is decided, as 'conv2d forward': the operator's word first. Options, notices and tuning results call it so */
  readonly purpose: Purpose;
  /** the plain one first: it must compute everything that was not refused when the graph was built */
  readonly algorithms: readonly [Algorithm<Problem, Operands>, ...Algorithm<Problem, Operands>[]];
  /** more, which no estimate tells from one of these: for measurements, and for who asks for them by name */
  readonly measured?: readonly Algorithm<Problem, Operands>[];
  /** the problem as a text: all that its time depends on, and nothing else */
  caseOf(problem: Problem): string;
}

export interface Selected<A> {
  readonly algorithm: A;
  readonly milliseconds: number;
  /** who chose: the estimate, the tuning table, or who forced it */
  readonly by: 'estimate' | 'measurement' | 'force';
  /** why the others were not taken, for `frostline kernels` and for tests */
  readonly others: readonly { readonly name: string; readonly milliseconds?: number; readonly reason: string }[];
}

/** A decision as it was made while a graph was compiled, for those who list and measure them. */
export interface Decided {
  readonly decision: Decision<never, never>;
  readonly problem: Named;
  readonly case: string;
  readonly selected: Selected<{ readonly name: string }>;
}

const listeners = new WeakMap<object, (decided: Decided) => void>();

/** The decisions for an adapter that `work` comes to, in their order; `work` ends before it returns. */
export function decisionsIn(adapter: Capabilities, work: () => void): Decided[] {
  const made: Decided[] = [];
  listeners.set(adapter, (one) => made.push(one));
  try {
    work();
  } finally {
    listeners.delete(adapter);
  }
  return made;
}

const texts = new WeakMap<object, string>();

/** Hash of the texts of all kernels that a decision's algorithms run: what was measured with others does not count. */
export function decisionText({ algorithms, measured = [] }: Decision<never, never>): string {
  let text = texts.get(algorithms);
  if (text === undefined) {
    const kernels = new Set([...algorithms, ...measured].flatMap((one) => one.kernels));
    text = textHash([...kernels].map((kernel) => `${kernel.name} ${kernel.textHash()}`).join('\n'));
    texts.set(algorithms, text);
  }
  return text;
}

const SLOWER = 'it is slower';
const COMPILED = 'what it saves is not worth compiling its texts';

/**
 * The algorithm that somebody forces (`Capabilities.algorithms`), else the one measured to be the quickest on this adapter
 * (`Capabilities.tuning`), else the quickest by estimate, with what its texts take to compile, of equals the first; always
 * one that computes the problem.
 */
export function select<P extends Named, O>(
  adapter: Capabilities,
  decision: Decision<P, O>,
  problem: P,
): Selected<Algorithm<P, O>> {
  const { purpose, algorithms, measured = [] } = decision;
  const rate = (algorithm: Algorithm<P, O>): Rated<P, O> => {
    const obstacle = algorithm.obstacle(adapter, problem);
    if (obstacle !== undefined) return { algorithm, reason: obstacle };
    const work = algorithm.work(adapter, problem);
    const time = milliseconds(adapter, work);
    // Compared with anything it would never be the least, unnoticed.
    if (!(time >= 0)) throw new Error(`${algorithm.name} takes ${time} ms`);
    return { algorithm, time, charged: time + compilation(adapter, work), reason: SLOWER };
  };
  const rated = algorithms.map(rate);
  const named = (name: string) => {
    const found = rated.filter(({ algorithm }) => isCalled(algorithm, name));
    return found.length > 0 ? found : measured.filter((one) => isCalled(one, name)).map(rate);
  };
  const forced = adapter.algorithms?.get(purpose) ?? adapter.algorithms?.get(purpose.split(' ')[0]);
  const byForce = forced === undefined ? [] : named(forced);
  const left = byForce.find(({ time }) => time === undefined);
  if (left !== undefined && quickest(byForce) === undefined) {
    adapter.notice?.(`${purpose}: ${forced} is asked for, but ${left.reason}. The quickest other one is used there.`);
  }
  const text = () => decisionText(decision);
  // What is measured is measured with f32.
  const tuning = adapter.precision === 'f16' ? undefined : adapter.tuning;
  const known = tuning?.algorithm?.(purpose, text, () => decision.caseOf(problem));
  const byMeasurement = known === undefined ? [] : named(known);
  if (known !== undefined && byMeasurement.length === 0) {
    adapter.notice?.(
      `${purpose}: the tuning results name '${known}', which is none of ${namesOf(decision).join(', ')}.`,
    );
  }
  const choices = { force: byForce, measurement: byMeasurement, estimate: rated };
  for (const [by, list] of Object.entries(choices) as [Selected<unknown>['by'], Rated<P, O>[]][]) {
    const best = quickest(list);
    if (best === undefined) continue;
    const others = rated.filter((one) => one.algorithm !== best.algorithm);
    const selected = {
      algorithm: best.algorithm,
      milliseconds: best.time,
      by,
      others: others.map(({ algorithm: { name }, time, reason }) => ({
        name,
        milliseconds: time,
        reason: time !== undefined && time < best.time ? COMPILED : reason,
      })),
    };
    listeners.get(adapter)?.({
      decision: decision,
      problem,
      case: decision.caseOf(problem),
      selected,
    });
    return selected;
  }
  throw new Error(`no algorithm of ${algorithms.map(({ name }) => name).join(', ')} runs`);
}

/** What `select` would choose if nothing were forced and nothing measured. */
export const estimated = <P extends Named, O>(adapter: Capabilities, decision: Decision<P, O>, problem: P) =>
  select(untuned(adapter), decision, problem);

/** The adapter, with all that it is, as if nothing had been forced or measured. */
const untuned = (adapter: Capabilities): Capabilities =>
  Object.create(adapter, { tuning: { value: undefined }, algorithms: { value: undefined } });

interface Rated<P, O> {
  readonly algorithm: Algorithm<P, O>;
  readonly time?: number;
  /** the time, and what compiling adds to it */
  readonly charged?: number;
  readonly reason: string;
}

const quickest = <P, O>(rated: readonly Rated<P, O>[]) =>
  rated
    .filter((one): one is Required<Rated<P, O>> => one.charged !== undefined)
    .reduce<Required<Rated<P, O>> | undefined>((a, b) => (a === undefined || b.charged < a.charged ? b : a), undefined);

/** By its own name, or by that of one of those that it consists of. */
const isCalled = (algorithm: { readonly name: string; readonly parts?: readonly string[] }, name: string) =>
  algorithm.name === name || (algorithm.parts?.includes(name) ?? false);

/** All names that a decision's algorithms go by. */
export const namesOf = ({ algorithms, measured = [] }: Pick<Decision<never, never>, 'algorithms' | 'measured'>) => [
  ...new Set([...algorithms, ...measured].flatMap(({ name, parts = [] }) => [...parts, name])),
];

/**
 * @param operator the word with which the purposes of these decisions begin
 * @throws FrostlineError where an algorithm is forced that none of them has
 */
export function refuseUnknown(
  adapter: Capabilities,
  operator: string,
  decisions: readonly Pick<Decision<never, never>, 'purpose' | 'algorithms' | 'measured'>[],
): void {
  for (const key of [operator, ...decisions.map(({ purpose }) => purpose)]) {
    const name = adapter.algorithms?.get(key);
    if (name === undefined) continue;
    const names = [...new Set(decisions.flatMap(namesOf))];
    if (!names.includes(name))
      throw new FrostlineError(`${key} has no algorithm '${name}'. It has ${names.join(', ')}.`);
  }
}

/**
 * An algorithm of some results among several: a fully connected layer's input gradient and weight update in one pass over
 * the weight, or each by itself.
 */
export interface PartialAlgorithm<Problem, Operands, Result extends string> extends Algorithm<Problem, Operands> {
  readonly makes: readonly Result[];
}

/**
 * All ways to make each wanted result once, and nothing else, as algorithms to choose among: one by one, in the order of
 * `wanted`. An algorithm of several results is a way by itself, or with others.
 */
export function ways<P, O, R extends string>(
  algorithms: readonly PartialAlgorithm<P, O, R>[],
  wanted: readonly R[],
): Algorithm<P, O>[] {
  const parts = algorithms.map(remembering);
  const sets = (left: readonly R[]): PartialAlgorithm<P, O, R>[][] => {
    const [next] = left;
    if (next === undefined) return [[]];
    return parts
      .filter((one) => one.makes.includes(next) && one.makes.every((result) => left.includes(result)))
      .flatMap((one) => sets(left.filter((result) => !one.makes.includes(result))).map((rest) => [one, ...rest]));
  };
  return sets(wanted).map((set) => (set.length === 1 ? set[0] : together(set)));
}

/** Remembers its answers: each part stands in several ways, and is asked of the same problem for each. */
function remembered<P extends object, A>(
  ask: (adapter: Capabilities, problem: P) => A,
): (adapter: Capabilities, problem: P) => A {
  const answers = new WeakMap<P, { readonly adapter: Capabilities; readonly answer: A }>();
  return (adapter, problem) => {
    const known = answers.get(problem);
    if (known?.adapter === adapter) return known.answer;
    const answer = ask(adapter, problem);
    answers.set(problem, { adapter, answer });
    return answer;
  };
}

function remembering<A extends Algorithm<never, never>>(one: A): A {
  return {
    ...one,
    obstacle: remembered(one.obstacle),
    work: remembered(one.work),
  };
}

function together<P, O>(set: readonly Algorithm<P, O>[]): Algorithm<P, O> {
  return {
    name: set.map(({ name }) => name).join(' + '),
    how: set.map(({ how }) => how).join('; then '),
    parts: set.map(({ name }) => name),
    kernels: [...new Set(set.flatMap(({ kernels }) => kernels))],
    obstacle(adapter, problem) {
      for (const one of set) {
        const obstacle = one.obstacle(adapter, problem);
        if (obstacle !== undefined) return obstacle;
      }
      return undefined;
    },
    work: (adapter, problem) => set.flatMap((one) => one.work(adapter, problem)),
    emit(emit, problem, operands) {
      for (const one of set) one.emit(emit, problem, operands);
    },
  };
}
