/**
 * `npm run test:wiring`: plants each fault of test/wiring/faults.yaml in a copy of the sources, runs the tests that are
 * to notice it, and writes what did to docs/wiring.md. An argument names faults by a part of their words or files; the
 * page is then left as it is. Exits with 1 where a fault survives without a reason, or has one and is noticed.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

/** The first test of these files that fails; undefined where all pass. */
function firstFailure(tests) {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const options = ['--bail=1', '--maxWorkers=1', '--reporter=json', `--outputFile.json=${report}`];
  const { status, stderr } = spawnSync(process.execPath, [vitest, 'run', ...tests, ...options], {
    cwd: copy,
    encoding: 'utf8',
    // A fault that waits for ever is noticed, too.
    timeout: 300_000,
  });
  if (status === 0) return undefined;
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const failed = testResults.flatMap(({ assertionResults }) => assertionResults).find((one) => one.status === 'failed');
  return failed?.fullName ?? (testResults[0]?.message || stderr).split('\n')[0];
}

const rows = [];
let wrong = 0;
try {
  const whole = firstFailure([...new Set(faults.flatMap(({ tests }) => tests))]);
  if (whole !== undefined) throw new Error(`the tests fail where nothing is broken: ${whole}`);
  for (const { fault, file, find, put, tests, survives } of faults) {
    const text = readFileSync(join(root, file), 'utf8');
    if (text.split(find).length !== 2) throw new Error(`${file}: '${find}' does not stand there once (${fault})`);
    writeFileSync(
      join(copy, file),
      text.replace(find, () => put),
    );
    const by = firstFailure(tests);
    writeFileSync(join(copy, file), text);
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
    `\`npm run test:wiring\` from [test/wiring/faults.yaml](../test/wiring/faults.yaml): ${caught} of ${rows.length} are noticed.`,
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
