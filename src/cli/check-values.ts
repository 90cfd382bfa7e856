import type { z } from 'zod';
import { FrostlineError } from '../errors.ts';

/**
 * Checks values by the command's schema and fills in its defaults.
 * @param source how the user knows the value of a key: the flag, or the file and key
 * @throws FrostlineError with a line for each value that does not fit
 */
export function checkValues<Schema extends z.ZodObject>(
  schema: Schema,
  values: Readonly<Record<string, unknown>>,
  source: (key: string) => string,
  command: string,
): z.output<Schema> {
  const result = schema.safeParse(values, { reportInput: true });
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => issueText(issue, source));
  throw new FrostlineError(`${lines.join('\n')}${lines.length > 1 ? '\n' : '; '}see 'frostline ${command} --help'`);
}

function issueText(issue: z.core.$ZodIssue, source: (key: string) => string): string {
  const [key, ...rest] = issue.path;
  if (key === undefined) return issue.message;
  const name = source(String(key)) + rest.map((part) => `[${String(part)}]`).join('');
  if (issue.code === 'custom') return `${name}: ${issue.message}`;
  if (issue.input === undefined) return `${name} is required`;
  return `${name}: found ${JSON.stringify(issue.input)}; ${expectation(issue)}`;
}

/** zod begins with the kind of problem, "Too small: expected number to be >0", and says nothing of a union's members. */
function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union') {
    return issue.errors.map(([first]) => expectation(first)).join(', or ');
  }
  return issue.message.replace(/^[A-Z][a-z ]+: /, '').replace(/, received \w+$/, '');
}
