/**
 * A process that reads mutated inputs: `node worker.mjs FOLDER`, where FOLDER has the seeds of each format. It is told
 * { format, seed, from, to } and answers with what those inputs did; input `i` of a seed is the same whoever draws it. The
 * parent kills it where an answer is too long in coming, and takes another where memory grew too far.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mutated } from './mutate.mjs';
import { targets } from './targets.mjs';

const { Random } = await import(new URL('../../dist/random.js', import.meta.url).href);
const { FrostlineError } = await import(new URL('../../dist/errors.js', import.meta.url).href);

const [, , folder] = process.argv;

const opened = new Map();

/** The reader of a format and its seeds; opened once. */
async function formatOf(format) {
  if (!opened.has(format)) {
    const seeds = readdirSync(join(folder, format))
      .sort()
      .map((name) => readFileSync(join(folder, format, name)));
    const target = targets[format];
    opened.set(format, { target, seeds, read: await target.open(join(folder, `${format}-${process.pid}`)) });
  }
  return opened.get(format);
}

const MOST_KILOBYTES = 1e6;

/** What an input did: 'read', 'refused', or what is a fault. */
async function outcome({ read, target }, bytes) {
  const before = process.resourceUsage().maxRSS;
  const started = performance.now();
  let fault;
  let kind = 'read';
  try {
    await read(bytes);
  } catch (error) {
    kind = 'refused';
    const isPlain = target.plainErrors && error?.constructor === Error;
    if (!(error instanceof FrostlineError) && !isPlain) fault = String(error?.stack ?? error);
  }
  const seconds = (performance.now() - started) / 1000;
  const after = process.resourceUsage().maxRSS;
  if (seconds > 10) fault ??= `took ${seconds.toFixed(1)} s`;
  if (after > MOST_KILOBYTES && after > before) fault ??= `took ${Math.round(after / 1000)} MB`;
  return { kind, seconds, fault, kilobytes: after };
}

process.on('message', async ({ format, seed, from, to }) => {
  const one = await formatOf(format);
  const answer = { read: 0, refused: 0, seconds: 0, kilobytes: 0, faults: [] };
  for (let i = from; i < to; i++) {
    const { kind, seconds, fault, kilobytes } = await outcome(one, mutated(new Random(seed, i), one.seeds, one.target));
    answer[kind]++;
    answer.seconds = Math.max(answer.seconds, seconds);
    answer.kilobytes = Math.max(answer.kilobytes, kilobytes);
    if (fault !== undefined) answer.faults.push({ index: i, fault });
  }
  process.send(answer);
});
process.send('ready');
