/**
 * `npm run correctness`: runs `frostline gradcheck` over many draws and writes docs/correctness.md from them.
 *
 *   npm run correctness                        10,000 draws of every kernel, 1,000 of every operation, 40 of every model:
 *                                              the best part of a day
 *   npm run correctness -- --cases 500         fewer
 *   npm run correctness -- --minutes 30        as far as it gets; the next call goes on there
 *   npm run correctness -- part.json ...       only writes the tables from files of `frostline gradcheck --json`
 *
 * The work is done in parts of two minutes or so, as many at a time as there are cores, whose results lie in
 * runs/correctness; those older than the last build do not count, for the kernels may have changed. `--parts kernels,ops`
 * leaves out the others. Exits with 1 where a case failed.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, formatted, root } from './prepare.mjs';

const { values: options, positionals } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    minutes: { type: 'string', default: 'Infinity' },
    parts: { type: 'string', default: 'kernels,ops,models' },
  },
  allowPositionals: true,
});
const files =
  positionals.length > 0
    ? positionals
    : await runParts(Number(options.cases), Number(options.minutes), options.parts.split(','));
if (files.length === 0) {
  console.error('no part was finished: give more --minutes');
  process.exit(2);
}

/** Runs the parts that are missing, kernels and operations in turn. @returns the files of all that are there */
async function runParts(cases, minutes, chosen) {
  build();
  const built = statSync(join(root, 'dist', '.tsbuildinfo')).mtimeMs;
  const folder = join(root, 'runs', 'correctness');
  mkdirSync(folder, { recursive: true });
  const end = Date.now() + 60_000 * minutes;
  const parts = [];
  for (const [part, size, total] of [
    ['kernels', 50, cases],
    ['ops', 4, Math.ceil(cases / 10)],
    ['models', 5, Math.ceil(cases / 250)],
  ]) {
    for (let done = 0; done < total && chosen.includes(part); done += size) {
      parts.push({ part, seed: 1 + done, count: Math.min(size, total - done), share: done / total });
    }
  }
  const queue = parts.sort((a, b) => a.share - b.share);
  const found = [];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { part, seed, count } = next;
      const file = join(folder, `${part}-${seed}-${count}.json`);
      if (!existsSync(file) || statSync(file).mtimeMs < built) {
        if (Date.now() > end) continue;
        await runPart(['gradcheck', part, '--seed', `${seed}`, '--cases', `${count}`, '--json'], file);
      }
      found.push(file);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return found;
}

/** One run of the command, its report in a file: a part is whole or not there. */
function runPart(line, file) {
  const began = Date.now();
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, 'bin', 'frostline.mjs'), ...line],
      // What was tuned here must not narrow what is checked.
      { maxBuffer: 2 ** 28, env: { ...process.env, FROSTLINE_TUNE: 'off' } },
      (error, stdout, stderr) => {
        const status = error?.code ?? 0;
        if (status !== 0 && status !== 1) {
          console.error(stderr);
          process.exit(typeof status === 'number' ? status : 1);
        }
        writeFileSync(`${file}.new`, stdout);
        renameSync(`${file}.new`, file);
        console.error(
          `${line.join(' ')}: ${Math.round((Date.now() - began) / 1000)} s${status === 1 ? ', FAILED' : ''}`,
        );
        resolve();
      },
    );
  });
}

const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
const adapters = new Set(reports.map(({ adapter, kind }) => `${adapter} (${kind})`));
const rows = reports.flatMap((report) => report.rows);

/** Rows of one key with `merge` over those that follow. */
function grouped(parts, keyOf, merge) {
  const found = new Map();
  for (const row of rows.filter(({ part }) => parts.includes(part))) {
    const key = keyOf(row);
    found.set(key, found.has(key) ? merge(found.get(key), row) : { ...row });
  }
  return [...found.values()];
}

const share = ({ error, units }) => (error === 0 ? 0 : error / units);
const kernels = grouped(
  ['kernels'],
  ({ name, variant }) => `${name} ${variant}`,
  (a, b) => {
    const worse = share(b) > share(a) ? b : a;
    const [one, other] = [a.reference, b.reference];
    const reference = one &&
      other && {
        error: Math.max(one.error, other.error),
        directions: one.directions + other.directions,
        kinks: one.kinks + other.kinks,
      };
    return {
      ...worse,
      configurations: Math.max(a.configurations, b.configurations),
      cases: a.cases + b.cases,
      reference: reference ?? one ?? other,
      failures: [...a.failures, ...b.failures],
    };
  },
);
const gradients = grouped(
  ['ops', 'models'],
  ({ part, name }) => `${part} ${name}`,
  (a, b) => ({
    ...a,
    cases: a.cases + b.cases,
    samples: a.samples + b.samples,
    kinks: a.kinks + b.kinks,
    maxAbsoluteError: Math.max(a.maxAbsoluteError, b.maxAbsoluteError),
    worstRatio: Math.max(a.worstRatio, b.worstRatio),
    failures: [...a.failures, ...b.failures],
  }),
);

const table = (head, lines) => {
  const row = (cells) => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n');
};
const counted = new Intl.NumberFormat('en-GB');
const referenceText = ({ error, directions, kinks }) =>
  `${error.toExponential(1)} in ${counted.format(directions - kinks)}${kinks > 0 ? `, ${kinks} kinks left out` : ''}`;
const verdict = ({ failures }) => (failures.length === 0 ? 'none' : `**${failures.length}**`);

const kernelTable = table(
  ['kernel', 'variant', 'texts', 'cases', 'worst error', 'allowed', 'reference', 'failed'],
  kernels.map((row) => [
    row.name,
    row.variant,
    row.configurations,
    counted.format(row.cases),
    row.error === 0 ? '0' : row.error.toPrecision(3),
    row.units === 0 ? 'exact' : row.units.toPrecision(3),
    row.reference === undefined ? '' : referenceText(row.reference),
    verdict(row),
  ]),
);
const gradientTable = table(
  ['', '', 'cases', 'samples', 'kinks left out', 'largest error', 'of what is allowed', 'failed'],
  gradients.map((row) => [
    row.part,
    row.name,
    counted.format(row.cases),
    counted.format(row.samples),
    counted.format(row.kinks),
    row.maxAbsoluteError.toExponential(1),
    `${(100 * row.worstRatio).toPrecision(2)} %`,
    verdict(row),
  ]),
);
const total = kernels.reduce((sum, { cases }) => sum + cases, 0);

const text = `# Correctness, measured

Written by \`npm run correctness\` from ${files.length} runs of \`frostline gradcheck --json\` with different seeds, on ${[...adapters].join(', ')}. What such a check is worth, [mutations.md](mutations.md) shows.

## Kernels

Every kernel in every variant and configuration (text) that the adapter runs, against float64 references:
${counted.format(total)} cases counting each variant. Six draws in nine hold standard normal values; the others sizes
from 1e-30 to 1e30 (1e-15 to 1e15 where values are multiplied, 1e-12 to 1e12 in LRN), denormals and zeros of both signs,
or infinities and NaN where the operation defines them. Half of the draws run with 15 workgroups a dimension, so that
dispatches fold. Every case ran twice and gave the same bits.

*Worst error* and *allowed* are those of the result nearest to its bound, in units of 2^-24 of the sum of the absolute
values of its terms; *exact* means copied or chosen, not rounded. A sum of k products may be off by k + 1 such units;
division, powers, exponentials and logarithms add what WGSL grants them. An adapter may take denormals for 0: where one
is an operand, what that changes is allowed, too. *Reference* is the largest relative difference between the float64
derivative and central differences of the float64 forward, in random directions and along single elements.

${kernelTable}
${
  gradients.length === 0
    ? ''
    : `
## Operations and models

\`backward\` against differences of \`forward\`, both on the adapter; every second draw of an operation runs with 4096 bytes
a binding and 7 workgroups a dimension, in windows where it passes them. The draws are small: convolutions in strips and by
tiles, products of panels and losses of more than 64 rows are not among them; the tests of test/graph and
test/kernels/winograd.test.ts check those against references, in windows too.

${gradientTable}
`
}`;
writeFileSync(join(root, 'docs', 'correctness.md'), text);
formatted('docs/correctness.md');
console.log(`docs/correctness.md: ${kernels.length} rows of kernels, ${gradients.length} of operations and models`);
const failed = [...kernels, ...gradients].reduce((sum, { failures }) => sum + failures.length, 0);
if (failed > 0) console.log(`${failed} cases FAILED: \`frostline gradcheck\` with their seeds repeats them`);
process.exit(failed > 0 ? 1 : 0);
