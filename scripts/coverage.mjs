/**
 * `npm run coverage`: which statements, branches and functions of src the tests run, by folder; coverage/index.html has
 * every file with its lines. Arguments go to vitest: `npm run coverage -- test/statistics` looks at some tests alone.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import Table from 'cli-table3';
import { build, install, root } from './prepare.mjs';

install();
build();
const summary = join(root, 'coverage', 'coverage-summary.json');
rmSync(summary, { force: true });
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
// Counting slows what computes in TypeScript: references, bootstraps.
const options = ['run', '--coverage', '--testTimeout=600000', '--hookTimeout=600000', ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, [vitest, ...options], { cwd: root, stdio: 'inherit' });
const { total: _, ...files } = JSON.parse(readFileSync(summary, 'utf8'));

const MEASURES = ['statements', 'branches', 'functions'];
const folders = new Map();
for (const [path, counts] of Object.entries(files)) {
  const [, folder, ...below] = relative(root, path).split(sep);
  const name = below.length === 0 ? 'src/*.ts' : `src/${folder}`;
  const sums = folders.get(name) ?? { files: 0, ...Object.fromEntries(MEASURES.map((measure) => [measure, [0, 0]])) };
  sums.files++;
  for (const measure of MEASURES) {
    sums[measure][0] += counts[measure].covered;
    sums[measure][1] += counts[measure].total;
  }
  folders.set(name, sums);
}

const share = ([covered, total]) => (total === 0 ? '' : `${((100 * covered) / total).toFixed(1)} %`);
const table = new Table({
  head: ['folder', 'files', ...MEASURES],
  colAligns: ['left', ...['files', ...MEASURES].map(() => 'right')],
  style: { head: [], border: [], compact: true },
});
for (const [name, sums] of [...folders].sort(([a], [b]) => (a < b ? -1 : 1))) {
  table.push([name, sums.files, ...MEASURES.map((measure) => share(sums[measure]))]);
}
console.log(`${table}\nline by line: coverage/index.html`);
process.exit(status ?? 1);
