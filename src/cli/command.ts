/**
 * A command is a zod schema and a function: flags, config keys, help and checks all come from the schema. Command files
 * import what is heavy inside `run`, so that help stays quick.
 */
import type { z } from 'zod';

/** What a command may touch of the outside. */
export interface Context {
  readonly stdout: NodeJS.WritableStream & { readonly columns?: number; readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly columns?: number; readonly isTTY?: boolean };
  /** --json was given: print results with `printJson` and nothing else on standard output. */
  readonly json: boolean;
  /** --no-device-probe was given: a GPU is not probed when it is opened. */
  readonly deviceProbe: boolean;
  /** Aborted by Ctrl-C; the process then runs the deferred work and exits with 130. */
  readonly signal: AbortSignal;
  /**
   * Aborted by SIGTERM or SIGUSR1, which end any other process at once: a command that asks for this ends by itself, at
   * the next point where its work is saved, and exits with 75.
   */
  stopSignal(): AbortSignal;
  /** The command ended where it can go on: exits with 75. */
  stopped(text: string): void;
  /** A line on standard output. Control characters, which names of others may hold, are written out; `coloured`: ours are in it. */
  print(text: string, options?: { readonly coloured?: boolean }): void;
  /** A result as JSON on standard output. */
  printJson(value: unknown): void;
  /** A line on standard error: progress and remarks that are no result. */
  note(text: string): void;
  /** A line on standard error; the command goes on, and exits with 1: a check failed. */
  checkFailed(text: string): void;
  /** Runs `work` when the command ends, fails or is interrupted; last deferred, first run. */
  defer(work: () => void | Promise<void>): void;
}

export interface Example {
  /** What stands after 'frostline COMMAND '. */
  readonly line: string;
  readonly what: string;
}

interface Definition<Arguments extends z.ZodObject, Options extends z.ZodObject> {
  /** The first paragraph of the help. */
  readonly description: string;
  /** Positional arguments in order; an optional one may be left out, an array takes all that follow. */
  readonly arguments?: Arguments;
  /**
   * Flags and config keys: `learningRates` is --learning-rates, and learning-rates or learningRates in a file.
   * `.describe()` gives the help text, `.meta({ valueName: 'FILE' })` the name of the value in it. A number or text is
   * a value, a boolean --x or --no-x, an array a list by commas or spaces, an array of arrays or an object JSON.
   */
  readonly options: Options;
  /** The command prints results and takes --json. */
  readonly json?: boolean;
  readonly examples?: readonly Example[];
  /** A FrostlineError exits with 2, any other error is a defect and exits with 3. */
  run(values: z.output<Arguments> & z.output<Options>, context: Context): Promise<void>;
}

/** A command with its types forgotten: what the registry holds. */
export interface Command extends Omit<Definition<z.ZodObject, z.ZodObject>, 'run'> {
  run(values: never, context: Context): Promise<void>;
}

type NoArguments = z.ZodObject<Record<never, never>>;

/**
 * Checks the types of `run` against the schemas. A command file exports the result as `command`; not as its default,
 * for TypeScript 5.9 does not rewrite the `.ts` of an `import()` inside an `export default` expression.
 */
export function defineCommand<Options extends z.ZodObject, Arguments extends z.ZodObject = NoArguments>(
  definition: Definition<Arguments, Options>,
): Command {
  return definition;
}
