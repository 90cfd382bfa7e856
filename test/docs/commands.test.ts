/**
 * Commands that pages show: the CLI's own parser takes those of frostline, scripts of npm and files of others are there.
 * Blocks hold whole commands; in the text a command may be named without all that it needs.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Registered, registry } from '../../src/cli/registry.ts';
import { run } from '../cli/run.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const isThere = (path: string) => existsSync(new URL(path, root));
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'examples/README.md', 'samples/README.md', 'weights/README.md'],
  ...['docs', 'bench'].flatMap((folder) => readdirSync(new URL(`${folder}/`, root)).map((name) => `${folder}/${name}`)),
].filter((page) => page.endsWith('.md') && page !== 'docs/api.md' && isThere(page));
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

interface Shown {
  readonly page: string;
  readonly line: string;
  /** as a whole, in a block */
  readonly whole: boolean;
}

const PROGRAM = /^(frostline|npx|npm|node)$/;
/** Words of a shell's line, without quotes. */
const words = (line: string) =>
  [...line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replaceAll(/["']/g, ''));

/** Commands of a line: what follows a comment, a pipe or a redirection is left out, as are variables before. */
function commandsOf(line: string): string[] {
  return line
    .replace(/(^|\s)#\s.*$/, '')
    .split(/&&|\|(?=\s)|;\s/)
    .map((one) =>
      one
        .replace(/\s\d?>.*$/, '')
        .replace(/^\s*(\$ )?([A-Z_]+=\S+\s+)*/, '')
        .trim(),
    )
    .filter((one) => PROGRAM.test(one.split(/\s/)[0]));
}

function shownOn(page: string): Shown[] {
  const text = read(page);
  const fences = [...text.matchAll(/```(\w*)\n([\s\S]*?)```/g)]
    .filter(([, language]) => ['', 'sh', 'bash'].includes(language))
    .map(([, , block]) => block);
  const prose = text.replaceAll(/```[\s\S]*?```/g, '');
  const indented = prose.split('\n').filter((line) => /^ {4}(npx|npm|node|frostline)\s/.test(line));
  const blocks = [...fences, ...indented].flatMap((block) => block.replaceAll(/\\\n\s*/g, ' ').split('\n'));
  const inline = [...prose.matchAll(/`([^`]+)`/g)].map(([, code]) => code.replaceAll(/\s*\n\s*/g, ' '));
  return [
    ...blocks.flatMap((line) => commandsOf(line).map((one) => ({ page, line: one, whole: true }))),
    ...inline.flatMap((code) => commandsOf(code).map((one) => ({ page, line: one, whole: false }))),
  ];
}

/** Commands that parse what they are given, and do nothing. */
const idle: Registered[] = registry.map((one) => ({
  ...one,
  load: async () => ({ command: { ...(await one.load()).command, run: async () => {} } }),
}));

/** What is wrong with the arguments of `frostline`. */
async function wrongArguments(args: readonly string[], whole: boolean): Promise<string | undefined> {
  if (args.length === 0) return undefined;
  // In capitals stands what the reader fills in.
  const holes = args.some((arg) => /^[A-Z]{3,}$/.test(arg));
  const filled = args.map((arg) => (/^[A-Z]{3,}$/.test(arg) ? '1' : arg));
  const { code, stderr } = await run(idle, ...filled);
  const unknown = /unknown|no option|is not a command/.test(stderr);
  return code === 0 || (!unknown && (!whole || holes)) ? undefined : stderr.trim();
}

async function wrong({ line, whole }: Shown): Promise<string | undefined> {
  const [program, ...rest] = words(line);
  if (program === 'frostline') return whole ? 'begins with npx' : wrongArguments(rest, whole);
  if (program === 'npm') return wrongScript(rest);
  if (program === 'node') {
    if (rest[0] === 'bin/frostline.mjs') return wrongArguments(rest.slice(1), whole);
    return wrongFiles(rest.filter((word) => /^[\w-]+\/.*\.mjs$/.test(word)));
  }
  if (rest[0] === 'frostline') return wrongArguments(rest.slice(1), whole);
  if (rest[0] === 'biome') return wrongFiles(rest.slice(2).filter((word) => !word.startsWith('-')));
  if (rest[0] === 'vitest') return wrongTests(rest.slice(1));
  return ['tsc'].includes(rest[0]) ? undefined : `${rest[0]} is not installed`;
}

function wrongScript([word, script]: readonly string[]): string | undefined {
  if (word === 'run') return scripts[script] === undefined ? `no script ${script}` : undefined;
  return ['ci', 'install', 'pack', 'start', 'test'].includes(word) ? undefined : `npm has no ${word}`;
}

const wrongFiles = (paths: readonly string[]) =>
  paths.filter((path) => !isThere(path)).map((path) => `${path} is not there`)[0];

/** Files that are there; and a name that stands in one of them, but for those of examples. */
function wrongTests(args: readonly string[]): string | undefined {
  const named = args.indexOf('-t');
  const files = args.filter((word, i) => /^(test|vitest)[/.]/.test(word) && i !== named + 1);
  const missing = wrongFiles(files);
  if (missing !== undefined || named < 0 || files.some((file) => !file.endsWith('.ts'))) return missing;
  const pattern = new RegExp(args[named + 1]);
  return files.some((file) => pattern.test(read(file))) ? undefined : `no test is called ${pattern}`;
}

describe('commands that pages show', () => {
  it.each(pages)('%s', async (page) => {
    const problems: string[] = [];
    for (const shown of shownOn(page)) {
      const problem = await wrong(shown);
      if (problem !== undefined) problems.push(`${shown.line}: ${problem}`);
    }
    expect(problems).toEqual([]);
  });

  it('are found, and looked at', async () => {
    const all = pages.flatMap(shownOn);
    expect(all.filter(({ whole }) => whole).length).toBeGreaterThan(40);
    const of = (line: string, whole = true) => wrong({ page: '', line, whole });
    expect(await of('npx frostline sweep paper-alexnet --data X --dry-run')).toBeUndefined();
    expect(await of('npx frostline sweep paper-alexnet --dry-runs')).toContain("unknown option '--dry-runs'");
    expect(await of('npx frostline swep', false)).toContain("unknown command 'swep'");
    expect(await of('npx frostline gradcheck opps')).toContain('opps');
    expect(await of('npx frostline gradcheck ops --cases few')).toContain('cases');
    expect(await of('npx vitest run test/absent.test.ts')).toBe('test/absent.test.ts is not there');
    expect(await of('npx vitest run test/graph/compile.test.ts -t nothing-of-that-name')).toMatch(/no test is called/);
    expect(await of('npm run absent')).toBe('no script absent');
  });
});
