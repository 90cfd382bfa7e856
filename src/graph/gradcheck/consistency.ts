/**
 * What must be the same however it is computed, whatever the derivative is:
 *
 * - every evaluation of forward at the given inputs, and two runs of backward: the same bits (`nondetTol`), also where memory
 *   held NaN before: what nothing writes keeps it;
 * - forward alone, forward with a derivative behind it, and the function on its pieces: the same values;
 * - gradients of one input alone (as with all else frozen) and of all together: the same bits, where the same kernels
 *   compute them;
 * - backward is linear in dy: 8 dy gives 8 times the gradient, exactly, for 8 is a power of two;
 * - the step of an update is the gradient, whether or not an operation writes it without a gradient in memory.
 */
import { FrostlineError } from '../../errors.ts';
import { choiceText, type KernelDispatch } from '../../kernels/kernel.ts';
import type { CompiledGraph } from '../compile.ts';
import { tapeOf } from '../compile.ts';
import { Parameter } from '../tensor.ts';
import type { Settings } from './options.ts';
import { largestDifference, type Subject } from './subject.ts';

type Values = Float32Array<ArrayBuffer>;

export interface Gradients {
  /** the gradient of each input, none where backward leaves it out */
  readonly values: ReadonlyMap<Parameter, Values>;
  readonly nondeterminism: ReadonlyMap<Parameter, number>;
  /** by input where one is concerned, in words */
  readonly problems: readonly { readonly tensor?: Parameter; readonly problem: string }[];
}

export const titleOf = (tensor: Parameter) => `${tensor.name} [${tensor.shape.join(', ')}]`;

export async function gradientsOf(subject: Subject, settings: Settings): Promise<Gradients> {
  const { nondetTol } = settings;
  const { checked, output } = subject;
  const problems: { tensor?: Parameter; problem: string }[] = [];
  const nondeterminism = new Map<Parameter, number>();
  const graph = await subject.compileBackward({ outputs: [output], gradients: checked });
  await graph.run();
  const values = await readAll(graph, checked);
  for (const tensor of checked) {
    if (!values.has(tensor)) problems.push({ tensor, problem: leftOut(subject, tensor) });
  }

  const plain = subject.base('function').y;
  const differentiated = await graph.read(output);
  const ofPlain = kernelsOf(subject.forward.dispatches);
  const same = [...kernelsOf(graph.dispatches.slice(0, graph.forwardDispatches))].every((run) => ofPlain.has(run));
  for (const [what, found, tolerance] of [
    ['forward with its derivative computes', differentiated, same ? nondetTol : FORWARD_TOLERANCE],
    [
      'on the piece that its operations state (`pieces`) the function is',
      subject.base('piece')?.y ?? plain,
      FORWARD_TOLERANCE,
    ],
  ] as const) {
    const at = farthest(plain, found, tolerance);
    if (at !== undefined) {
      problems.push({ problem: `${what} ${found[at]} at element ${at} of the output, forward alone ${plain[at]}` });
    }
  }

  graph.poison();
  await graph.run();
  const again = await graph.read(output);
  const unwritten = unwrittenAt(differentiated, again);
  if (unwritten === undefined) subject.again(again, differentiated);
  else problems.push({ problem: `forward with its derivative: element ${unwritten} of the output ${UNWRITTEN}` });
  for (const [tensor, again] of await readAll(graph, checked)) {
    const at = unwrittenAt(values.get(tensor)!, again);
    if (at !== undefined) problems.push({ tensor, problem: `element ${at} of its gradient ${UNWRITTEN}` });
    const difference = at === undefined ? largestDifference(values.get(tensor)!, again) : 0;
    nondeterminism.set(tensor, difference);
    if (!(difference <= nondetTol)) {
      problems.push({ tensor, problem: `two runs of backward differ by ${difference}; nondetTol is ${nondetTol}` });
    }
  }

  subject.setUpstream(graph, SCALE);
  await graph.run();
  subject.again(await graph.read(output), differentiated);
  for (const [tensor, scaled] of await readAll(graph, checked)) {
    const found = scaled.map((value) => value / SCALE);
    const at = farthest(values.get(tensor)!, found, nondetTol);
    if (at === undefined) continue;
    const pair = `${scaled[at]} for ${SCALE} dy and ${values.get(tensor)![at]} for dy`;
    problems.push({ tensor, problem: `backward is not linear in dy: at element ${at} it gives ${pair}` });
  }

  problems.push(...(await aloneProblems(subject, graph, values, settings)));
  problems.push(...(await updateProblems(subject, values)));
  return { values, nondeterminism, problems };
}

/** Where a run in memory of NaN gives NaN, and one in other memory does not. */
export function unwrittenAt(values: Values, onPoison: Values): number | undefined {
  const at = onPoison.findIndex((value, i) => Number.isNaN(value) && !Number.isNaN(values[i]));
  return at < 0 ? undefined : at;
}

export const UNWRITTEN =
  'is, or is made of, what lay in memory before the run: not all that is read is written. Write every element, ' +
  'those of the last workgroup and of `saved` memory too';

const SCALE = 8;
/** Of a value and of the root mean square, where other kernels run in forward with its derivative: likewise, the bits. */
const FORWARD_TOLERANCE = 1e-4;
/** Likewise: what is asked for decides on fusion and algorithms, and so on the order of some sums. */
const LINEAR_TOLERANCE = 1e-5;

/**
 * Gradients of each input alone, as with all else frozen. What other kernels compute may be rounded otherwise: the bits are
 * the same where all that runs for the one runs for all.
 */
async function aloneProblems(
  subject: Subject,
  all: CompiledGraph,
  values: ReadonlyMap<Parameter, Values>,
  { nondetTol, fastMode }: Settings,
) {
  const problems: { tensor: Parameter; problem: string }[] = [];
  const { checked } = subject;
  if (checked.length === 1) return problems;
  const ofAll = kernelsOf(all.dispatches);
  // In fast mode, which serves networks, each costs more than all else: the first, one in the middle, the last.
  const few = fastMode && checked.length > 4;
  for (const tensor of few ? [0, checked.length >> 1, checked.length - 1].map((i) => checked[i]) : checked) {
    if (!values.has(tensor)) continue;
    const alone = await subject.compileBackward({ gradients: [tensor] });
    alone.poison();
    await alone.run();
    const found = (await readAll(alone, [tensor])).get(tensor);
    const same = [...kernelsOf(alone.dispatches)].every((run) => ofAll.has(run));
    const tolerance = same ? nondetTol : LINEAR_TOLERANCE + nondetTol;
    const at = found === undefined ? 0 : farthest(values.get(tensor)!, found, tolerance);
    if (at === undefined) continue;
    const pair = `${found?.[at] ?? 'nothing'} at element ${at}, with all others ${values.get(tensor)![at]}`;
    problems.push({ tensor, problem: `asked for alone, as with all else frozen, its gradient is ${pair}` });
  }
  return problems;
}

/** What runs, each as kernel, text and shape: what decides on the order of sums. */
const kernelsOf = (dispatches: CompiledGraph['dispatches']) =>
  new Set(
    dispatches.map((dispatch) => {
      const { kernel, choice, params } = dispatch as KernelDispatch;
      return [kernel.name, choiceText(choice), kernel.shape(params)].join(' ');
    }),
  );

/** w - w' at momentum 0 and decay 0 is the rate times the gradient; the rate makes the step about as long as w. */
async function updateProblems(subject: Subject, gradients: ReadonlyMap<Parameter, Values>) {
  const problems: { tensor: Parameter; problem: string }[] = [];
  const updated = subject.checked.filter((tensor) => tensor.trainable);
  // What backward leaves out is named already, and nothing that updates can be compiled of it.
  if (updated.length === 0 || gradients.size < subject.checked.length) return problems;
  // Of a function that gives its input as it is nothing is updated, and `compile` says so.
  if (subject.output instanceof Parameter) return problems;
  const graph = await subject.compileBackward({ update: true });
  const parameters = tapeOf([subject.output]).filter((tensor) => tensor instanceof Parameter);
  for (const tensor of updated) {
    const before = await tensor.read(subject.gpu);
    const gradient = gradients.get(tensor)!;
    const [size, slope] = [rms(before) || 1, rms(gradient)];
    if (!(slope > 0) || !Number.isFinite(slope)) continue;
    const rate = 2 ** Math.round(Math.log2(size / slope));
    if (!Number.isFinite(Math.fround(rate)) || rate < 1e-30) continue;
    subject.setStep(graph, rate);
    // A run changes every parameter, those of the function's own, too; each is put back as it was.
    const kept = await Promise.all(parameters.map(async (other) => [other, await other.read(subject.gpu)] as const));
    graph.poison();
    await graph.run();
    const after = await tensor.read(subject.gpu);
    for (const [other, values] of kept) other.reset(subject.gpu, values);
    graph.resetMomentum();
    const step = after.map((value, i) => (before[i] - value) / rate);
    const at = gradient.findIndex((value, i) => {
      const rounding = (2 ** -22 * (Math.abs(before[i]) + Math.abs(after[i]))) / rate;
      return !(Math.abs(step[i] - value) <= rounding + UPDATE_TOLERANCE * (Math.abs(value) + slope));
    });
    if (at < 0) continue;
    const pair = `${step[at].toPrecision(6)} at element ${at}, the gradient is ${gradient[at].toPrecision(6)}`;
    problems.push({ tensor, problem: `an update (emit.update) steps by the rate times ${pair}` });
  }
  return problems;
}

const UPDATE_TOLERANCE = 1e-4;

/** The gradients that backward writes. */
async function readAll(graph: CompiledGraph, tensors: readonly Parameter[]): Promise<Map<Parameter, Values>> {
  const found = new Map<Parameter, Values>();
  for (const tensor of tensors) {
    if (graph.hasGradient(tensor)) found.set(tensor, await graph.readGradient(tensor));
  }
  return found;
}

function leftOut({ output }: Subject, tensor: Parameter): string {
  const readers = tapeOf([output]).filter(({ source }) => source?.inputs.includes(tensor));
  const names = [...new Set(readers.map(({ source }) => source!.operation.name))].join(', ');
  if (readers.length === 0) throw new FrostlineError(`gradcheck: ${tensor.name} is not read by the function.`);
  return `backward leaves it out: nothing writes its gradient. See emit.gradient(i) in backward of ${names}`;
}

/** The element that is farthest off, where one is off by more than so much of itself and of the root mean square. */
function farthest(a: Values, b: Values, tolerance: number): number | undefined {
  const size = rms(a);
  let [at, most] = [-1, 1];
  a.forEach((value, i) => {
    if (Object.is(value, b[i]) || value === b[i]) return;
    const share = Math.abs(value - b[i]) / (tolerance * (Math.abs(value) + size) || Number.MIN_VALUE);
    const counted = Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
    // What the adapter may take for 0 is no difference.
    if (counted > most && Math.abs(value - b[i]) !== 0 && !(Math.abs(value - b[i]) < 2 ** -120))
      [at, most] = [i, counted];
  });
  return at < 0 ? undefined : at;
}

const rms = (values: Values) =>
  Math.sqrt(values.reduce((sum, value) => sum + (Number.isFinite(value) ? value * value : 0), 0) / values.length);
