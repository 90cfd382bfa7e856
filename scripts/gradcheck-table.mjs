/**
 * `npm run gradcheck:table`: faults planted in backward passes, and right functions, each at 4 shapes with 12 seeds of
 * values and samples: which gradcheck catches, which false alarms it gives, and beside it torch.autograd.gradcheck in
 * float32 on the same values. Writes the tables to docs/gradcheck-table.md. `-- --seeds 2` draws fewer, `-- --filter log`
 * takes some alone and writes nothing. Interrupted, it goes on with the seed where it stopped.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { build, formatted, root } from './prepare.mjs';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '12' },
    adapter: { type: 'string' },
    jax: { type: 'string' },
    filter: { type: 'string', default: '' },
  },
});
const seeds = Number(options.seeds);
const SHAPES = 4;
build();
const { Gpu, Random, gradcheck } = await import('../dist/index.js');
const { faults, right } = await import('./gradcheck/functions.mjs');

/** Values by seed and shape; kept from 0 where a function has a pole there. */
function drawn({ shapes, positive, wide, scales = {} }, shape, seed) {
  const random = new Random(1000 * shape + seed, 7);
  return Object.fromEntries(
    Object.entries(shapes(shape)).map(([name, extents]) => {
      const values = Float32Array.from({ length: extents.reduce((a, b) => a * b, 1) }, () => {
        const value = random.normal() * (scales[name] ?? 1);
        if (wide) return 10 ** random.between(-3, 2);
        return positive ? 0.25 + Math.abs(value) : value;
      });
      return [name, { shape: extents, values }];
    }),
  );
}

const gpu = await Gpu.open({ adapter: options.adapter });

/** A checker in Python: takes a case a line, gives a list of verdicts a line. Undefined where none has the package. */
function checker(library, interpreters) {
  const found = interpreters.find((one) => spawnSync(one, ['-c', `import ${library}`]).status === 0);
  if (found === undefined) return undefined;
  const python = spawn(found, [join(root, 'scripts', 'gradcheck', `${library}_check.py`)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const verdicts = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  return {
    ask({ torch, plant, derivative }, inputs) {
      const plain = Object.entries(inputs).map(([name, { shape, values }]) => [name, { shape, values: [...values] }]);
      python.stdin.write(`${JSON.stringify({ torch, plant, derivative, inputs: Object.fromEntries(plain) })}\n`);
    },
    answer: async () => JSON.parse((await verdicts.next()).value),
    end: () => python.stdin.end(),
  };
}

const torch = checker('torch', ['python3', '/usr/bin/python3']);
if (torch === undefined) {
  console.error('no Python with torch: install PyTorch, whose checker stands beside ours');
  process.exit(2);
}
// JAX has its own numpy: often it stands in an environment of its own.
const jax = checker('jax', [options.jax, 'python3', '/usr/bin/python3'].filter(Boolean));

/** How often ours, and PyTorch's with two sets of options, fail a function, of the shapes. */
async function failures(row, seed) {
  const failed = [0, 0, 0];
  for (let shape = 0; shape < SHAPES; shape++) {
    const inputs = drawn(row, shape, seed);
    torch.ask(row, inputs);
    const report = await gradcheck(gpu, row.build, inputs, { seed, raiseException: false });
    if (!report.passed) failed[0]++;
    if (report.passed !== (row.fault === undefined)) {
      console.error(`${row.name}, shape ${shape}, seed ${seed}: ${report.problems[0] ?? 'passes'}`);
    }
    for (const [i, passed] of (await torch.answer()).entries()) if (!passed) failed[i + 1]++;
  }
  return failed;
}

/** The same of JAX's. */
async function failuresOfJax(row, seed) {
  let failed = 0;
  for (let shape = 0; shape < SHAPES; shape++) {
    jax.ask(row, drawn(row, shape, seed));
    const [passed] = await jax.answer();
    if (!passed) failed++;
  }
  return [failed];
}

/** By name, of one seed: kept until the next build. */
async function ofSeed(name, seed, failuresOf) {
  const file = join(folder, `${name}-${seed}.json`);
  if (options.filter === '' && existsSync(file) && statSync(file).mtimeMs > built) {
    return JSON.parse(readFileSync(file, 'utf8'));
  }
  const found = {};
  for (const row of rows) found[row.name] = await failuresOf(row, seed);
  if (options.filter === '') writeFileSync(file, JSON.stringify(found));
  console.error(`${name} ${seed}`);
  return found;
}

const rows = [...faults, ...right].filter(({ name }) => name.includes(options.filter));
const folder = join(root, 'runs', 'gradcheck-table');
mkdirSync(folder, { recursive: true });
const built = statSync(join(root, 'dist', '.tsbuildinfo')).mtimeMs;
const bySeed = [];
for (let seed = 0; seed < seeds; seed++) {
  const found = await ofSeed('seed', seed, failures);
  const beside = jax === undefined ? {} : await ofSeed('jax', seed, failuresOfJax);
  bySeed.push(Object.fromEntries(rows.map(({ name }) => [name, [...found[name], ...(beside[name] ?? [])]])));
}
torch.end();
jax?.end();
const checkers = ['frostline', 'torch, defaults', 'torch, eps = atol = rtol = 1e-2', ...(jax ? ['jax, defaults'] : [])];
const added = (chosen) =>
  chosen
    .filter((row) => rows.includes(row))
    .map(({ name }) => [name, checkers.map((_, i) => bySeed.reduce((sum, found) => sum + found[name][i], 0))]);
const [caught, alarms] = [added(faults), added(right)];
const cases = SHAPES * seeds;
const sum = (rows, i) => rows.reduce((total, [, failed]) => total + failed[i], 0);
const line = ([name, failed]) => `| ${name.replaceAll('|', '\\|')} | ${failed.join(' | ')} |`;
const head = [`| | ${checkers.join(' | ')} |`, `| --- |${' --: |'.repeat(checkers.length)}`];
const totals = (rows) =>
  `| **of ${rows.length * cases}** | ${checkers.map((_, i) => `**${sum(rows, i)}**`).join(' | ')} |`;
const page = [
  '# Planted faults and right functions',
  '',
  `Printed by \`npm run gradcheck:table -- --seeds ${seeds}${options.jax === undefined ? '' : ' --jax PYTHON'}\` on ${gpu.describe()}: ${cases} draws each, ${SHAPES} shapes with ${seeds} seeds. Beside`,
  'gradcheck with its defaults, `torch.autograd.gradcheck` looks at the same values in float32: with its defaults, which are',
  'meant for float64, and with what is often chosen instead. A checker that fails everything catches everything: both tables',
  'belong together.',
  jax
    ? '`jax.test_util.check_grads(f, inputs, order=1, modes=["rev"])` compares along one random direction.'
    : 'JAX was not installed: `--jax PYTHON` names an interpreter that has it.',
  '',
  '## Faults that were caught',
  '',
  ...head,
  ...caught.map(line),
  totals(caught),
  '',
  '## Right functions that failed',
  '',
  ...head,
  ...alarms.map(line),
  totals(alarms),
  '',
];
console.log(page.slice(7).join('\n'));
if (options.filter === '') {
  writeFileSync(join(root, 'docs', 'gradcheck-table.md'), page.join('\n'));
  formatted('docs/gradcheck-table.md');
}
gpu.destroy();
