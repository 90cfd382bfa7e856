import { parseDocument } from 'yaml';
import { FrostlineError } from '../errors.ts';
import { decodeText, readGiven } from '../read-files.ts';
import { nearestHint } from './nearest.ts';
import { camelCase, type OptionSpec, readValue } from './options.ts';

/**
 * Reads option values from a YAML or JSON file (JSON is YAML), or for `-` from standard input. Keys are those of the flags, in kebab-case or camelCase.
 * @returns values by the option's key
 */
export async function readConfig(path: string, specs: readonly OptionSpec[]): Promise<Record<string, unknown>> {
  const entries = parse(path, decodeText(await readGiven(path), path === '-' ? 'standard input' : path));
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(entries)) {
    const spec = specs.find(({ key, flag }) => name === flag || camelCase(name) === key);
    if (spec === undefined) {
      const known = specs.map(({ key, flag }) => (name.includes('-') ? flag : key));
      throw new FrostlineError(`${path}: unknown key '${name}'; ${nearestHint(name, known)}`);
    }
    if (spec.key in values) {
      throw new FrostlineError(`${path}: '${spec.key}' is given twice, once as '${name}'; keep one of them`);
    }
    values[spec.key] = givenValue(spec, value);
  }
  return values;
}

/** As a flag's value, but what is a list in the file is one already: its names may hold commas. A number may be a name. */
function givenValue(spec: OptionSpec, value: unknown): unknown {
  const asText = (item: unknown) => (typeof item === 'number' ? String(item) : item);
  if (spec.kind !== 'list' || !Array.isArray(value)) return readValue(spec, asText(value));
  return value.map(asText).map((item) => (typeof item === 'string' ? spec.read(item) : item));
}

/** Longest file of options: theirs are of a page or two. */
const MOST_BYTES = 2 ** 20;

function parse(path: string, text: string): Record<string, unknown> {
  if (text.length > MOST_BYTES) {
    throw new FrostlineError(`${path} has ${text.length} characters; a file of options has at most ${MOST_BYTES}`);
  }
  const value = parseYaml(path, text);
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new FrostlineError(
      `${path}: holds ${Array.isArray(value) ? 'a list' : `the value ${JSON.stringify(value)}`}; expected keys and values, such as 'epochs: 6'`,
    );
  }
  return value as Record<string, unknown>;
}

/** What YAML says, without anything that refers to itself. */
function parseYaml(path: string, text: string): unknown {
  const refuse = (problem: string) => new FrostlineError(`${path}: not valid YAML or JSON: ${problem}`);
  let value: unknown;
  let firstProblem: string | undefined;
  try {
    const document = parseDocument(text, { logLevel: 'error' });
    firstProblem = document.errors[0]?.message.split('\n')[0];
    value = firstProblem === undefined ? document.toJS() : undefined;
    // Refuses a circle, as JSON has none.
    JSON.stringify(value);
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof RangeError) throw refuse('it is nested too deep; expected keys and values');
    const alias = /alias|circular/i.test(message);
    const remedy = "a value that begins with * stands for another one in YAML. Quote it, as in mask: ['*.bias=0']";
    throw refuse(alias ? `${message.split('\n')[0]}; ${remedy}` : message.split('\n')[0]);
  }
  if (firstProblem !== undefined) {
    const quote = /alias|anchor|tag|\*|&/i.test(firstProblem) ? '. Quote values with signs in them' : '';
    throw refuse(`${firstProblem}${quote}`);
  }
  return value;
}
