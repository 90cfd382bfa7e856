/** What gradcheck finds. */
import type { Shape } from '../tensor.ts';

/** One difference beside the claimed derivative. */
export interface GradcheckSample {
  /** the element's flat index; undefined for a direction */
  readonly element: number | undefined;
  /** the number of a direction over all elements */
  readonly direction: number | undefined;
  /** the flat indices [first, end) of a direction over a block */
  readonly block: readonly [number, number] | undefined;
  readonly analytic: number;
  readonly numeric: number;
  /** the largest absolute error that passes, the uncertainty of `numeric` included */
  readonly allowed: number;
  readonly absoluteError: number;
  /** the absolute error over the larger of the two sizes */
  readonly relativeError: number;
  /** of `numeric`, from a difference table: noise, and what the differences' order leaves */
  readonly uncertainty: number;
  /** the error in units of what is allowed: above 1 it fails */
  readonly ratio: number;
}

/** What was found of one input's gradient. */
export interface GradcheckInputReport {
  readonly name: string;
  readonly shape: Shape;
  readonly passed: boolean;
  /** smooth samples compared */
  readonly samples: number;
  /** samples at a kink, where there is no derivative: they were replaced by others as far as there were any */
  readonly kinks: number;
  /** samples with a kink within reach of the step, compared on the smooth piece on which the point lies */
  readonly onPiece: number;
  /** samples that noise hides, or whose differences have no limit: not judged */
  readonly hidden: number;
  /** the first element where backward gives infinity or NaN */
  readonly notFinite: number | undefined;
  readonly maxAbsoluteError: number;
  readonly maxRelativeError: number;
  /** the samples that have them, with element or direction, analytic and numeric value; undefined where none is smooth */
  readonly largestAbsolute: GradcheckSample | undefined;
  readonly largestRelative: GradcheckSample | undefined;
  /** the sample with the largest error for its tolerance */
  readonly worst: GradcheckSample | undefined;
  /** the largest difference of a gradient between two runs */
  readonly nondeterminism: number;
}

/** What `gradcheck` found, input by input. */
export interface GradcheckReport {
  readonly passed: boolean;
  readonly inputs: readonly GradcheckInputReport[];
  /** the largest difference of an output between two runs of forward */
  readonly nondeterminism: number;
  /** why it did not pass, a line each */
  readonly problems: readonly string[];
  readonly seed: number;
  readonly atol: number;
  readonly rtol: number;
}

/** A gradient check that failed. Its message names the input and the numbers. */
export class GradcheckError extends Error {
  override readonly name = 'GradcheckError';
  readonly report: GradcheckReport;

  constructor(report: GradcheckReport) {
    super(`gradcheck failed (seed ${report.seed})\n${report.problems.join('\n')}`);
    this.report = report;
  }
}
