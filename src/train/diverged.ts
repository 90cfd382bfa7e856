import { FrostlineError } from '../errors.ts';

/** A loss or an output is NaN or infinite: this run is over, others may go on. */
export class DivergedError extends FrostlineError {}
