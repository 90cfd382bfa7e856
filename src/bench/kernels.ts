/** Every kernel run of the networks' training steps: verified, timed, and set against the adapter's own roofline. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { type Choice, choiceText, type Kernel, sameChoice } from '../kernels/kernel.ts';
import { compareRows } from './compare.ts';
import { caseName, type LayerCase } from './layer-cases.ts';
import { OperandSets } from './operand-sets.ts';
import { type Ceilings, floorOf, type Roofline } from './roofline.ts';
import type { Sampling } from './sample.ts';
import type { Timing } from './statistics.ts';
import { timeDispatch } from './time-dispatch.ts';
import { CaseBuffers, Oracle, type OwnText, type Verdict, verify } from './verify.ts';

export interface KernelRow {
  readonly name: string;
  readonly network: string;
  readonly batch: number;
  /** the layers that run this very kernel run */
  readonly layers: readonly string[];
  readonly direction: string;
  readonly kernel: string;
  readonly choice: Choice;
  /** what a step's runs of it apply (in-step.ts); the run that is timed applies nothing */
  readonly inStep: readonly string[];
  readonly verdict: Verdict;
  readonly flops: number;
  /** the fewest bytes that must move */
  readonly bytes: number;
  /** milliseconds */
  readonly timing: Timing;
  readonly gflops: number;
  readonly gigabytes: number;
  /** the adapter's, right before and right after this row */
  readonly roofline: Roofline;
  /** the roofline's time over the measured one: 1 is the ceiling */
  readonly share: number;
  /** of the plain variant, where it was asked for and is not the chosen one */
  readonly plain?: Timing;
  /** of somebody's own text, where there is one; what computes wrongly has no time */
  readonly own?: { readonly verdict: Verdict; readonly timing?: Timing };
  /** the same run on a second adapter, where one was asked for */
  readonly beside?: { readonly choice: Choice; readonly verdict: Verdict; readonly timing: Timing };
}

/** A plain variant that takes longer than this many milliseconds is timed by one run. */
const HOPELESS = 500;

/** Whether the plain variant, timed beside, is faster than the chosen one beyond the noise of both. */
export function slowerThanPlain({ name, timing, plain }: Pick<KernelRow, 'name' | 'timing' | 'plain'>): boolean {
  if (plain === undefined) return false;
  return compareRows([{ name, timing: plain }], [{ name, timing }])[0].verdict === 'slower';
}

/** What a row is called: with its variant, where that is not the one that the kernel chooses by itself. */
export const rowName = (layerCase: LayerCase, choice?: Choice) =>
  choice === undefined ? caseName(layerCase) : `${caseName(layerCase)} ${choiceText(choice)}`;

/**
 * @param choice a variant other than the one that the kernel chooses by itself; the row's name then says so
 * @param besidePlain whether the plain variant is timed, too
 * @param own a text that is checked and timed in the choice's place, beside it
 */
export async function benchCase(
  gpu: Gpu,
  layerCase: LayerCase,
  ceilings: Ceilings,
  sampling: Sampling,
  {
    choice,
    besidePlain = false,
    own,
  }: { readonly choice?: Choice; readonly besidePlain?: boolean; readonly own?: OwnText } = {},
): Promise<KernelRow> {
  const { kernel, params, network, batch, layers, direction, inStep } = layerCase;
  const taken = choice ?? kernel.best(gpu, params);
  const buffers = new CaseBuffers(gpu, layerCase);
  const sets = new OperandSets(gpu);
  try {
    const verdict = await verify(gpu, layerCase, buffers, taken);
    // Before ours is timed: what it leaves in the outputs would pass for what the text did not write.
    const ownVerdict = own && (await (await Oracle.of(gpu, layerCase, buffers)).check(taken, own));
    const time = (one: Choice, hopeless?: number) =>
      timeDispatch(gpu, kernel.dispatch(gpu, params, buffers.views, one), sampling, { hopeless, sets });
    const { result: timing, roofline } = await ceilings.around(() => time(taken));
    const [{ name: variant, configurations }] = kernel.variants;
    const isPlain = taken.variant === variant;
    const plain =
      besidePlain && !isPlain ? await time({ variant, configuration: configurations[0] }, HOPELESS) : undefined;
    const ownDispatch = { ...kernel.dispatch(gpu, params, buffers.views, taken), ...own };
    const ownRow = ownVerdict && {
      verdict: ownVerdict,
      ...(ownVerdict.passed && { timing: await timeDispatch(gpu, ownDispatch, sampling, { sets }) }),
    };
    const cost = kernel.cost(params);
    return {
      name: rowName(layerCase, choice),
      network,
      batch,
      layers,
      direction,
      kernel: kernel.name,
      choice: taken,
      inStep,
      verdict,
      ...cost,
      timing,
      gflops: cost.flops / timing.median / 1e6,
      gigabytes: cost.bytes / timing.median / 1e6,
      roofline,
      share: floorOf(cost, roofline) / timing.median,
      ...(plain !== undefined && { plain }),
      ...(ownRow !== undefined && { own: ownRow }),
    };
  } finally {
    sets.release();
    buffers.release();
  }
}

/** What is timed of a case: what the kernel chooses by itself, or, with `every`, whatever the adapter runs but the plain variant. */
export function choicesToTime(gpu: Gpu, { kernel, params }: LayerCase, every: boolean): (Choice | undefined)[] {
  const [{ name: plain }, ...others] = kernel.variants;
  if (!every || others.length === 0) return [undefined];
  return kernel.choices(gpu, params).filter(({ variant }) => variant !== plain);
}

/** A text in the place of one choice of a kernel. */
export interface OwnKernel {
  readonly kernel: Kernel;
  readonly choice: Choice;
  readonly own: OwnText;
}

/**
 * The cases that a text of one's own can take over.
 * @throws FrostlineError where there are none
 */
export function takenBy(gpu: Gpu, cases: readonly LayerCase[], { kernel, choice, own }: OwnKernel): LayerCase[] {
  const taken = cases.filter(
    (one) =>
      one.kernel.name === kernel.name && kernel.choices(gpu, one.params).some((ours) => sameChoice(ours, choice)),
  );
  if (taken.length > 0) return taken;
  throw new FrostlineError(`--kernel ${own.label}: no row runs ${kernel.name} as ${choiceText(choice)}.`);
}

/**
 * Somebody's text of a kernel, begun from what `kernels show` prints: its first lines say which kernel, variant and
 * configuration it takes the place of.
 * @throws FrostlineError where they do not
 */
export function ownText(
  path: string,
  source: string,
  kernels: ReadonlyMap<string, Kernel>,
  workgroups?: number,
): OwnKernel {
  const head = /^\/\/ ([\w/-]+), variant ([\w-]+)(?:: (.*))?$/m.exec(source);
  const kernel = head === null ? undefined : kernels.get(head[1]);
  const variant = kernel?.variants.find(({ name }) => name === head![2]);
  if (head === null || kernel === undefined || variant === undefined) {
    throw new FrostlineError(
      `--kernel ${path}: its first lines do not name a kernel and a variant. Begin from what 'frostline kernels show' ` +
        "prints and keep its comment '// KERNEL, variant NAME: ...', the parameters and the bindings.",
    );
  }
  const constants = (head[3] ?? '').split(', ').filter((text) => text !== '');
  const configuration = Object.fromEntries(
    constants.map((text): [string, number] => [text.split(' ')[0], Number(text.split(' ')[1])]),
  );
  const choice: Choice = { variant: variant.name, configuration };
  const known = variant.configurations.find((one) => sameChoice({ variant: variant.name, configuration: one }, choice));
  if (known === undefined && workgroups === undefined) {
    throw new FrostlineError(
      `--kernel ${path}: ${choiceText(choice)} is no configuration of ${kernel.name}. Give --workgroups too, the number to start.`,
    );
  }
  return {
    kernel,
    choice: { variant: variant.name, configuration: known ?? variant.configurations[0] },
    own: { label: path, source, ...(workgroups !== undefined && { workgroups }) },
  };
}
