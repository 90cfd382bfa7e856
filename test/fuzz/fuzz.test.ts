/**
 * The readers of files against mutated inputs: each is read or refused in words, within 10 s and 1 GB, whatever it is.
 * `npm run fuzz` runs longer and prints what was tried; see scripts/fuzz.mjs.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/random.ts';
import { testSeed } from '../support/gpu.ts';
import { mutated } from './mutate.mjs';
import { writeSeeds } from './seeds.ts';
import { targets } from './targets.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-fuzz-'));
const formats = await writeSeeds(folder);
const wanted = process.env['FROSTLINE_FUZZ_FORMATS']?.split(',') ?? formats;
/** Of each format, whichever ends first. */
const count = Number(process.env['FROSTLINE_FUZZ_COUNT'] ?? 100);
const seconds = Number(process.env['FROSTLINE_FUZZ_SECONDS'] ?? 5);
const table = process.env['FROSTLINE_FUZZ_TABLE'];
const BATCH = 100;
const LONGEST = 10_000;

interface Answer {
  readonly read: number;
  readonly refused: number;
  readonly seconds: number;
  readonly kilobytes: number;
  readonly faults: readonly { readonly index: number; readonly fault: string }[];
}
interface Range {
  readonly format: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

/** A process that reads, begun anew where it ended or was ended. */
class Reader {
  private child: ChildProcess | undefined;

  /** What a range did; why there is no answer, where a process was lost over it. */
  async ask(range: Range): Promise<Answer | string> {
    this.child ??= await this.begin();
    const { child } = this;
    return await new Promise((resolve) => {
      const lost = (why: string) => {
        clearTimeout(timer);
        child.removeAllListeners();
        child.kill('SIGKILL');
        this.child = undefined;
        resolve(why);
      };
      // Each input may take its time, but few take any.
      const timer = setTimeout(
        () => lost(`took more than ${LONGEST / 1000} s`),
        LONGEST + 50 * (range.to - range.from),
      );
      child.once('exit', (code, signal) => lost(`ended the process (${signal ?? code})`));
      child.once('message', (answer: Answer) => {
        clearTimeout(timer);
        child.removeAllListeners();
        // What was taken is not given back: the next ones would not be seen.
        if (answer.kilobytes > 900_000) this.end();
        resolve(answer);
      });
      child.send(range);
    });
  }

  end(): void {
    this.child?.kill('SIGKILL');
    this.child = undefined;
  }

  private async begin(): Promise<ChildProcess> {
    const child = fork(path.join(root, 'test/fuzz/worker.mjs'), [folder], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // None of the test runner's own.
      execArgv: [],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the process that reads ended with ${code}`)));
    });
    child.removeAllListeners();
    return child;
  }
}

const reader = new Reader();

/** Reads until count or time is reached. */
async function fuzz(format: string, seed: number) {
  const total = { read: 0, refused: 0, seconds: 0, kilobytes: 0, faults: [] as string[] };
  const until = performance.now() + 1000 * seconds;
  const say = (index: number, fault: string) =>
    total.faults.push(`${format}, input ${index} of FROSTLINE_TEST_SEED=${seed}: ${fault}`);
  const add = ({ faults, ...answer }: Answer) => {
    total.read += answer.read;
    total.refused += answer.refused;
    total.seconds = Math.max(total.seconds, answer.seconds);
    total.kilobytes = Math.max(total.kilobytes, answer.kilobytes);
    for (const { index, fault } of faults) say(index, fault);
  };
  for (let from = 0; from < count && performance.now() < until && total.faults.length < 20; from += BATCH) {
    const to = Math.min(from + BATCH, count);
    const answer = await reader.ask({ format, seed, from, to });
    if (typeof answer !== 'string') {
      add(answer);
      continue;
    }
    // One of them did it: each by itself.
    let found = false;
    for (let index = from; index < to && !found; index++) {
      const one = await reader.ask({ format, seed, from: index, to: index + 1 });
      found = typeof one === 'string';
      if (typeof one === 'string') say(index, one);
      else add(one);
    }
    // Slow ones after each other are none.
    if (!found && !answer.startsWith('took')) say(from, `${answer}, with the inputs up to ${to} after each other`);
  }
  // The most memory of the next format is its own.
  if (table !== undefined) reader.end();
  return total;
}

beforeAll(() => {
  const compiler = `${root}node_modules/typescript/bin/tsc`;
  const build = spawnSync(process.execPath, [compiler, '-p', `${root}tsconfig.build.json`], { encoding: 'utf8' });
  expect(build.stdout + build.stderr).toBe('');
}, 600_000);
afterAll(() => {
  reader.end();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('files of any content', () => {
  it('have seeds that are read as they are', async () => {
    expect(Object.keys(targets).sort()).toEqual([...formats].sort());
    for (const format of wanted) {
      const { open } = targets[format];
      const read = await open(path.join(folder, `${format}-sound`));
      for (const name of fs.readdirSync(path.join(folder, format)))
        await expect(
          Promise.resolve(read(fs.readFileSync(path.join(folder, format, name)))),
          `${format} ${name}`,
        ).resolves.not.toThrow();
    }
  });

  it('are drawn again by their seed, and are not all alike', () => {
    const seeds = [Buffer.from('file,label\na.png,cat\n')];
    const draw = (index: number) => mutated(new Random(testSeed, index), seeds, targets.csv).toString('latin1');
    const all = Array.from({ length: 200 }, (_, i) => draw(i));
    expect(all.map((_, i) => draw(i))).toEqual(all);
    expect(new Set(all).size).toBeGreaterThan(150);
  });

  it.each(wanted)(
    '%s: read, or refused in words',
    async (format) => {
      const { faults, ...total } = await fuzz(format, testSeed);
      if (table !== undefined)
        fs.appendFileSync(table, `${JSON.stringify({ format, seed: testSeed, ...total, faults })}\n`);
      expect(faults).toEqual([]);
      expect(total.read + total.refused).toBeGreaterThan(0);
    },
    1000 * seconds + 600_000,
  );
});
