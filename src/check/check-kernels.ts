/**
 * The check of kernels: every case in every variant and configuration that the adapter runs, the chosen one or not,
 * twice, against the case's float64 reference; and where the reference is a derivative, that against differences.
 */
import { checkArguments, INTEGER, OBJECT, orNothing } from '../arguments.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Choice } from '../kernels/kernel.ts';
import { Random } from '../random.ts';
import { CASES, describeKernelCase, type KernelCase } from './case.ts';
import { checkDerivative, DERIVATIVE_TOLERANCE, type DerivativeClaim, type DerivativeFinding } from './derivative.ts';
import { type Comparison, checkExpected, compare, type Expected } from './expected.ts';
import { halfValues } from './half.ts';
import { type CaseRun, runCases } from './run-cases.ts';

/** One case in one variant and configuration. */
export interface CaseFinding {
  readonly testCase: KernelCase;
  /** the variant `none` where no choice runs the case, which is a problem */
  readonly choice: Choice;
  /** the output with the largest share of what is allowed: its error and what is allowed, in units (expected.ts) */
  readonly error: number;
  readonly units: number;
  /** what is wrong; undefined where nothing is */
  readonly problem: string | undefined;
}

/** Dispatches in one submission: enough to make its cost small, few enough for any driver's patience. */
const DISPATCHES = 512;

/** Checks every case in every choice; findings in the order of the cases, of those before `signal` is aborted. */
export async function checkKernelCases(
  gpu: Gpu,
  cases: readonly KernelCase[],
  signal?: AbortSignal,
): Promise<CaseFinding[]> {
  checkArguments('checkKernelCases', { gpu: [gpu, GPU], cases: [cases, CASES], signal: [signal, orNothing(OBJECT)] });
  const findings: CaseFinding[] = [];
  let batch: CaseRun[] = [];
  const flush = async () => {
    // Each twice, the second time in the other order.
    const outputs = await runCases(gpu, [...batch, ...batch.toReversed()]);
    let known: { of: CaseRun['testCase']; expected: Readonly<Record<string, Expected>> } | undefined;
    batch.forEach(({ testCase, choice }, i) => {
      if (known?.of !== testCase) known = { of: testCase, expected: expectedOf(testCase as KernelCase) };
      const { expected } = known;
      findings.push(judge(testCase as KernelCase, choice, expected, outputs[i], outputs[2 * batch.length - 1 - i]));
    });
    batch = [];
  };
  for (const testCase of cases) {
    if (signal?.aborted) return findings;
    const { halves } = testCase;
    const choices = testCase.kernel.choices(gpu, testCase.params, halves);
    const applying = choices.filter((choice) => testCase.applies?.(choice) ?? true);
    for (const choice of applying) batch.push({ testCase, choice, halves });
    if (applying.length === 0) findings.push(notRun(testCase, choices.length));
    if (2 * batch.length >= DISPATCHES) await flush();
  }
  if (batch.length > 0) await flush();
  return findings;
}

/** Of nothing that ran nothing is known: it must not count as right. */
function notRun(testCase: KernelCase, choices: number): CaseFinding {
  const { name, variants } = testCase.kernel;
  const names = variants.map((variant) => variant.name).join(', ');
  const problem =
    choices === 0
      ? `nothing ran: this adapter runs none of the variants of ${name} (${names}) for these parameters. Mend the ` +
        "plain one's configurations, workgroupSize or supports"
      : `nothing ran: the case's applies() takes none of ${choices} choices among the variants of ${name} (${names})`;
  return { testCase, choice: { variant: 'none', configuration: {} }, error: 0, units: 0, problem };
}

/** What the reference says of the outputs, refused where nothing could be held to it. */
function expectedOf(testCase: KernelCase): Readonly<Record<string, Expected>> {
  const lengths = Object.entries(testCase.outputs).map(([name, contents]) => [
    name,
    typeof contents === 'number' ? contents : contents.length,
  ]);
  return checkExpected(describeKernelCase(testCase), testCase.reference(), Object.fromEntries(lengths));
}

type Output = Awaited<ReturnType<typeof runCases>>[number];

function judge(
  testCase: KernelCase,
  choice: Choice,
  expected: Readonly<Record<string, Expected>>,
  first: Output,
  second: Output,
): CaseFinding {
  let worst = { error: 0, units: 0, share: -1 };
  const problems: string[] = [];
  for (const [name, want] of Object.entries(expected)) {
    const words = first.words[name];
    const integers = testCase.kernel.bindings[name].type === 'u32';
    const singles = (bits: typeof words) =>
      bits.BYTES_PER_ELEMENT === 2 ? halfValues(bits as Uint16Array) : new Float32Array(bits.buffer);
    const actual = integers ? words : singles(words);
    const found = compare(actual, want);
    const share = found.error === 0 ? 0 : found.error / want.units;
    if (share > worst.share) worst = { error: found.error, units: want.units, share };
    if (found.wrong > 0) problems.push(explain(name, actual, want, found));
    const same = words.every((word: number, i: number) => word === second.words[name][i]);
    if (!same) problems.push(`${name}: two runs differ in their bits`);
  }
  // What nobody expects anything of would hold whatever it holds.
  for (const name of Object.keys(testCase.outputs)) if (!(name in expected)) problems.push(`${name}: no reference`);
  for (const { damage } of [first, second]) if (damage !== undefined) problems.push(damage);
  const { error, units } = worst;
  return { testCase, choice, error, units, problem: problems.length === 0 ? undefined : problems.join('; ') };
}

function explain(name: string, actual: ArrayLike<number>, { values, units }: Expected, found: Comparison): string {
  return (
    `${name}: ${found.wrong} of ${found.count} values are off; the worst at ${found.at}: got ${actual[found.at]}, ` +
    `expected ${values[found.at]}, ${found.error.toPrecision(3)} units where ${units.toPrecision(3)} are allowed`
  );
}

/**
 * The references of derivatives among these cases against differences, and what kernels are held to against them; undefined
 * where there are none.
 */
export function checkReferences(
  cases: readonly KernelCase[],
  seed: number,
): { readonly finding: DerivativeFinding; readonly problems: readonly string[] } | undefined {
  checkArguments('checkReferences', { cases: [cases, CASES], seed: [seed, INTEGER] });
  const total = { error: 0, kinks: 0, directions: 0 };
  const problems: string[] = [];
  for (const testCase of cases) {
    if (testCase.derivative === undefined) continue;
    const { error, kinks, directions } = checkDerivative(testCase.derivative, new Random(seed, REFERENCE_STREAM));
    total.error = Math.max(total.error, error);
    total.kinks += kinks;
    total.directions += directions;
    if (!isHeldTo(testCase, testCase.derivative)) {
      problems.push(
        `${describeKernelCase(testCase)}: gradient() of its derivative gives values that reference() gives of no output: ` +
          'differences say nothing of what the kernel is held to. Make both of one function',
      );
    }
    if (error <= DERIVATIVE_TOLERANCE && kinks < directions) continue;
    problems.push(
      `${describeKernelCase(testCase)}: the float64 reference ` +
        (kinks === directions
          ? `cannot be checked: none of ${directions} directions has a slope (kinks, jumps, NaN)`
          : `is no derivative of its forward, relative error ${error.toExponential(1)}`),
    );
  }
  return total.directions === 0 ? undefined : { finding: total, problems };
}

/**
 * Whether an output of the reference is the claimed gradient, or all of them are it together; the rows of a softmax in any
 * order. What is accumulated or updated in place holds more than a gradient: of a case with such outputs nothing follows.
 */
function isHeldTo(testCase: KernelCase, { gradient }: DerivativeClaim): boolean {
  if (Object.values(testCase.outputs).some((contents) => typeof contents !== 'number')) return true;
  const claimed = Float64Array.from(gradient()).sort();
  const size = claimed.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const allowed = HELD_TOLERANCE[testCase.halves === undefined ? 'f32' : 'f16'] * size;
  const outputs = Object.values(expectedOf(testCase)).map(({ values }) => Array.from(values));
  return [...outputs, outputs.flat()].some((values) => {
    const held = Float64Array.from(values).sort();
    const near = (value: number, i: number) => Object.is(value, claimed[i]) || Math.abs(value - claimed[i]) <= allowed;
    return held.length === claimed.length && held.every(near);
  });
}

/** Of the largest value: the reference may be of values in single or half precision, the claim of their source. */
const HELD_TOLERANCE = { f32: 1e-5, f16: 2 ** -9 };
const REFERENCE_STREAM = 3;
