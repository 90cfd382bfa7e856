/**
 * Tuning and timing of anybody's kernels, by their case objects: what `frostline tune` and `frostline bench kernels` do with
 * the kernels of networks. A case brings what they have to guess: values that the kernel may meet, and a float64 reference.
 */
import { checkArguments, POSITIVE, wholeFrom } from '../arguments.ts';
import { CASE, CASES, checkContents, describeKernelCase, type KernelCase } from '../check/case.ts';
import { type CaseFinding, checkKernelCases } from '../check/check-kernels.ts';
import { FrostlineError } from '../errors.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import { bufferOf, type Storage, type View } from '../gpu/storage.ts';
import type { Measurement, TunedShape } from '../gpu/tuning.ts';
import { type Choice, type Cost, choiceText, type Kernel } from '../kernels/kernel.ts';
import { allKernels } from '../operators/kernels.ts';
import { checkOptions } from '../options.ts';
import { OperandSets } from './operand-sets.ts';
import { HOPELESS } from './race.ts';
import { timingOf } from './statistics.ts';
import { Stopwatch } from './time-dispatch.ts';
import { raced, ranked } from './tune.ts';

/** Options of `tuneKernel`. */
export interface TuneOptions {
  /** what all rounds of the race may take, in seconds; default 1 */
  readonly seconds?: number;
}

/** What `tuneKernel` measured and chose. */
export interface TunedKernel extends TunedShape {
  /** what the result is kept by: the integers among the parameters, as text */
  readonly shape: string;
  /** whether it stands in the adapter's table now: not where the device was opened without (`OpenOptions.tuning`) */
  readonly recorded: boolean;
}

/** Options of `timeKernels`. */
export interface TimeOptions {
  /** samples of each case, taken in turns; 1 or more, default 9 */
  readonly rounds?: number;
}

/** The time of one case's kernel. */
export interface KernelTime {
  readonly name: string;
  readonly description: string;
  /** what ran: what `Kernel.best` takes, or the first that the case's `applies` lets through */
  readonly choice: Choice;
  /** of one run: the median */
  readonly milliseconds: number;
  /** milliseconds: the standard deviation, by the median distance to the median */
  readonly spread: number;
  readonly rounds: number;
  /** operations and least bytes of one run */
  readonly cost: Cost;
}

/** A case's operands on the device. */
class Operands {
  readonly views: Readonly<Record<string, View>>;
  private readonly gpu: Gpu;
  private readonly storages: Storage[] = [];

  constructor(gpu: Gpu, testCase: KernelCase) {
    checkContents(testCase);
    const { inputs, outputs } = testCase;
    this.gpu = gpu;
    this.views = Object.fromEntries(
      Object.entries({ ...inputs, ...outputs }).map(([name, contents]) => {
        const storage = gpu.storage(name, typeof contents === 'number' ? 4 * contents : contents);
        this.storages.push(storage);
        return [name, storage.view()];
      }),
    );
  }

  release(): void {
    for (const storage of this.storages) this.gpu.release(bufferOf(storage));
  }
}

/** Times are of single precision: `Kernel.best` asks no others. */
function refuseHalves(what: string, testCase: KernelCase): void {
  if (testCase.halves === undefined || testCase.halves.size === 0) return;
  throw new FrostlineError(
    `${what}: ${describeKernelCase(testCase)} stores halves, which are not timed. Give a case without \`halves\`.`,
  );
}

const dispatchOf = (gpu: Gpu, { kernel, params, epilogues }: KernelCase, { views }: Operands, choice: Choice) =>
  kernel.dispatch(gpu, params, views, choice, epilogues);

/**
 * Checks every variant and configuration of a kernel against a case's reference, races the right ones in turns until they
 * can be told apart beyond noise, and keeps the quickest for the case's shape in the adapter's table, from which
 * `Kernel.best`, and so every later run of the kernel without a choice, takes it. The estimate's choice stays where nothing
 * is quicker beyond noise. Results are dropped when any text of the kernel changes.
 *
 * @param testCase of the size that is to be quick; its `applies` limits what is tried
 * @returns all measurements: milliseconds of one run, or by how much a candidate is wrong, in units of what is allowed
 * @throws FrostlineError where no candidate is right, where the kernel has the name of one of the package's own, of a case
 * that stores halves, and where the table cannot be written
 * @example
 * const { choice, measurements } = await tuneKernel(gpu, caseOf(2 ** 20));
 * console.log(choiceText(choice), measurements);
 */
export async function tuneKernel(gpu: Gpu, testCase: KernelCase, options?: TuneOptions): Promise<TunedKernel> {
  checkArguments('tuneKernel', { gpu: [gpu, GPU], testCase: [testCase, CASE] });
  const { seconds = 1 } = checkOptions('tuneKernel', options, { seconds: POSITIVE });
  refuseHalves('tuneKernel', testCase);
  const { kernel, params } = testCase;
  refuseNameOfOurs(kernel);
  const findings = await checkKernelCases(gpu, [testCase]);
  const right = findings.filter(({ problem }) => problem === undefined).map(({ choice }) => choice);
  if (right.length === 0) {
    throw new FrostlineError(
      `tuneKernel: no variant of ${kernel.name} computes ${describeKernelCase(testCase)}: ${findings[0].problem}. ` +
        'Mend the kernel, or the case.',
    );
  }
  const measurements = findings.filter(({ problem }) => problem !== undefined).map(wrongly);
  const operands = new Operands(gpu, testCase);
  const sets = new OperandSets(gpu);
  const entrants: { readonly choice: Choice; readonly watch: Stopwatch }[] = [];
  try {
    const estimated = kernel.estimated(gpu, params);
    let least = Number.POSITIVE_INFINITY;
    for (const choice of ranked(kernel, right, estimated)) {
      const watch = await Stopwatch.of(gpu, [dispatchOf(gpu, testCase, operands, choice)], sets);
      if (watch.first > HOPELESS * least) {
        measurements.push({ ...choice, milliseconds: watch.first, rounds: 1 });
        watch.destroy();
        continue;
      }
      least = Math.min(least, watch.first);
      entrants.push({ choice, watch });
    }
    const { choice, settled } = await raced(kernel, estimated, entrants, { seconds }, measurements);
    const [shape, date] = [kernel.shape(params), new Date().toISOString()];
    const result: TunedShape = { choice, date, settled, measurements };
    await gpu.tuning?.record(kernel.name, kernel.textHash(), shape, result);
    return { ...result, shape, recorded: gpu.tuning !== undefined };
  } finally {
    for (const { watch } of entrants) watch.destroy();
    sets.release();
    operands.release();
  }
}

/** JSON knows no infinity; whatever a problem is beside its error counts as the largest one. */
function wrongly({ choice, error, units }: CaseFinding): Measurement {
  const share = error / Math.max(units, Number.MIN_VALUE);
  return { ...choice, wrong: Number.isFinite(share) && share > 1 ? share : Number.MAX_VALUE };
}

/** Results of another kernel under one name would drop ours. */
function refuseNameOfOurs(kernel: Kernel): void {
  const { name } = kernel;
  const own = allKernels.get(name);
  if (own === undefined || own === kernel) return;
  throw new FrostlineError(
    `tuneKernel: ${name} is a kernel of the package. Give yours a name of its own, such as 'mine/${name.replace('/', '-')}'.`,
  );
}

/**
 * Times the kernels of some cases beside each other: in turns, round after round, so that what slows the machine for a while
 * slows all; by the device's clock where it has one. On GPUs the operands go round over copies that pass the caches. What is
 * computed is not looked at: `checkKernelCases` does. Those of the package are in `allKernels`.
 *
 * @returns one result a case, in their order
 * @throws FrostlineError where no choice runs a case, and of a case that stores halves
 * @example
 * const [mine, theirs] = await timeKernels(gpu, [softplusCase, { ...softplusCase, kernel: allKernels.get('silu/forward')! }]);
 * console.log(mine.milliseconds / theirs.milliseconds);
 */
export async function timeKernels(
  gpu: Gpu,
  cases: readonly KernelCase[],
  options?: TimeOptions,
): Promise<KernelTime[]> {
  checkArguments('timeKernels', { gpu: [gpu, GPU], cases: [cases, CASES] });
  const { rounds = 9 } = checkOptions('timeKernels', options, { rounds: wholeFrom(1) });
  for (const testCase of cases) refuseHalves('timeKernels', testCase);
  const choices = cases.map((testCase) => choiceOf(gpu, testCase));
  const operands: Operands[] = [];
  const sets = new OperandSets(gpu);
  const watches: Stopwatch[] = [];
  try {
    for (const [i, testCase] of cases.entries()) {
      operands.push(new Operands(gpu, testCase));
      watches.push(await Stopwatch.of(gpu, [dispatchOf(gpu, testCase, operands[i], choices[i])], sets));
    }
    const times: number[][] = cases.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, watch] of watches.entries()) times[i].push(await watch.sample());
    }
    gpu.check();
    return cases.map(({ name, description, kernel, params }, i) => {
      const { median: milliseconds, spread } = timingOf(times[i]);
      return { name, description, choice: choices[i], milliseconds, spread, rounds, cost: kernel.cost(params) };
    });
  } finally {
    for (const watch of watches) watch.destroy();
    sets.release();
    for (const own of operands) own.release();
  }
}

/** What would run, or the first that the case lets through. */
function choiceOf(gpu: Gpu, testCase: KernelCase): Choice {
  const { kernel, params } = testCase;
  const applies = (choice: Choice) => testCase.applies?.(choice) ?? true;
  const best = kernel.best(gpu, params);
  if (applies(best)) return best;
  const all = kernel.choices(gpu, params);
  const choice = all.find(applies);
  if (choice !== undefined) return choice;
  throw new FrostlineError(
    `timeKernels: ${describeKernelCase(testCase)} applies to none of the choices: ${all.map(choiceText).join('; ')}.`,
  );
}
