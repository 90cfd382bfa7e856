/**
 * The check of anybody's kernel: raw WGSL with its own bindings against the caller's float64 reference. The kernel knows
 * nothing of frostline; what it is given lies in buffers of its own, as in any WebGPU program.
 */
import { checkArguments, type Expectation, FUNCTION, OBJECT, oneOf, TEXT, wholeFrom } from '../arguments.ts';
import { chooseAdapter } from '../gpu/adapter.ts';
import { Gpu } from '../gpu/device.ts';
import { foldWorkgroups } from '../gpu/program.ts';
import type { FieldType } from '../kernels/field.ts';
import type { Words } from '../kernels/run.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import { checkExpected, compare, type Expected } from './expected.ts';
import { WgslKernel, type WgslOutputs } from './run-wgsl.ts';
import { isDenormal, SMALLEST_NORMAL } from './values.ts';

/** A binding of a kernel to be checked: its values, or how many it writes. */
export type WgslBinding =
  /** a uniform struct: its fields in order, whose values stand in `params` */
  | { readonly access: 'uniform'; readonly fields: Readonly<Record<string, FieldType>> }
  | { readonly access: 'read'; readonly values: Words }
  /** `length` values that the kernel must write, all of them; or `values` that it changes in place */
  | { readonly access: 'write'; readonly type?: 'f32' | 'u32'; readonly length: number }
  | { readonly access: 'write'; readonly values: Words };

/** What `checkWgsl` runs: the text, its bindings, parameters and reference. */
export interface WgslCheck {
  /** with the entry point `main`; all bindings in group 0 */
  readonly code: string;
  /** in the order of their numbers, from `@binding(0)` on, by any names */
  readonly bindings: Readonly<Record<string, WgslBinding>>;
  /** values of all uniform fields */
  readonly params?: Readonly<Record<string, number>>;
  /**
   * how many to dispatch. A number is a long row, which a kernel folds into two dimensions where it passes the limit of
   * 65,535 (`id.x + id.y * num_workgroups.x`): that it can is then checked. `[x, y, z]` is dispatched as it is
   */
  readonly workgroups: number | readonly [number, number?, number?];
  /** what every written binding must hold, from what the others hold: float64, with bounds (`sumsOf`, `exactly`) */
  reference(inputs: Readonly<Record<string, Words>>): Readonly<Record<string, Expected>>;
  /** adapter by name or kind, as of `Gpu.open`; the first one where left out */
  readonly adapter?: string;
}

const CHECK: OptionNames<WgslCheck> = {
  code: true,
  bindings: true,
  params: OBJECT,
  workgroups: true,
  reference: true,
  adapter: TEXT,
};
const BINDINGS: Expectation = {
  is: (value) => OBJECT.is(value) && Object.values(value as object).every((one) => ACCESS.is(one?.access)),
  words: "bindings by name, each with an access of 'uniform', 'read' or 'write'",
};
const ACCESS = oneOf('uniform', 'read', 'write');
const WORKGROUPS: Expectation = {
  is: (value) => {
    const counts = [value].flat();
    return counts.length >= 1 && counts.length <= 3 && counts.every((one) => wholeFrom(1).is(one));
  },
  words: 'how many there are, or [x, y, z]',
};

/** What was looked at, in order. */
export type WgslAspect = 'values' | 'two runs' | 'guards' | 'unwritten' | 'folding' | 'denormals' | 'default limits';

/** What `checkWgsl` found, aspect by aspect. */
export interface WgslReport {
  readonly passed: boolean;
  /** `skipped` says why an aspect was not looked at */
  readonly aspects: readonly { readonly aspect: WgslAspect; readonly problem?: string; readonly skipped?: string }[];
  readonly problems: readonly string[];
  /** the largest share of what is allowed that an error takes */
  readonly share: number;
}

/**
 * Checks a kernel that need not be frostline's:
 *
 * - values: every output against `reference`, within its bounds;
 * - two runs give the same bits;
 * - guards: bindings reach over what lies behind: what is written there must survive, NaN behind what is read must not show;
 * - unwritten: an output begins as one rubbish and as another, and must not depend on it;
 * - folding: the long row of workgroups in two dimensions, with workgroups to spare, gives the same bits;
 * - denormals among the inputs count, or count as 0, as WGSL permits: nothing else;
 * - default limits: it compiles on a device with the limits that every WebGPU device has.
 *
 * @throws FrostlineError where no adapter opens, with the lines of WGSL that do not compile, for bindings that are not the
 *   text's
 */
export async function checkWgsl(check: WgslCheck): Promise<WgslReport> {
  checkArguments('checkWgsl', { check: [check, OBJECT] });
  checkOptions('checkWgsl', check, CHECK);
  checkArguments('checkWgsl', {
    code: [check.code, TEXT],
    bindings: [check.bindings, BINDINGS],
    workgroups: [check.workgroups, WORKGROUPS],
    reference: [check.reference, FUNCTION],
  });
  const gpu = await Gpu.open({ adapter: check.adapter, tuning: false });
  const aspects: { aspect: WgslAspect; problem?: string; skipped?: string }[] = [];
  const note = (aspect: WgslAspect, found: string | undefined) => aspects.push({ aspect, problem: found });
  let share = 0;
  try {
    const kernel = new WgslKernel(gpu, check);
    const shape = typeof check.workgroups === 'number' ? foldWorkgroups(check.workgroups, 65_535) : check.workgroups;
    const inputs = inputsOf(check);
    const first = await kernel.run(inputs, { workgroups: shape });
    const judged = judge(expectedOf(check, inputs), first);
    share = judged.share;
    note('values', judged.problem);
    note(
      'two runs',
      differing(first, await kernel.run(inputs, { workgroups: shape }), 'two runs differ in their bits'),
    );
    // Where the text asks for lengths, a binding that reaches over the guards would be another problem.
    if (/\barrayLength\b/.test(check.code))
      aspects.push({ aspect: 'guards', skipped: 'the text asks for arrayLength' });
    else {
      const reaching = await kernel.run(inputs, { workgroups: shape, reach: true });
      note(
        'guards',
        reaching.damage ?? differing(first, reaching, 'depends on what lies beyond the end of what is read'),
      );
    }
    const other = await kernel.run(inputs, { workgroups: shape, rubbish: 'other' });
    note('unwritten', differing(first, other, 'depends on what lay there: not all of it is written'));
    if (typeof check.workgroups === 'number') note('folding', await folded(kernel, inputs, check.workgroups, first));
    else aspects.push({ aspect: 'folding', skipped: 'workgroups are given by their dimensions' });
    const tiny = withDenormals(inputs);
    if (tiny === undefined) aspects.push({ aspect: 'denormals', skipped: 'no input of floats' });
    else note('denormals', judge(flushable(check, tiny), await kernel.run(tiny, { workgroups: shape })).problem);
    note('default limits', await onDefaults(check));
  } finally {
    gpu.destroy();
  }
  const problems = aspects.flatMap(({ aspect, problem }) => (problem === undefined ? [] : [`${aspect}: ${problem}`]));
  return { passed: problems.length === 0, aspects, problems, share };
}

/** What the kernel reads: of a binding that is changed in place, what lies there before. */
function inputsOf({ bindings }: WgslCheck): Record<string, Words> {
  return Object.fromEntries(
    Object.entries(bindings).flatMap(([name, binding]) => ('values' in binding ? [[name, binding.values]] : [])),
  );
}

/** What the reference says of the outputs, refused where nothing could be held to it. */
function expectedOf({ bindings, reference }: WgslCheck, inputs: Readonly<Record<string, Words>>) {
  const lengths = Object.entries(bindings).flatMap(([name, binding]) =>
    binding.access === 'write' ? [[name, 'values' in binding ? binding.values.length : binding.length]] : [],
  );
  return checkExpected('checkWgsl', reference(inputs), Object.fromEntries(lengths));
}

function judge(expected: Readonly<Record<string, Expected>>, { words, integers }: WgslOutputs) {
  const problems: string[] = [];
  let share = 0;
  for (const name of Object.keys(words)) {
    const want = expected[name];
    // What nobody expects anything of would hold whatever it holds.
    if (want === undefined) {
      problems.push(`${name}: the reference says nothing of it`);
      continue;
    }
    const actual = integers.has(name) ? words[name] : new Float32Array(words[name].buffer);
    const { error, at, wrong, count } = compare(actual, want);
    share = Math.max(share, error === 0 ? 0 : error / want.units);
    if (wrong === 0) continue;
    problems.push(
      `${name}: ${wrong} of ${count} values are off; the worst at ${at}: got ${actual[at]}, expected ` +
        `${want.values[at]}, ${error.toPrecision(3)} units where ${want.units.toPrecision(3)} are allowed`,
    );
  }
  return { share, problem: problems.length === 0 ? undefined : problems.join('; ') };
}

function differing(one: WgslOutputs, other: WgslOutputs, words: string): string | undefined {
  for (const name of Object.keys(one.words)) {
    const at = one.words[name].findIndex((word, i) => word !== other.words[name][i]);
    if (at >= 0) return `${name} at ${at} ${words}`;
  }
  return undefined;
}

/** In rows that do not come out even: some workgroups lie beyond the last one that is needed. */
async function folded(kernel: WgslKernel, inputs: Record<string, Words>, count: number, straight: WgslOutputs) {
  const columns = Math.max(1, Math.ceil(count / 3) - 1);
  const found = await kernel.run(inputs, { workgroups: [columns, Math.ceil(count / columns) + 1] });
  return differing(straight, found, `differs where ${count} workgroups are folded into rows of ${columns}`);
}

/** Every third value a denormal, a zero of either sign, or next to the smallest normal number. */
function withDenormals(inputs: Record<string, Words>): Record<string, Words> | undefined {
  const tiny = [2 ** -149, 1e-40, -0, -3e-39, SMALLEST_NORMAL];
  const floats = Object.values(inputs).some((values) => values instanceof Float32Array);
  if (!floats) return undefined;
  const change = (values: Words) =>
    values instanceof Float32Array
      ? values.map((value, i) => (i % 3 === 0 ? tiny[(i / 3) % tiny.length] : value))
      : values;
  return Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, change(values) as Words]));
}

/** What is right of these inputs, wide enough for an adapter that takes denormals for 0. */
function flushable(check: WgslCheck, inputs: Record<string, Words>): Record<string, Expected> {
  const flush = (values: Words) =>
    values instanceof Float32Array ? values.map((value) => (isDenormal(value) ? 0 : value)) : values;
  const flushed = expectedOf(
    check,
    Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, flush(values) as Words])),
  );
  return Object.fromEntries(
    Object.entries(expectedOf(check, inputs)).map(([name, expected]) => {
      const own = (i: number) => expected.flushed?.[i] ?? SMALLEST_NORMAL;
      const moves = (value: number, i: number) => Math.abs(value - flushed[name].values[i]) || 0;
      return [name, { ...expected, flushed: Array.from(expected.values, (value, i) => own(i) + moves(value, i)) }];
    }),
  );
}

/** A device as `requestDevice()` gives it: no limit beyond those that every device has, no feature. */
async function onDefaults(check: WgslCheck): Promise<string | undefined> {
  const { adapter } = await chooseAdapter(check.adapter);
  const device = await adapter.requestDevice();
  const gpu = Gpu.from(device, { tuning: false });
  try {
    await new WgslKernel(gpu, check).pipeline();
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  } finally {
    gpu.destroy();
    device.destroy();
  }
}
