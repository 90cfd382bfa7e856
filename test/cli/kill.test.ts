/** A grid that is killed at random moments, in two processes on one folder, ends in the bytes of one that was left in peace. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { Random } from '../../src/random.ts';
import { temporaryFolder, writeImage, writeTiny } from './models.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const at = temporaryFolder();
const seed = Number(process.env['FROSTLINE_TEST_SEED'] ?? Date.now() % 2 ** 31);

beforeAll(async () => {
  const compiler = `${root}node_modules/typescript/bin/tsc`;
  const build = spawnSync(process.execPath, [compiler, '-p', `${root}tsconfig.build.json`], { encoding: 'utf8' });
  expect(build.stdout + build.stderr).toBe('');
  await writeTiny(at('tiny.onnx'));
  for (const [c, name] of ['boot', 'coat'].entries()) {
    mkdirSync(at(`shoes/${name}`), { recursive: true });
    for (let i = 0; i < 8; i++) await writeImage(at(`shoes/${name}/${i}.png`), 100 * c + i);
  }
});

const options = [
  ...[
    'sweep',
    '--model',
    at('tiny.onnx'),
    '--data',
    at('shoes'),
    '--freeze',
    'none,conv3,all',
    '--learning-rates',
    '0.01,0.02',
  ],
  ...['--batch-size', '4', '--epochs', '8', '--keep', 'none'],
];
const begin = (out: string): ChildProcess =>
  spawn(process.execPath, [`${root}dist/cli/main.js`, ...options, '--out', at(out)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });

/** Runs to the end; what it said, where that was no success. */
async function finish(child: ChildProcess): Promise<string> {
  let text = '';
  child.stderr!.on('data', (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, 'exit');
  return code === 0 ? '' : `exit ${code}: ${text}`;
}

/** What does not tell how long it took. */
function bytes(out: string): Record<string, string> {
  const files = readdirSync(at(out), { recursive: true, encoding: 'utf8' }).filter((file) =>
    /(predictions\.csv|verdict\.json)$/.test(file),
  );
  return Object.fromEntries(files.sort().map((file) => [file, readFileSync(at(`${out}/${file}`), 'utf8')]));
}

it('ends in the same bytes, and leaves nothing of those that were killed', { timeout: 240_000 }, async () => {
  expect(await finish(begin('whole'))).toBe('');
  const random = new Random(seed);
  const killed: (string | null)[] = [];
  for (let round = 0; round < 3; round++) {
    const children = [begin('killed'), begin('killed')];
    await Promise.all(
      children.map(async (child) => {
        const exit = once(child, 'exit');
        await Promise.race([exit, setTimeout(1200 + random.integer(1800))]);
        child.kill('SIGKILL');
        killed.push((await exit)[1]);
      }),
    );
  }
  const said = await Promise.all([begin('killed'), begin('killed')].map(finish));
  expect(said, `seed ${seed}`).toEqual(['', '']);
  expect(bytes('killed'), `seed ${seed}, ended by ${killed}`).toEqual(bytes('whole'));
  for (const cell of readdirSync(at('killed/cells'))) {
    const files = readdirSync(at(`killed/cells/${cell}`)).sort();
    expect(files, `${cell}, seed ${seed}`).toEqual(['history.jsonl', 'predictions.csv', 'result.json']);
  }
});
