/** Options by name: what an editor marks in TypeScript is refused in JavaScript, too. */
import { checkArguments, type Expectation, OBJECT } from './arguments.ts';
import { FrostlineError } from './errors.ts';

/**
 * The names of all options of T: one that is left out does not compile. An expectation is asked of what is given; `true`
 * where whoever reads the option asks it.
 */
export type OptionNames<T> = { readonly [N in keyof T]-?: true | Expectation };

/**
 * Refuses options of names that there are not: they would change nothing, unnoticed; and values that are not what is
 * expected.
 * @param what whose options they are, for the message
 * @returns the options, none where they were left out
 */
export function checkOptions<T extends object>(what: string, options: T | undefined, names: OptionNames<T>): T {
  if (options === undefined) return {} as T;
  checkArguments(what, { 'the options': [options, OBJECT] });
  const stranger = Object.keys(options).find((name) => !Object.hasOwn(names, name));
  if (stranger !== undefined) {
    throw new FrostlineError(`${what} has no option '${stranger}'. It has ${Object.keys(names).join(', ')}.`);
  }
  for (const [name, expected] of Object.entries<true | Expectation>(names)) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (expected !== true && value !== undefined) checkArguments(what, { [name]: [value, expected] });
  }
  return options;
}

/** As `checkOptions`, of settings some of which must be given. */
export function checkSettings<T extends object>(
  what: string,
  settings: T,
  names: OptionNames<T>,
  needed: readonly (keyof T & string)[],
): void {
  checkArguments(what, { 'what it is given': [settings, OBJECT] });
  checkOptions(what, settings, names);
  for (const name of needed) {
    const expected = names[name] as true | Expectation;
    if (expected !== true) checkArguments(what, { [name]: [settings[name], expected] });
  }
}
