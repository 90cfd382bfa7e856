/**
 * The command line without the process: arguments in, exit code out. commander parses and prints help; the schema of
 * the command decides what is allowed.
 *
 * Exit codes: 0 all well, 1 a check failed, 2 the user can mend it (message only), 3 a defect (with its stack),
 * 75 stopped where it can go on; 130 and more: a signal (130 SIGINT, 138 SIGUSR1, 143 SIGTERM).
 */
import { inspect } from 'node:util';
import { Command as CommanderCommand, CommanderError, Option } from 'commander';
import { FrostlineError, STOPPED, withoutNote } from '../errors.ts';
import { parseLimits, raiseLimits } from '../limits.ts';
import { visible, visibleJson } from '../text.ts';
import { frostlineVersion } from '../version.ts';
import type { Command, Context } from './command.ts';
import { Deferred } from './deferred.ts';
import { nearestHint } from './nearest.ts';
import type { OptionSpec } from './options.ts';
import type { Registered } from './registry.ts';

export interface Surroundings {
  readonly stdout: Context['stdout'];
  readonly stderr: Context['stderr'];
  /** Aborted on Ctrl-C. */
  readonly signal?: AbortSignal;
  /** Asked to end at the next point where the work is saved. `heeded`: a command does. */
  readonly stop?: { readonly signal: AbortSignal; heeded: boolean };
  /** Filled by the command; run here when it ends, and by the caller on Ctrl-C. */
  readonly deferred?: Deferred;
}

type Full = Surroundings & Required<Pick<Surroundings, 'deferred'>>;

/**
 * Runs one command line.
 * @param args the arguments after the program's name
 * @returns the exit code; it throws nothing
 */
export async function runProgram(
  args: readonly string[],
  registry: readonly Registered[],
  surroundings: Surroundings,
): Promise<number> {
  const { stderr, signal, deferred = new Deferred() } = surroundings;
  let code: number;
  try {
    code = await dispatch(args, registry, { ...surroundings, deferred });
  } catch (error) {
    // What a command throws because it was interrupted is not worth a word.
    code = signal?.aborted ? 130 : report(error, stderr);
  }
  for (const error of await deferred.run()) code = Math.max(code, report(error, stderr));
  return code;
}

/** Prints an error as its kind deserves. Returns the exit code. */
function report(error: unknown, stderr: Context['stderr']): number {
  if (error instanceof FrostlineError) {
    stderr.write(`frostline: ${visible(withoutNote(error.message))}\n`);
    return error.exitCode;
  }
  if (isOutOfMemory(error)) {
    stderr.write(
      `frostline: the memory of this machine does not suffice (${visible(error.message)}). Use fewer or smaller images, a smaller model, or a machine with more\n`,
    );
    return 2;
  }
  // An error of the device's bindings may have no stack.
  const stack = error instanceof Error && error.stack ? error.stack : inspect(error);
  stderr.write(
    `${visible(stack)}\n\nfrostline ${frostlineVersion}: this is a defect; please report it with the lines above\n`,
  );
  return 3;
}

/** What Node throws where it gets no memory; a size that no machine could have is a defect of ours. */
function isOutOfMemory(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return (
    /Array buffer allocation failed/i.test(error.message) ||
    ['ENOMEM', 'ERR_MEMORY_ALLOCATION_FAILED'].includes((error as NodeJS.ErrnoException).code ?? '')
  );
}

async function dispatch(args: readonly string[], registry: readonly Registered[], surroundings: Full): Promise<number> {
  let exitCode = 0;
  const program = rootCommand(surroundings);
  const words = args.filter((arg) => !arg.startsWith('-'));
  const spoken = words[0] === 'help' ? words.slice(1) : words;
  const wanted = registry.find(({ name }) => name.split(' ').every((word, i) => spoken[i] === word));
  const family = registry.some(({ name }) => name.startsWith(`${spoken[0]} `)) ? spoken[0] : undefined;
  if (wanted === undefined && spoken.length > (family === undefined ? 0 : 1)) {
    throw unknownCommand(spoken, family, registry);
  }
  const askedForHelp = args.length === 0 || words[0] === 'help' || (wanted === undefined && family !== undefined);
  let wantedCommand: CommanderCommand | undefined;
  for (const registered of registry) {
    const { name, group, summary, load } = registered;
    const sub = commandAt(program, name, `${group}:`).summary(summary);
    // Only the command that runs is loaded: the list of commands must not cost all their imports.
    if (registered !== wanted) continue;
    wantedCommand = sub;
    await equip(sub, name, (await load()).command, surroundings, (code) => {
      exitCode = code;
    });
  }
  try {
    const helpOf = wanted?.name.split(' ') ?? (family === undefined ? [] : [family]);
    const line = askedForHelp ? [...helpOf, '--help'] : [...args];
    await program.parseAsync(line, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0; // help or version was printed
    throw usageError(error, wantedCommand ?? program, wanted?.name);
  }
  return exitCode;
}

/** The commander command of a name; a first word that several share becomes a command without an action. */
function commandAt(program: CommanderCommand, name: string, group: string): CommanderCommand {
  const words = name.split(' ');
  let at = program;
  for (const [i, word] of words.entries()) {
    const known = i < words.length - 1 ? at.commands.find((command) => command.name() === word) : undefined;
    at = known ?? at.command(word).helpGroup(group);
    if (i < words.length - 1) at.usage('COMMAND [options]');
  }
  return at;
}

function unknownCommand(
  spoken: readonly string[],
  family: string | undefined,
  registry: readonly Registered[],
): FrostlineError {
  const named = spoken.slice(0, family === undefined ? 1 : 2).join(' ');
  const names =
    family === undefined
      ? [...new Set(registry.map(({ name }) => name.split(' ')[0]))]
      : registry.map(({ name }) => name).filter((name) => name.startsWith(`${family} `));
  const listing = family === undefined ? 'frostline --help' : `frostline ${family} --help`;
  return new FrostlineError(
    `unknown command '${named}'; ${nearestHint(named, names)}; '${listing}' lists the commands`,
  );
}

function rootCommand({ stdout }: Surroundings): CommanderCommand {
  return new CommanderCommand('frostline')
    .description('Fine-tunes convolutional networks on the GPU and finds how deep a pretrained one should be frozen.')
    .usage('COMMAND [options]')
    .version(frostlineVersion, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .exitOverride()
    .showSuggestionAfterError(false) // usageError() suggests
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: () => {}, // printed once, by report()
      getOutHelpWidth: () => stdout.columns ?? 80,
    })
    .configureHelp({
      visibleCommands: (command) => command.commands.flatMap((sub) => (sub.commands.length > 0 ? sub.commands : [sub])),
      subcommandTerm: (command) =>
        command.parent?.parent ? `${command.parent.name()} ${command.name()}` : command.name(),
      optionTerm: (option) => (option.isBoolean() && negatable.has(option) ? `--[no-]${option.name()}` : option.flags),
    })
    .addHelpText('after', "\n'frostline COMMAND --help' tells more.");
}

/** Options that have a --no- twin, which the help shows in one line with them. */
const negatable = new WeakSet<Option>();

/** Gives the commander command the arguments, options, help and action of ours. */
async function equip(
  sub: CommanderCommand,
  name: string,
  command: Command,
  surroundings: Full,
  setExitCode: (code: number) => void,
): Promise<void> {
  const { optionSpecs } = await import('./options.ts');
  const argumentSpecs = command.arguments ? optionSpecs(command.arguments) : [];
  const specs = optionSpecs(command.options);
  sub.description(command.description).usage(usageOf(argumentSpecs));
  for (const spec of argumentSpecs) {
    const term = spec.key + (spec.kind === 'list' ? '...' : '');
    sub.argument(spec.required ? `<${term}>` : `[${term}]`, spec.description);
  }
  for (const spec of specs) addOption(sub, spec);
  if (specs.length > 0)
    sub.addOption(common('--config <FILE>', 'read options from a YAML or JSON file; flags win over it'));
  if (command.json) sub.addOption(common('--json', 'print the results as JSON'));
  if (specs.length > 0)
    sub.addOption(common('--limit <NAME=NUMBER...>', 'raise a bound on what files may ask for, as its message says'));
  if (specs.some(({ key }) => key === 'adapter')) {
    sub.addOption(
      common('--no-device-probe', 'open a GPU without probing what it can do at once (FROSTLINE_PROBE=off)'),
    );
  }
  sub.helpOption('-h, --help', 'print this help');
  if (command.examples?.length) {
    const lines = command.examples.map(({ line, what }) => `  ${what}:\n    frostline ${name} ${line}`);
    sub.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
  }
  sub.action(async (...received: unknown[]) => {
    const flags = sub.opts<Record<string, unknown>>();
    const values = await collect(name, command, { argumentSpecs, specs, positional: received, flags });
    const restore = raiseLimits(parseLimits((flags.limit ?? []) as string[]));
    try {
      await command.run(values as never, contextOf(flags, surroundings, setExitCode));
    } finally {
      restore();
    }
  });
}

function usageOf(argumentSpecs: readonly OptionSpec[]): string {
  const words = argumentSpecs.map(({ key, kind, required }) => {
    const word = key.toUpperCase() + (kind === 'list' ? '...' : '');
    return required ? word : `[${word}]`;
  });
  return [...words, '[options]'].join(' ');
}

function addOption(sub: CommanderCommand, spec: OptionSpec): void {
  if (spec.kind === 'boolean') {
    const positive = new Option(`--${spec.flag}`, spec.description);
    negatable.add(positive);
    sub.addOption(positive).addOption(new Option(`--no-${spec.flag}`).hideHelp());
    return;
  }
  const value = spec.kind === 'list' ? `<${spec.valueName}...>` : `<${spec.valueName}>`;
  sub.addOption(new Option(`--${spec.flag} ${value}`, spec.description));
}

function common(flags: string, description: string): Option {
  return new Option(flags, description).helpGroup('Common options:');
}

/** Flags over config file over the schema's defaults, checked by the schema. */
async function collect(
  name: string,
  command: Command,
  given: {
    readonly argumentSpecs: readonly OptionSpec[];
    readonly specs: readonly OptionSpec[];
    readonly positional: readonly unknown[];
    readonly flags: Readonly<Record<string, unknown>>;
  },
): Promise<Record<string, unknown>> {
  const [{ readValue }, { checkValues }] = await Promise.all([import('./options.ts'), import('./check-values.ts')]);
  const positional = Object.fromEntries(
    given.argumentSpecs.flatMap((spec, i) =>
      isAbsent(given.positional[i]) ? [] : [[spec.key, readArgument(spec, given.positional[i], readValue)]],
    ),
  );
  const flags = Object.fromEntries(
    given.specs.flatMap((spec) =>
      given.flags[spec.key] === undefined ? [] : [[spec.key, readValue(spec, given.flags[spec.key])]],
    ),
  );
  const configPath = given.flags.config as string | undefined;
  const config =
    configPath === undefined ? {} : await (await import('./config-file.ts')).readConfig(configPath, given.specs);
  const source = (key: string): string =>
    key in flags || !(key in config) ? `--${flagOf(given.specs, key)}` : `${configPath}: ${key}`;
  return {
    ...(command.arguments && checkValues(command.arguments, positional, (key) => key, name)),
    ...checkValues(command.options, { ...config, ...flags }, source, name),
  };
}

/** commander gives an empty list for an optional list that was left out. */
function isAbsent(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}

/** Positional lists are file names as the shell gave them: not split at commas. */
function readArgument(
  spec: OptionSpec,
  value: unknown,
  readValue: (spec: OptionSpec, value: unknown) => unknown,
): unknown {
  return Array.isArray(value) ? value.map((item) => spec.read(item as string)) : readValue(spec, value);
}

function flagOf(specs: readonly OptionSpec[], key: string): string {
  return specs.find((spec) => spec.key === key)?.flag ?? key;
}

/** JSON has no infinity and no NaN, and would make null of them, which says "nothing" in ours: they stand by name. */
const withNames = (_: string, value: unknown) =>
  typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;

function contextOf(
  { json, deviceProbe }: Readonly<Record<string, unknown>>,
  surroundings: Full,
  setExitCode: (code: number) => void,
): Context {
  const { stdout, stderr, deferred, stop, signal = new AbortController().signal } = surroundings;
  return {
    stdout,
    stderr,
    json: json === true,
    deviceProbe: deviceProbe !== false,
    signal,
    print: (text, { coloured = false } = {}) => void stdout.write(`${coloured ? text : visible(text)}\n`),
    printJson: (value) => void stdout.write(`${visibleJson(JSON.stringify(value, withNames, 2))}\n`),
    note: (text) => void stderr.write(`${visible(text)}\n`),
    checkFailed: (text) => {
      stderr.write(`${visible(text)}\n`);
      setExitCode(1);
    },
    stopSignal() {
      if (stop === undefined) return new AbortController().signal;
      stop.heeded = true;
      return stop.signal;
    },
    stopped: (text) => {
      stderr.write(`${visible(text)}\n`);
      setExitCode(STOPPED);
    },
    defer: (work) => deferred.add(work),
  };
}

/** commander's complaint with the nearest known flag and where to read on. */
function usageError(error: CommanderError, command: CommanderCommand, commandName?: string): FrostlineError {
  const name = commandName === undefined ? 'frostline' : `frostline ${commandName}`;
  const message = error.message.replace(/^error: /, '').replace(/\.$/, '');
  const flag = /unknown option '(-[^'=]*)/.exec(message)?.[1];
  const known = command.options.flatMap((option) => option.long ?? []).concat('--help');
  const hint = flag === undefined ? '' : `; ${nearestHint(flag, known)}`;
  return new FrostlineError(`${message}${hint}; see '${name} --help'`);
}
