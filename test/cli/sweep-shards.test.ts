/** A grid in several processes from the command line: shards, their merge, a stop, and the scripts for Slurm. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { registry } from '../../src/cli/registry.ts';
import { slurmFiles } from '../../src/cli/slurm-files.ts';
import { rehearsalText } from '../../src/report/rehearsal.ts';
import { temporaryFolder, writeImage, writeTiny } from './models.ts';
import { collector, run } from './run.ts';

const at = temporaryFolder();

beforeAll(async () => {
  await writeTiny(at('tiny.onnx'));
  for (const [c, name] of ['boot', 'coat'].entries()) {
    mkdirSync(at(`shoes/${name}`), { recursive: true });
    for (let i = 0; i < 8; i++) await writeImage(at(`shoes/${name}/${i}.png`), 100 * c + i);
  }
});

const grid = [
  ...['--model', at('tiny.onnx'), '--data', at('shoes'), '--freeze', 'conv3,all', '--learning-rates', '0.01,0.02'],
  ...['--batch-size', '4', '--epochs', '2'],
];
const sweep = (out: string, ...args: string[]) => run(registry, 'sweep', ...grid, '--out', at(out), ...args);

/** What must not depend on which process ran a cell, and when. */
const scores = (stdout: string) => {
  const { cells, verdict } = JSON.parse(stdout);
  const kept = ({ folder, lossHistory, metrics }: Record<string, unknown>) => ({ folder, lossHistory, metrics });
  return { cells: cells.map(kept), verdict };
};

it.each([[[]], [['--json']]])('frostline sweep %j fails where every cell does', async (args) => {
  const options = ['--model', at('tiny.onnx'), '--data', at('shoes'), '--freeze', 'conv3,all', '--epochs', '1'];
  const rates = ['--learning-rates', '1e20', '--batch-size', '4'];
  const { code, stdout, stderr } = await run(
    registry,
    'sweep',
    ...options,
    ...rates,
    '--out',
    at(`failed${args}`),
    ...args,
  );
  expect([code, stderr]).toEqual([1, expect.stringContaining('Every cell failed or diverged.')]);
  if (args.length > 0) expect(JSON.parse(stdout).cells).toHaveLength(2);
});

describe('frostline sweep --shard and merge', () => {
  it('give what one process gives; a merge before all are there is refused', async () => {
    const first = await sweep('shards', '--shard', '2/2', '--json');
    expect([first.code, JSON.parse(first.stdout)]).toEqual([0, { missing: 2 }]);
    expect(first.stderr).toMatch(/2 cells of .*shards have no result yet: other shards run them/);
    expect(existsSync(at('shards/report.html'))).toBe(false);
    const early = await run(registry, 'merge', at('shards'));
    expect(early.code).toBe(2);
    expect(early.stderr).toMatch(/2 cells of .*shards have no result yet\. Wait for the shards/);

    const last = await sweep('shards', '--shard', '1/2', '--json');
    const whole = await sweep('whole', '--json');
    expect([last.code, whole.code]).toEqual([0, 0]);
    expect(scores(last.stdout)).toEqual(scores(whole.stdout));
    expect(existsSync(at('shards/report.html'))).toBe(true);
    const table = (of: string) => readFileSync(at(`${of}/predictions.csv`), 'utf8');
    expect(table('shards')).toBe(table('whole'));
    const merged = await run(registry, 'merge', at('shards'), '--json');
    expect([merged.code, merged.code === 0 ? '' : merged.stderr]).toEqual([0, '']);
    expect(scores(merged.stdout)).toEqual(scores(whole.stdout));
  });

  it('merges the grid of a preset, some of whose settings were given', async () => {
    const args = ['--data', at('shoes'), '--freeze', 'all', '--splits', '1', '--repeats', '1', '--epochs', '1'];
    const swept = await run(registry, 'sweep', 'quickstart', ...args, '--out', at('preset'), '--json');
    expect([swept.code, swept.code === 0 ? '' : swept.stderr]).toEqual([0, '']);
    const merged = await run(registry, 'merge', at('preset'), '--json');
    expect([merged.code, merged.code === 0 ? '' : merged.stderr]).toEqual([0, '']);
    expect(scores(merged.stdout)).toEqual(scores(swept.stdout));
  });

  it('merges a grid of strategies, blocks and momenta, whose settings are more than texts and numbers', async () => {
    const args = [
      '--tune-only',
      'conv3',
      '--strategy',
      'direct,head-first=1',
      '--momentum',
      '0.9,0.5',
      '--epochs',
      '1',
    ];
    const swept = await sweep('strategies', ...args, '--json');
    expect([swept.code, swept.code === 0 ? '' : swept.stderr]).toEqual([0, '']);
    const merged = await run(registry, 'merge', at('strategies'), '--json');
    expect([merged.code, merged.code === 0 ? '' : merged.stderr]).toEqual([0, '']);
    expect(scores(merged.stdout)).toEqual(scores(swept.stdout));
    // A run's folder has a config.json, too.
    writeFileSync(at('strategies/config.json'), JSON.stringify({ settings: { freeze: 'none' }, fingerprints: {} }));
    const ofRun = await run(registry, 'merge', at('strategies'));
    expect([ofRun.code, ofRun.stderr]).toEqual([
      2,
      expect.stringMatching(/strategies: this is no grid\. Give the folder/),
    ]);
  });

  it.each([
    [['--shard', '3/2'], /expected 1\/2 to 2\/2/],
    [['--shard', '0/2'], /expected 1\/2 to 2\/2/],
    [['--shard', 'half'], /expected I\/N/],
    [['--shard', '1/2', '--merge'], /Give one of them/],
    [['--shard', '1/2', '--budget', '1'], /each process claims cells/],
    [['--budget', '1'], /there is none\. Give --validation-fraction/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await sweep('refused', ...args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
    expect(existsSync(at('refused'))).toBe(false);
  });
});

it('frostline sweep stops at a checkpoint with exit code 75, and goes on from there', async () => {
  const stopping = new AbortController();
  const { stream, text } = collector();
  const cells = at('stopped/cells');
  const watch = setInterval(() => {
    const steps = existsSync(cells) ? readdirSync(cells).map((cell) => `${cells}/${cell}/checkpoint.bin`) : [];
    if (steps.some((file) => existsSync(file))) stopping.abort();
  }, 1);
  const args = ['sweep', ...grid, '--epochs', '30', '--out', at('stopped')];
  const stop = { signal: stopping.signal, heeded: false };
  const code = await runProgram(args, registry, { stdout: stream, stderr: stream, stop });
  clearInterval(watch);
  expect([code, stop.heeded]).toEqual([75, true]);
  expect(text()).toMatch(/stopped after epoch \d+ of 30; the same command goes on there/);
  const { code: rest, stderr } = await run(registry, ...args);
  expect(rest).toBe(0);
  expect(stderr).toMatch(/cell \d goes on after step \d+/);
});

it('frostline sweep --dry-run tells cells and times, and writes nothing', async () => {
  const { code, stdout } = await sweep('dry', '--dry-run');
  expect(code).toBe(0);
  expect(stdout).toMatch(/4 cells, 24 steps, .* multiply-adds, about/);
  expect(stdout).not.toMatch(/finished before|left to other shards|want of memory|after each rung/);
  expect(existsSync(at('dry'))).toBe(false);
});

it('frostline sweep --dry-run leaves out what is finished, or of other shards', async () => {
  const first = await sweep('left', '--shard', '1/4');
  expect([first.code, first.code === 0 ? '' : first.stderr]).toEqual([0, '']);
  const { code, stdout } = await sweep('left', '--shard', '2/2', '--dry-run');
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/2 cells, 12 steps, .*\n.*\n.*\n1 cell of the grid finished before/),
  ]);
  expect(stdout).toContain('1 cell left to other shards');
  const told = await sweep('left', '--dry-run', '--json');
  expect(JSON.parse(told.stdout)).toMatchObject({ steps: [6, 6, 6], finished: 1, elsewhere: 0, unkept: { cells: 0 } });
  const halved = ['--budget', '1', '--validation-fraction', '0.3', '--epochs', '2'];
  const { stdout: half } = await sweep('halved', ...halved, '--dry-run');
  expect(half).toContain('after each rung, a cell counts by the share of points and rates that goes on');
});

it('says what comes of features that are too many', () => {
  const rehearsal = {
    ...{
      cells: [],
      finished: 0,
      elsewhere: 0,
      steps: [6],
      multiplyAdds: [5e9],
      work: 5e9,
      halved: false,
      seconds: [3],
    },
    unkept: { cells: 2, multiplyAdds: 3e9 },
  };
  expect(rehearsalText(rehearsal)).toMatch(/3\.00 G of it, in 2 cells, for want of memory/);
});

describe('frostline slurm', () => {
  it('writes scripts that the shell takes, with the options in a file', async () => {
    const args = ['--shards', '3', '--jobs', at('jobs'), '--job-name', 'deep', '--sbatch=--gres=gpu:1'];
    const { code, stderr } = await run(registry, 'slurm', ...grid, '--out', at("it's"), ...args);
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    const text = (name: string) => readFileSync(at(`jobs/${name}`), 'utf8');
    for (const name of ['shards.sbatch', 'merge.sbatch', 'submit.sh']) {
      expect(spawnSync('bash', ['-n', at(`jobs/${name}`)]).status, name).toBe(0);
    }
    expect(text('shards.sbatch')).toMatch(/^#SBATCH --job-name=deep --array=1-3 /m);
    expect(text('shards.sbatch')).toMatch(/^#SBATCH --gres=gpu:1$/m);
    expect(text('merge.sbatch')).toContain("it'\\''s'");
    expect(JSON.parse(text('sweep.json'))).toMatchObject({ learningRates: [0.01, 0.02], epochs: 2 });
    const refused = await run(
      registry,
      'slurm',
      ...grid,
      '--shards',
      '3',
      '--jobs',
      at('no-jobs'),
      '--printed',
      at('nix'),
    );
    expect([refused.code, existsSync(at('no-jobs'))]).toEqual([2, false]);
    const swept = await run(registry, 'sweep', '--config', at('jobs/sweep.json'), '--shard', '1/3', '--dry-run');
    expect([swept.code, swept.code === 0 ? '' : swept.stderr]).toEqual([0, '']);
  });

  it.each([
    [75, 0, true],
    [0, 0, false],
    [3, 3, false],
  ])('a task whose sweep is told to stop and ends with %i ends with %i', async (code, expected, requeued) => {
    const folder = at(`task-${code}`);
    mkdirSync(folder);
    const script = (name: string, body: string) => {
      writeFileSync(`${folder}/${name}`, `#!/bin/bash\n${body}\n`);
      chmodSync(`${folder}/${name}`, 0o755);
    };
    script('scontrol', `echo "$@" > ${folder}/requeued`);
    // Takes its time after the signal, as an epoch does.
    script(
      'frostline',
      `trap 'sleep 0.3; exit ${code}' USR1\necho "$@" > ${folder}/begun\nwhile true; do sleep 0.05; done`,
    );
    const job = { settings: {}, out: `${folder}/out`, folder, cwd: folder, shards: 4, jobName: 'job', time: 10 };
    const files = slurmFiles({ ...job, program: [`${folder}/frostline`], sbatch: [] });
    script('task', files['shards.sbatch']);
    const slurm = { SLURM_ARRAY_TASK_ID: '2', SLURM_ARRAY_JOB_ID: '17' };
    const env = { ...process.env, ...slurm, PATH: `${folder}:${process.env['PATH']}` };
    const task = spawn('bash', [`${folder}/task`], { env, stdio: 'ignore' });
    const ended = once(task, 'exit');
    await vi.waitFor(() => expect(readFileSync(`${folder}/begun`, 'utf8')).toMatch(/\n/), 5000);
    task.kill('SIGUSR1');
    expect((await ended)[0]).toBe(expected);
    expect(readFileSync(`${folder}/begun`, 'utf8')).toBe(`sweep --config ${folder}/sweep.json --shard 2/4\n`);
    const told = existsSync(`${folder}/requeued`) ? readFileSync(`${folder}/requeued`, 'utf8') : '';
    expect(told).toBe(requeued ? 'requeue 17_2\n' : '');
  });
});
