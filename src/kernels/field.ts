/** Parameters in a uniform struct: by type, what each may be and how it is written. */
import { checkArguments, type Expectation } from '../arguments.ts';

/** Types of parameters. */
export type FieldType = 'u32' | 'i32' | 'f32';

const within = (least: number, most: number): Expectation => ({
  is: (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
  words: `a whole number from ${least} to ${most}`,
});
/** Written as it is, a number beyond these would be another one: 2^32 - 1 for -1, 0 for NaN. */
const FIELDS: Readonly<Record<FieldType, Expectation>> = {
  u32: within(0, 2 ** 32 - 1),
  i32: within(-(2 ** 31), 2 ** 31 - 1),
  f32: { is: (value) => typeof value === 'number' && !Number.isNaN(value), words: 'a number that is not NaN' },
};

/**
 * Writes a parameter at a byte of the struct.
 * @param what whose parameter it is, for the message
 * @throws FrostlineError for a number that its type does not have
 */
export function writeField(
  view: DataView,
  at: number,
  what: string,
  [name, type]: readonly [string, FieldType],
  value: number,
): void {
  checkArguments(what, { [`parameter ${name}`]: [value, FIELDS[type]] });
  if (type === 'f32') view.setFloat32(at, value, true);
  else if (type === 'i32') view.setInt32(at, value, true);
  else view.setUint32(at, value, true);
}
