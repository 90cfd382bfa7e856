/** The one reader of YAML, and of JSON, which is YAML: files of options and of phases. */
import { parseDocument } from 'yaml';
import { FrostlineError } from '../errors.ts';
import { decodeText, readGiven } from '../read-files.ts';

/** Longest file: theirs are of a page or two. */
const MOST_BYTES = 2 ** 20;

/**
 * What a file holds, or for `-` what comes on standard input; it never refers to itself.
 * @throws FrostlineError for a file that cannot be read, is too long, or is no YAML
 */
export async function readYaml(path: string): Promise<unknown> {
  const bytes = await readGiven(path, MOST_BYTES);
  return parseYaml(path, decodeText(bytes, path === '-' ? 'standard input' : path));
}

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
