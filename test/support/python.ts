import { spawnSync } from 'node:child_process';

/** The first Python that has all the modules, or undefined: tests that need it as an oracle are skipped then. */
export function pythonWith(...modules: string[]): string | undefined {
  return ['python3', '/usr/bin/python3'].find(
    (python) => spawnSync(python, ['-c', modules.map((name) => `import ${name}`).join('\n')]).status === 0,
  );
}

/** Runs a script; its arguments are in sys.argv[1:]. Throws with what it wrote to stderr when it fails. */
export function runPython(python: string, script: string, ...args: string[]): string {
  const result = spawnSync(python, ['-c', script, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (result.status !== 0) throw new Error(`python failed:\n${result.stderr}`);
  return result.stdout;
}
