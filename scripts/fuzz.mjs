/**
 * `npm run fuzz -- [--seconds N] [--count N] [--seed N] [FORMAT...]`: reads mutated files of every format, each for so many
 * seconds or inputs (default 60 s), and prints what became of them; test/fuzz says what is a fault. Exits with 1 for any.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, root } from './prepare.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string' }, count: { type: 'string' }, seed: { type: 'string' } },
});
build();
const folder = mkdtempSync(join(tmpdir(), 'frostline-fuzz-table-'));
const table = join(folder, 'table');
const env = {
  ...process.env,
  FROSTLINE_FUZZ_SECONDS: values.seconds ?? '60',
  FROSTLINE_FUZZ_COUNT: values.count ?? '1000000',
  FROSTLINE_FUZZ_TABLE: table,
  FROSTLINE_TEST_SEED: values.seed ?? String(Date.now() % 2 ** 31),
  ...(positionals.length > 0 && { FROSTLINE_FUZZ_FORMATS: positionals.join() }),
};
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', 'test/fuzz'], { cwd: root, stdio: 'inherit', env });
try {
  console.log(
    `\nseed ${env.FROSTLINE_TEST_SEED}\n\n| format | inputs | read | refused | longest | most memory | faults |`,
  );
  console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: |');
  const lines = existsSync(table) ? readFileSync(table, 'utf8').trim().split('\n') : [];
  for (const line of lines) {
    const { format, read, refused, seconds, kilobytes, faults } = JSON.parse(line);
    const cells = [read + refused, read, refused, `${seconds.toFixed(2)} s`, `${Math.round(kilobytes / 1000)} MB`];
    console.log(`| ${[format, ...cells, faults.length].join(' | ')} |`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exit(status ?? 1);
