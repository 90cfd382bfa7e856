/** How many splits `npm start` asks for. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'frostline-splits-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A script is no module of the types' project: it is asked in a process of its own. */
function quickSplits(kind: string | undefined, usual: number, grid: string): unknown {
  const call = `quickSplits(${JSON.stringify([kind, usual, grid]).slice(1, -1)})`;
  const text = `import { quickSplits } from './scripts/quick-splits.mjs'; console.log(JSON.stringify(${call} ?? null));`;
  const root = join(import.meta.dirname, '..', '..');
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', text], { cwd: root, encoding: 'utf8' }),
  );
}

/** A folder as a grid leaves it. */
function begunWith(splits: number): string {
  const grid = join(folder, `${splits}`);
  mkdirSync(grid);
  writeFileSync(join(grid, 'config.json'), JSON.stringify({ settings: { splits } }));
  return grid;
}

it('is one less on the embedded driver alone', () => {
  const fresh = join(folder, 'none');
  expect(quickSplits('embedded', 4, fresh)).toBe(3);
  expect(quickSplits('software', 4, fresh)).toBeNull();
  expect(quickSplits('hardware', 4, fresh)).toBeNull();
});

it('leaves a grid that has begun its splits', () => {
  expect(quickSplits('embedded', 4, begunWith(4))).toBe(4);
  expect(quickSplits('embedded', 4, begunWith(3))).toBe(3);
  expect(quickSplits('software', 4, begunWith(2))).toBeNull();
});
