/**
 * `npm run test:wiring`: plants each fault of test/wiring/faults.yaml in a copy of the sources, runs the tests that are
 * to notice it, and writes what did to docs/wiring.md. An argument names faults by a part of their words or files; the
 * page is then left as it is. Exits with 1 where a fault survives without a reason, or has one and is noticed.
 *
 * It takes an hour. What was found lies in runs/wiring, by the tree of src, test and samples: a run that was stopped goes on.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { formatted, root } from './prepare.mjs';

const [only] = process.argv.slice(2);
const all = parse(readFileSync(join(root, 'test', 'wiring', 'faults.yaml'), 'utf8'));
const faults = all.filter(({ fault, file }) => only === undefined || fault.includes(only) || file.includes(only));

const copy = mkdtempSync(join(tmpdir(), 'frostline-wiring-'));
for (const name of [
  'src',
  'test',
  'samples',
  'weights',
  'docs',
  'bin',
  'package.json',
  'vitest.config.ts',
  'README.md',
]) {
  cpSync(join(root, name), join(copy, name), { recursive: true });
}
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));

/** Of all that a fault's outcome hangs on: names and contents, in order. */
function treeHash() {
  const hash = createHash('sha256');
  const add = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) add(inner);
      else if (entry.name !== 'faults.yaml') hash.update(`${inner.slice(copy.length)}\n`).update(readFileSync(inner));
    }
  };
  for (const name of ['src', 'test', 'samples']) add(join(copy, name));
  return hash.digest('hex').slice(0, 16);
}

const record = join(root, 'runs', 'wiring', `${treeHash()}.json`);
mkdirSync(join(root, 'runs', 'wiring'), { recursive: true });
const found = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')) : {};

/** The test that notices the fault, as found now or before. */
function noticedBy(one) {
  const key = JSON.stringify(one);
  if (!(key in found)) {
    const text = readFileSync(join(root, one.file), 'utf8');
    if (text.split(one.find).length !== 2) {
      throw new Error(`${one.file}: '${one.find}' does not stand there once (${one.fault})`);
    }
    writeFileSync(
      join(copy, one.file),
      text.replace(one.find, () => one.put),
    );
    // null: none
    found[key] = firstFailure(one.tests) ?? null;
    writeFileSync(join(copy, one.file), text);
    writeFileSync(record, JSON.stringify(found));
  }
  return found[key] ?? undefined;
}

/** The first test of these files that fails; undefined where all pass. */
function firstFailure(tests, timeout = 300_000) {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const options = ['--bail=1', '--maxWorkers=1', '--reporter=json', `--outputFile.json=${report}`];
  const { status, stderr } = spawnSync(process.execPath, [vitest, 'run', ...tests, ...options], {
    cwd: copy,
    encoding: 'utf8',
    // A fault that waits for ever is noticed, too.
    timeout,
  });
  if (status === 0) return undefined;
  if (!existsSync(report)) return 'the tests do not end within five minutes';
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const failed = testResults.flatMap(({ assertionResults }) => assertionResults).find((one) => one.status === 'failed');
  return failed?.fullName ?? (testResults[0]?.message || stderr).split('\n')[0];
}

const rows = [];
let wrong = 0;
try {
  if (!found.sound) {
    const failed = firstFailure([...new Set(faults.flatMap(({ tests }) => tests))], 1_800_000);
    if (failed !== undefined) throw new Error(`the tests fail where nothing is broken: ${failed}`);
    found.sound = true;
  }
  for (const one of faults) {
    const { file, fault, survives } = one;
    const by = noticedBy(one);
    const asExpected = (by === undefined) === (survives !== undefined);
    if (!asExpected) wrong++;
    rows.push([file.replace('src/', ''), fault, by ?? (survives ? `none: ${survives}` : '**survives**')]);
    console.log(`${asExpected ? 'ok' : 'FAILED'}: ${file}: ${fault} <- ${by ?? 'survives'}`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}

const caught = rows.filter(([, , by]) => !by.startsWith('none: ') && by !== '**survives**').length;
console.log(`${caught} of ${rows.length} faults are noticed`);
if (only === undefined) {
  const cell = (text) => text.replaceAll('|', '\\|');
  const lines = rows.map((row) => `| ${row.map(cell).join(' | ')} |`);
  const page = [
    '# Planted faults of wiring',
    '',
    'Each fault is planted alone, and the tests named for it are run; the first that fails stands beside it. Printed by',
    `\`npm run test:wiring\` from \`test/wiring/faults.yaml\`: ${caught} of ${rows.length} are noticed.`,
    'Faults in kernels: [mutations.md](mutations.md).',
    '',
    '| file | fault | noticed by |',
    '| ---- | ----- | ---------- |',
    ...lines,
    '',
  ];
  writeFileSync(join(root, 'docs', 'wiring.md'), page.join('\n'));
  formatted('docs/wiring.md');
}
process.exit(wrong === 0 ? 0 : 1);
