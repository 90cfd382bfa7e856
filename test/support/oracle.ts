/** Debian's python3 as an oracle that takes and gives JSON. */
import { spawnSync } from 'node:child_process';
import { pythonWith } from './python.ts';

export function hasPython(...modules: string[]): boolean {
  return pythonWith(...modules) !== undefined;
}

/** Runs a script that reads JSON from its standard input and prints JSON. */
export function python<T>(script: string, argument: unknown, ...modules: string[]): T {
  const interpreter = pythonWith(...modules);
  if (interpreter === undefined) throw new Error(`no python with ${modules.join(', ')}`);
  const run = spawnSync(interpreter, ['-c', script], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    input: JSON.stringify(argument),
  });
  if (run.status !== 0) throw new Error(`python3: ${run.stderr}`);
  return JSON.parse(run.stdout) as T;
}
