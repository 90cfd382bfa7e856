/** Parameters of a kernel's run as a line of text, 'batch 10 channels 96 beta=0.75', and what those left out are. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { FieldType } from '../kernels/field.ts';
import type { Kernel, KernelDispatch } from '../kernels/kernel.ts';
import { NO_HALVES } from '../kernels/memory.ts';

/** Names with their numbers. */
export type Named = ReadonlyMap<string, number>;

/**
 * The pairs of a text like 'rows 128 columns 64'; commas, colons and = may stand between them.
 * @throws FrostlineError for a name without a number, and one that stands twice
 */
export function pairsOf(option: string, text: string): Named {
  const words = text.split(/[\s,:=]+/).filter((word) => word !== '');
  const pairs = new Map<string, number>();
  for (let i = 0; i < words.length; i += 2) {
    const [key, word = ''] = [words[i], words[i + 1]];
    const value = word === '' ? Number.NaN : Number(word);
    if (Number.isNaN(value)) {
      throw new FrostlineError(`${option}: '${word}' behind ${key} is no number. Give pairs: ${key} 1, or ${key}=1.`);
    }
    if (pairs.has(key)) throw new FrostlineError(`${option}: ${key} stands twice. Give it once.`);
    pairs.set(key, value);
  }
  if (pairs.size === 0) throw new FrostlineError(`${option}: it is empty. Give pairs, as in 'rows 128 columns 64'.`);
  return pairs;
}

const isFloat = (type: FieldType) => type === 'f32';
/** Names of parameters that shape a run, and of those that scale its values. */
export const namesOf = ({ params }: Kernel) => ({
  integers: Object.keys(params).filter((key) => !isFloat(params[key])),
  floats: Object.keys(params).filter((key) => isFloat(params[key])),
});

/** Those that scale values, as 'alpha 0.0001 beta 0.75'; empty where a kernel has none. */
export const floatsText = (kernel: Kernel, params: Readonly<Record<string, number>>): string =>
  namesOf(kernel)
    .floats.map((name) => `${name} ${params[name]}`)
    .join(' ');

/** What a kernel is to be given, for a message. */
function wantedText(kernel: Kernel): string {
  const { integers, floats } = namesOf(kernel);
  const whole = integers.map((key) => `${key} N`).join(' ');
  if (floats.length === 0) return `Give: ${whole}.`;
  return `Give: ${whole}, and ${floats.map((key) => `${key} X`).join(' ')} where they are not to be a network's.`;
}

/** @throws FrostlineError for names that the kernel has not, and numbers that a parameter cannot be */
export function checkNames(kernel: Kernel, given: Named): void {
  const { integers, floats } = namesOf(kernel);
  const unknown = [...given.keys()].filter((key) => !(key in kernel.params));
  if (unknown.length > 0) {
    throw new FrostlineError(`--shape: ${kernel.name} has no ${unknown.join(', ')}. ${wantedText(kernel)}`);
  }
  for (const key of integers.filter((name) => given.has(name))) {
    const value = given.get(key)!;
    const least = kernel.params[key] === 'i32' ? -(2 ** 31) : 0;
    const most = kernel.params[key] === 'i32' ? 2 ** 31 - 1 : 2 ** 32 - 1;
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    throw new FrostlineError(
      `--shape: '${value}' behind ${key} is no whole number from ${least} to ${most}.${
        floats.length > 0 ? ` Others than whole numbers may be ${floats.join(', ')}.` : ''
      }`,
    );
  }
}

/** Whether a run has these; numbers that are no integers count as equal where their f32 are. */
export const hasAll = ({ params }: KernelDispatch, given: Named): boolean =>
  [...given].every(([key, value]) => Math.fround((params as Record<string, number>)[key]) === Math.fround(value));

/** A run as a text asks for it. */
export interface AskedRun {
  readonly params: Readonly<Record<string, number>>;
  /** bindings that store halves: none unless the adapter's precision is f16 */
  readonly halves: ReadonlySet<string>;
  /** what scales values, and where each number is from; empty where a kernel has no such parameter */
  readonly said: string;
}

/**
 * The run that a text asks for. What scales values may be left out: it is then as in AlexNet's or VGG16's step, in the same
 * shape where they have it, else as in the first of the kernel's own cases. In half precision the bindings store what they
 * do there, or halves wherever the kernel takes them.
 * @throws FrostlineError for what the kernel has not, and where an integer is missing
 */
export async function askedRun(kernel: Kernel, gpu: Gpu, text: string): Promise<AskedRun> {
  const given = pairsOf('--shape', text);
  checkNames(kernel, given);
  const { integers, floats } = namesOf(kernel);
  const missing = integers.filter((key) => !given.has(key));
  if (missing.length > 0) {
    throw new FrostlineError(`--shape: ${kernel.name} needs ${missing.join(', ')} too. ${wantedText(kernel)}`);
  }
  const whole = floats.every((key) => given.has(key));
  const known = whole && gpu.precision === 'f32' ? undefined : await networkRun(kernel, gpu, given);
  const usual = whole ? undefined : (known ?? (await caseRun(kernel)));
  const params = Object.fromEntries(
    Object.keys(kernel.params).map((key) => [key, given.get(key) ?? usual!.params[key]]),
  );
  const from = (key: string) => (given.has(key) ? 'given' : usual!.from);
  return {
    params,
    halves: gpu.precision === 'f32' ? NO_HALVES : (known?.halves ?? ableHalves(kernel)),
    said: floats.map((key) => `${key} ${params[key]} (${from(key)})`).join(', '),
  };
}

/** The bindings that may store halves. */
export const ableHalves = ({ bindings }: Kernel): ReadonlySet<string> =>
  new Set(Object.keys(bindings).filter((name) => bindings[name].half));

interface Known {
  readonly params: Readonly<Record<string, number>>;
  /** whose they are */
  readonly from: string;
}

/** The run of a network's step, in this shape where there is one. */
async function networkRun(
  kernel: Kernel,
  gpu: Gpu,
  given: Named,
): Promise<(Known & { readonly halves: ReadonlySet<string> }) | undefined> {
  const [{ planDispatches }, { alexnet, vgg16 }] = await Promise.all([
    import('../bench/plan.ts'),
    import('../models/tables.ts'),
  ]);
  const integers = new Map([...given].filter(([key]) => !isFloat(kernel.params[key])));
  const names = Object.keys(kernel.bindings);
  for (const network of [alexnet(), vgg16()]) {
    const runs = planDispatches(gpu, network, 10, 'none').filter((one) => one.kernel.name === kernel.name);
    const run = runs.find((one) => hasAll(one, integers)) ?? runs[0];
    if (run === undefined) continue;
    const halves = new Set(names.filter((_, i) => run.bindings[i].view.storage.precision === 'f16'));
    return { params: run.params, from: `as in ${network.name}`, halves };
  }
  return undefined;
}

/** The first of the kernel's own cases. */
async function caseRun(kernel: Kernel): Promise<Known> {
  const [{ kernelFamilies }, { Random }] = await Promise.all([import('../operators/all.ts'), import('../random.ts')]);
  const example = kernelFamilies
    .filter(({ names }) => names.includes(kernel.name))
    .flatMap((family) => family.examples(new Random(1)))
    .find((one) => one.kernel.name === kernel.name);
  if (example !== undefined) return { params: example.params, from: `as in the case ${example.description}` };
  const { floats } = namesOf(kernel);
  throw new FrostlineError(`--shape: ${kernel.name} needs ${floats.join(', ')} too. ${wantedText(kernel)}`);
}
