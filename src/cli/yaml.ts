/** The one reader of YAML, and of JSON, which is YAML: files of options and of phases. */
import { type Document, parseDocument, visit } from 'yaml';
import { FrostlineError } from '../errors.ts';
import { decodeText, readGiven } from '../read-files.ts';

/** Longest file: theirs are of a page or two. */
const MOST_BYTES = 2 ** 20;

/**
 * What a file holds, or for `-` what comes on standard input; it never refers to itself.
 * @param numbers 'as-written' leaves numbers as their text: 007 and 1.10 may be names
 * @throws FrostlineError for a file that cannot be read, is too long, or is no YAML
 */
export async function readYaml(path: string, numbers?: 'as-written'): Promise<unknown> {
  const bytes = await readGiven(path, MOST_BYTES);
  return parseYaml(path, decodeText(bytes, path === '-' ? 'standard input' : path), numbers);
}

function numbersAsWritten(document: Document): void {
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'number' && node.source !== undefined) node.value = node.source;
    },
  });
}

function parseYaml(path: string, text: string, numbers?: 'as-written'): unknown {
  const refusal = (problem: string) => new FrostlineError(`${path}: not valid YAML or JSON: ${problem}`);
  let value: unknown;
  let firstProblem: string | undefined;
  try {
    const document = parseDocument(text, { logLevel: 'error' });
    // A warning, as of a tag that is unknown, means that a value is read as another one.
    firstProblem = [...document.errors, ...document.warnings][0]?.message.split('\n')[0];
    if (numbers !== undefined) numbersAsWritten(document);
    value = firstProblem === undefined ? document.toJS() : undefined;
    // Refuses a circle, as JSON has none.
    JSON.stringify(value);
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof RangeError) throw refusal('it is nested too deep; expected keys and values');
    const alias = /alias|circular/i.test(message);
    const remedy = "a value that begins with * stands for another one in YAML. Quote it, as in mask: ['*.bias=0']";
    throw refusal(alias ? `${message.split('\n')[0]}; ${remedy}` : message.split('\n')[0]);
  }
  if (firstProblem !== undefined) {
    const quote = /alias|anchor|tag|\*|&/i.test(firstProblem) ? '. Quote values with signs in them' : '';
    throw refusal(`${firstProblem}${quote}`);
  }
  return value;
}
