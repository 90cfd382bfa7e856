/** `npm run test:mutations`: breaks every kernel on purpose and writes what noticed it to docs/mutations.md. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { formatted, root } from './prepare.mjs';

const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'test/mutations', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, FROSTLINE_MUTATION_TABLE: join(root, 'docs', 'mutations.md') },
  },
);
formatted('docs/mutations.md');
process.exit(status ?? 1);
