/** Options by name: what an editor marks in TypeScript is refused in JavaScript, too. */
import { FrostlineError } from './errors.ts';

/** The names of all options of T: one that is left out does not compile. */
export type OptionNames<T> = { readonly [N in keyof T]-?: true };

/**
 * Refuses options of names that there are not: they would change nothing, unnoticed.
 * @param what whose options they are, for the message
 * @returns the options, none where they were left out
 */
export function checkOptions<T extends object>(what: string, options: T | undefined, names: OptionNames<T>): T {
  if (options === undefined) return {} as T;
  if (typeof options !== 'object' || options === null) {
    throw new FrostlineError(`${what}: the options are ${String(options)}. Give an object.`);
  }
  const stranger = Object.keys(options).find((name) => !Object.hasOwn(names, name));
  if (stranger !== undefined) {
    throw new FrostlineError(`${what} has no option '${stranger}'. It has ${Object.keys(names).join(', ')}.`);
  }
  return options;
}
