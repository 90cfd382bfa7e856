/**
 * Gradient check on the device: the derivatives that `backward` computes against differences of `forward`.
 *
 * For a function y = f(x) and a fixed random v, backward gives the vector-Jacobian product g = v J. Along a direction u
 *
 *   g . u = v J u = d/dt  v . f(x + t u)   at t = 0
 *
 * and the right side is found numerically. u is a single element's axis; or random signs over all elements, which cost the
 * same for any size and so serve whole networks; or over a block of them, for an error in a few elements drowns among many.
 *
 * The parts: gradcheck/options.ts what is given, subject.ts the function and its graphs, consistency.ts what must agree
 * without any differences, sampling.ts where is looked, slope.ts a numerical derivative with its noise, judge.ts the step
 * that shows it best, piece-graph.ts and piece-claims.ts what is done about kinks, check-input.ts the verdict, tolerance.ts what passes.
 * docs/gradcheck.md tells why single precision needs all this, and what is not checked.
 */
import { checkArguments, FUNCTION, OBJECT } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import { checkInput } from './gradcheck/check-input.ts';
import { gradientsOf, UNWRITTEN, unwrittenAt } from './gradcheck/consistency.ts';
import { type GradcheckInput, type GradcheckOptions, settingsOf, tensorOf } from './gradcheck/options.ts';
import { GradcheckError, type GradcheckInputReport, type GradcheckReport } from './gradcheck/report.ts';
import { Subject } from './gradcheck/subject.ts';
import { defaultTolerance } from './gradcheck/tolerance.ts';
import { Tensor } from './tensor.ts';

export type { GradcheckInput, GradcheckOptions } from './gradcheck/options.ts';
export {
  GradcheckError,
  type GradcheckInputReport,
  type GradcheckReport,
  type GradcheckSample,
} from './gradcheck/report.ts';

/**
 * Checks the derivatives of `build` for every float input at the given values.
 *
 * @param build makes a tensor of any shape from tensors named as `inputs`; floats come as `Parameter`s
 * @throws GradcheckError when an analytic and a numeric derivative differ, what must agree does not (two runs, forward
 *   with and without its derivative, gradients alone and together, dy and 8 dy, an update and its gradient), or fewer than
 *   half of the samples of an input can be judged; not with `raiseException: false`
 * @throws FrostlineError when inputs or options make no sense
 */
export async function gradcheck<Name extends string>(
  gpu: Gpu,
  build: (tensors: Record<Name, Tensor>) => Tensor,
  inputs: Readonly<Record<Name, GradcheckInput>>,
  options: GradcheckOptions = {},
): Promise<GradcheckReport> {
  checkArguments('gradcheck', { gpu: [gpu, GPU], 'the function': [build, FUNCTION], inputs: [inputs, OBJECT] });
  checkArguments('gradcheck', { 'the options': [options, OBJECT] });
  const settingsFor = settingsOf(options, Object.keys(inputs));
  const tensors = Object.fromEntries(
    Object.entries<GradcheckInput>(inputs).map(([name, given]) => [name, tensorOf(name, given)]),
  ) as Record<Name, Tensor>;
  const output = build(tensors);
  if (!(output instanceof Tensor)) {
    throw new FrostlineError(`gradcheck: the function gives ${output}. Give the tensor to differentiate.`);
  }
  const settings = settingsFor(defaultTolerance(output));
  const subject = await Subject.open(gpu, output, Object.values(tensors), inputs, settings);
  try {
    const problems: string[] = [];
    const { y } = subject.base('function');
    const bad = y.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      problems.push(`forward gives ${y[bad]} at element ${bad} of the output: no derivative can be checked`);
    const again = await subject.evaluateOnPoison();
    const unwritten = bad >= 0 ? undefined : unwrittenAt(y, again.y);
    if (unwritten !== undefined) problems.push(`forward: element ${unwritten} of the output ${UNWRITTEN}`);
    else subject.again(again.y);
    const gradients = await gradientsOf(subject, settings);
    problems.push(...gradients.problems.flatMap(({ tensor, problem }) => (tensor === undefined ? [problem] : [])));
    const reports: GradcheckInputReport[] = [];
    for (const [ordinal, tensor] of subject.checked.entries()) {
      const { report, problems: own } = await checkInput(
        subject,
        tensor,
        {
          ordinal,
          gradient: gradients.values.get(tensor) ?? new Float32Array(tensor.size),
          nondeterminism: gradients.nondeterminism.get(tensor) ?? 0,
          problems: gradients.problems.flatMap((one) => (one.tensor === tensor ? [one.problem] : [])),
        },
        settings,
      );
      reports.push(report);
      problems.push(...own);
    }
    // Whatever has evaluated the given inputs by now has shown it: what differs in one run of ten seldom does in one of two.
    const { evaluations, difference: nondeterminism } = subject.repeated;
    // What is not written is named already, and differs from then on.
    if (unwritten === undefined && !(nondeterminism <= settings.nondetTol)) {
      problems.unshift(
        `${evaluations} runs of forward at the same inputs differ by up to ${nondeterminism}; nondetTol is ${settings.nondetTol}`,
      );
    }
    const { seed, atol, rtol } = settings;
    const report = { passed: problems.length === 0, inputs: reports, nondeterminism, problems, seed, atol, rtol };
    if (!report.passed && settings.raiseException) throw new GradcheckError(report);
    return report;
  } finally {
    subject.destroy();
  }
}
