/** The built command as a process: exit codes, streams, signals, and that nothing heavy is loaded for help. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = `${root}dist/cli/main.js`;

beforeAll(() => {
  const compiler = `${root}node_modules/typescript/bin/tsc`;
  const build = spawnSync(process.execPath, [compiler, '-p', `${root}tsconfig.build.json`], { encoding: 'utf8' });
  expect(build.stdout + build.stderr).toBe('');
});

function frostline(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** A program with one command, 'demo', whose body is `body`, on the built process code. */
function demo(body: string) {
  const script = `
import { runProcess } from ${JSON.stringify(`file://${root}dist/cli/process.js`)};
import { z } from 'zod';
const command = { description: '-', options: z.object({}), async run(values, context) { ${body} } };
process.argv = ['node', 'frostline', 'demo'];
await runProcess([{ name: 'demo', group: 'Tests', summary: '-', load: async () => ({ command }) }]);`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: root });
}

describe('the built command', () => {
  it('scores a confusion matrix', () => {
    const { status, stdout } = frostline('metrics', '--confusion', '[[38,2],[3,7]]', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout).f1).toBeCloseTo(41514 / 49514, 12);
  });

  it('exits with 2 and a message only for a mistake', () => {
    expect(frostline('metrics', '--confusoin', '1')).toEqual({
      status: 2,
      stdout: '',
      stderr: "frostline: unknown option '--confusoin'; the nearest is '--confusion'; see 'frostline metrics --help'\n",
    });
  });

  it('loads every file that a command imports late', () => {
    const { status, stderr } = frostline('report', '/nowhere');
    expect(stderr).toContain('/nowhere/results.json cannot be read');
    expect(status).toBe(2);
  });

  // Its processes run compiled files, which tests from the sources have not.
  it('bench peers times ours without any peer, and names those that are missing with how to get them', () => {
    const args = ['--networks', 'alexnet-small', '--filter', 'conv3 forward', '--only', 'jax-js', '--quick', '--json'];
    const { status, stdout, stderr } = frostline('bench', 'peers', ...args);
    expect(status).toBe(0);
    const { rows, missing } = JSON.parse(stdout);
    expect(rows[0].outcomes.frostline).toMatchObject({ status: 'timed', error: 0 });
    if (missing.length === 0) return; // installed where the tests run
    expect(missing[0]).toMatchObject({
      name: 'jax-js',
      reason: expect.stringContaining('--ignore-scripts @jax-js/jax'),
    });
    expect(stderr).toContain(`without jax-js: ${missing[0].reason}`);
    expect(Object.keys(rows[0].outcomes)).toEqual(['frostline']);
  });

  it('loads neither zod nor a command for the global help', () => {
    // Node's coverage lists every script that was loaded.
    const folder = mkdtempSync(join(tmpdir(), 'frostline-loaded-'));
    try {
      const env = { ...process.env, NODE_V8_COVERAGE: folder };
      const { stdout } = spawnSync(process.execPath, [main, '--help'], { encoding: 'utf8', env });
      expect(stdout).toContain('Usage: frostline COMMAND');
      const loaded = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
      expect(loaded.join('')).toContain('/dist/cli/main.js');
      expect(loaded.join('').match(/\/node_modules\/(zod|vega|yaml|webgpu)\/|\/cli\/commands\//)?.[0]).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('ends quietly when its reader goes away', async () => {
    const child = demo(
      `for (let i = 0; i < 100000; i++) context.print('x'.repeat(100)); await new Promise((r) => setTimeout(r, 5000));`,
    );
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [code] = await once(child, 'close');
    expect([code, stderr]).toEqual([0, '']);
  });

  it.skipIf(!existsSync('/dev/full'))('says so when its output cannot be written', () => {
    const full = openSync('/dev/full', 'w');
    const args = [main, 'metrics', '--confusion', '[[38,2],[3,7]]'];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/^frostline: cannot print the results: ENOSPC.*\n$/)]);
  });

  it('cleans up on Ctrl-C and exits with 130', async () => {
    const child = demo(`
      context.defer(async () => { await new Promise((r) => setTimeout(r, 50)); context.print('cleaned ' + context.signal.aborted); });
      context.print('ready');
      await new Promise((resolve, reject) => { context.signal.onabort = () => reject(new Error('aborted')); setTimeout(resolve, 10000); });`);
    let output = '';
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.stdout.on('data', (chunk) => {
      output += chunk;
      if (String(chunk).includes('ready')) child.kill('SIGINT');
    });
    const [code] = await once(child, 'close');
    expect([code, output]).toEqual([130, 'ready\ninterrupted; ending (once more to end at once)\ncleaned true\n']);
  });
});
