/** `npm run test:onnx`: runs ONNX's own backend tests and writes what became of each case to docs/onnx-cases.md. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { formatted, root } from './prepare.mjs';

const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'test/models/onnx-test-data.test.ts'],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, FROSTLINE_ONNX_TABLE: join(root, 'docs', 'onnx-cases.md') },
  },
);
if (status === 0) formatted('docs/onnx-cases.md');
process.exit(status ?? 1);
