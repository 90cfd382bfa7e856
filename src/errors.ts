/** Exit code of a run that was asked to stop and did so where it can go on: EX_TEMPFAIL, "try again later". */
export const STOPPED = 75;

/**
 * The one error class for what a user can mend: it names the thing, the value found, what was expected and the remedy.
 * The command line prints its message without a stack and exits with 2. Any other error is a defect of frostline.
 */
export class FrostlineError extends Error {
  override readonly name = 'FrostlineError';
  /** Process exit code of the command line. */
  readonly exitCode = 2;
}
