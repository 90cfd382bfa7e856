/** `frostline bench` from the outside: its files, and what it refuses before it measures. Nothing passes by the clock. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { floorOf } from '../../src/bench/roofline.ts';
import { median } from '../../src/bench/statistics.ts';
import { registry } from '../../src/cli/registry.ts';
import { run } from './run.ts';

const few = ['--quick', '--networks', 'alexnet-small', '--batch', '2', '--samples', '1', '--seconds', '0.001'];
const filtered = (filter: string, ...args: string[]) =>
  run(registry, 'bench', 'kernels', ...few, '--filter', filter, ...args);
const kernels = (...args: string[]) => filtered('fc6,fc7', ...args);
const steps = (...args: string[]) => run(registry, 'bench', 'steps', ...few, '--no-first-step', ...args);

describe('frostline bench', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'frostline-bench-'));
    vi.stubEnv('FROSTLINE_TUNE', 'off');
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it('kernels: verified rows below ceilings of the same run, a page, and a file to compare with', async () => {
    const { code, stdout } = await kernels('--json', '--html', at('kernels.html'));
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.rows.length).toBeGreaterThan(2);
    for (const row of report.rows) {
      expect(row).toMatchObject({ network: 'alexnet-small', batch: 2, verdict: { passed: true } });
      expect(row.share).toBeCloseTo(floorOf(row, row.roofline) / row.timing.median, 10);
      expect(row.inStep).toEqual(expect.any(Array));
    }
    // The ceilings take turns with the rows: no two are the same to the last digit.
    for (const ceiling of ['gflops', 'gigabytes']) {
      const measured = report.rows.map(({ roofline }: { roofline: Record<string, number> }) => roofline[ceiling]);
      expect(new Set(measured).size).toBe(report.rows.length);
      expect(report.roofline[ceiling]).toBe(median(measured));
    }
    expect(readFileSync(at('kernels.html'), 'utf8')).toContain(`${report.rows.length} kernel runs`);
    expect(readFileSync(at('kernels.html'), 'utf8')).toMatch(/In a step.*(as timed|other kernels do it|with relu)/s);

    // Times of an hour and of a nanosecond are beyond any noise, one row is new, and one is of another run.
    const [first, second, , ...rest] = report.rows;
    const timed = (row: object, median: number) => ({ ...row, timing: { median, spread: 0, samples: 1 } });
    const old = [timed(first, 1e-6), timed(second, 3.6e6), { ...timed(second, 1), name: 'of another run' }, ...rest];
    writeFileSync(at('old.json'), JSON.stringify({ ...report, rows: old }));
    const compared = await kernels('--compare', at('old.json'));
    expect(compared.code).toBe(1);
    expect(compared.stderr).toContain(`slower: ${first.name}: 0.00000100 -> `);
    expect(compared.stdout).toContain(`faster: ${second.name}: 3600000 -> `);
    expect(compared.stdout).toContain(`${report.rows.length - 1} rows are in both files`);
    expect(compared.stdout).toContain(`not in the old file: ${report.rows[2].name}`);
    expect(compared.stdout).not.toContain('of another run');

    // Times of an algorithm that is forced are no times of what the estimates choose.
    expect(report).toMatchObject({ precision: 'f32', algorithm: null });
    const forced = await kernels('--algorithm', 'linear=vectors', '--compare', at('old.json'));
    expect([forced.code, forced.stderr]).toEqual([2, expect.stringContaining('with algorithm linear=vectors. Leave')]);

    // Rows of another command, or of every variant, are others.
    for (const other of [steps('--compare', at('old.json')), filtered('fc8', '--compare', at('old.json'))]) {
      const { code: refused, stdout: nothing, stderr } = await other;
      expect([refused, nothing]).toEqual([2, '']);
      expect(stderr).toMatch(/--compare .*old\.json: it has none of the rows measured here, .*Give a file of the same/);
    }
  });

  it("steps: a trace has an event for each of a step's dispatches, in turn, with what was run", async () => {
    const { code } = await steps('--filter', 'none', '--trace', at('trace.json'));
    expect(code).toBe(0);
    const { traceEvents } = JSON.parse(readFileSync(at('trace.json'), 'utf8'));
    const [named, ...events] = traceEvents;
    expect(named).toMatchObject({ ph: 'M', name: 'thread_name' });
    const planned = await run(registry, 'kernels', 'plan', '--network', 'alexnet-small', '--batch', '2', '--json');
    const { dispatches } = JSON.parse(planned.stdout);
    expect(events.map(({ args }: { args: { kernel: string } }) => args.kernel)).toEqual(
      dispatches.map(({ kernel }: { kernel: string }) => kernel),
    );
    let end = 0;
    for (const [i, { ph, tid, ts, dur, args }] of events.entries()) {
      expect([ph, tid]).toEqual(['X', named.tid]);
      expect(dur).toBeGreaterThanOrEqual(0);
      for (const rate of ['GFLOP/s', 'GB/s']) expect(args[rate] !== undefined).toBe(dur > 0);
      // Of one run: none begins before the one before has ended, but for what microseconds are rounded by.
      expect(ts).toBeGreaterThanOrEqual(end - 0.01);
      end = ts + dur;
      // What an update in the same pass reads and writes counts, as it does in the plan.
      if (dur > 0) expect(args['GB/s']).toBeCloseTo(dispatches[i].bytes / dur / 1e3, 6);
    }
  });

  it("kernels: one's own text is checked and timed beside ours, and refused by name", async () => {
    const { stdout: text } = await run(registry, 'kernels', 'show', 'relu/forward', '--variant', 'plain');
    const mine = (name: string, contents: string) => {
      writeFileSync(at(name), contents);
      return filtered('relu', '--kernel', at(name), '--json');
    };
    const right = await mine('right.wgsl', text);
    expect(right.code).toBe(0);
    const { rows } = JSON.parse(right.stdout);
    for (const { choice, own } of rows) {
      expect(choice.variant).toBe('plain');
      expect(own).toMatchObject({ verdict: { passed: true } });
      expect(own.timing.median).toBeGreaterThan(0);
    }
    const wrong = await mine('wrong.wgsl', text.replace('select(value, 0.0,', 'select(value, 1.0,'));
    expect([wrong.code, wrong.stderr]).toEqual([
      1,
      expect.stringMatching(/wrong\.wgsl is wrong, .* times the tolerance/),
    ]);
    // What is wrong is not said to be quick.
    for (const row of JSON.parse(wrong.stdout).rows) expect(Object.keys(row.own)).toEqual(['verdict']);
    const shown = await filtered('relu', '--kernel', at('wrong.wgsl'));
    expect(shown.stdout).toMatch(/WRONG/);
    expect(shown.stdout).not.toMatch(/ x +│/);
    for (const [contents, message] of [
      [text.replace('let value', 'let valu'), /--kernel .*broken\.wgsl: Kernel .*does not compile/],
      [text.replace('// relu', '// my'), /--kernel .*: its first lines do not name a kernel and a variant/],
      [
        text.replace('variant plain', 'variant plain: rows 7'),
        /rows 7 is no configuration of relu\/forward. Give --workgroups/,
      ],
    ] as const) {
      const { code, stderr } = await mine('broken.wgsl', contents);
      expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
    }
    // As many workgroups as were asked for: one leaves most of the output as it was.
    const few = await filtered('relu1', '--kernel', at('right.wgsl'), '--workgroups', '1');
    expect([few.code, few.stderr]).toEqual([1, expect.stringContaining('right.wgsl is wrong')]);
  });

  it('kernels: a second adapter in turn', async () => {
    const { code, stdout } = await kernels('--beside', 'auto', '--json');
    expect(code).toBe(0);
    const { beside, rows } = JSON.parse(stdout);
    expect(beside.name).not.toBe('');
    for (const row of rows) {
      expect(row.beside).toMatchObject({ verdict: { passed: true }, choice: row.choice });
      expect(Object.keys(row.beside).sort()).toEqual(['choice', 'timing', 'verdict']);
    }
    expect(beside).toMatchObject({ withoutTwin: [], onlyThere: [] });
    const { code: refused, stderr } = await kernels('--beside', 'auto', '--every-variant');
    expect([refused, stderr]).toEqual([2, expect.stringContaining('Leave out --every-variant and --kernel')]);
  });

  it('kernels: what a second adapter runs otherwise is named', async () => {
    const { code, stdout, stderr } = await filtered('conv2', '--beside', 'embedded', '--json');
    expect(code).toBe(0);
    const { beside, rows } = JSON.parse(stdout);
    const alone = rows.flatMap((row: { name: string; beside?: object }) => (row.beside ? [] : row.name));
    expect(beside.withoutTwin).toEqual(alone);
    expect(alone.length + beside.onlyThere.length).toBeGreaterThan(0);
    for (const name of alone) expect(stderr).toContain(`which runs other kernels: ${name}`);
    for (const name of beside.onlyThere) expect(stderr).toContain(`alone runs it: ${name}`);
  });

  it('kernels: every variant is a row of its own', async () => {
    const { code, stdout } = await kernels('--every-variant', '--json');
    expect(code).toBe(0);
    const names = JSON.parse(stdout).rows.map(({ name }: { name: string }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(3);
  });

  it('selection: layers with their choices, the same ones again, and nothing of operators that have none', async () => {
    const selection = (...args: string[]) =>
      run(registry, 'bench', 'selection', '--shapes', '2', '--gflop', '0.002', '--budget', '0.001', ...args);
    const { code, stdout, stderr } = await selection('--operators', 'conv2d', '--json');
    expect(code).toBe(0);
    expect(stderr).toContain('[2/2] conv2d 2: ');
    const report = JSON.parse(stdout);
    expect(report.drawn).toMatchObject({ operators: ['conv2d'], shapes: 2, seed: 1, gflop: 0.002 });
    expect(report.summary.layers).toBe(2);
    for (const { ratio, choices } of report.layers) {
      expect(ratio).toBeGreaterThanOrEqual(1);
      expect(choices.length).toBeGreaterThanOrEqual(2);
    }
    const one = await selection('--filter', 'conv2d 2:', '--estimates');
    expect(one.stdout).toContain(report.layers[1].name.split(',')[0]);
    expect(one.stdout).toMatch(/conv2d: [01] of 1 layers/);
    for (const [args, message] of [
      [['--operators', 'conv2d,relu'], /'relu' chooses among no algorithms. Give some of conv2d, linear/],
      [['--filter', 'conv9'], /--filter: no row's name has 'conv9' in it; there are conv2d 1: /],
      [['--stop-after', '0.000001'], /--stop-after: no layer was measured/],
    ] as const) {
      const refused = await selection(...args);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(message)]);
    }
  });

  it('steps: forward and training, bytes not below the least', async () => {
    const { code, stdout } = await steps('--filter', 'forward,none', '--json');
    expect(code).toBe(0);
    const { rows, targets } = JSON.parse(stdout);
    expect(rows.map(({ step }: { step: string }) => step)).toEqual(['forward', 'none']);
    for (const { bytes, leastBytes } of rows) expect(bytes).toBeGreaterThanOrEqual(leastBytes);
    expect(targets.length).toBe(5);
    const without = await steps('--filter', 'fc7', '--html', at('steps.html'));
    expect(without.code).toBe(0);
    expect(without.stderr).toMatch(/no time over share of the arithmetic: --filter leaves out 'frozen: none'/);
    expect(readFileSync(at('steps.html'), 'utf8')).toContain('frozen: fc7');
  });

  it.each([
    ['a filter that nothing has in its name', filtered, ['fc9'], /no row's name has 'fc9' in it; there are/],
    ['a page that is a folder', kernels, ['--html', tmpdir()], /--html .*: this is a folder\. Give a file's name/],
    ['a page below a file', steps, ['--html', `${import.meta.filename}/x.html`], /cannot write to .*: ENOTDIR/],
    ['a file that is none', steps, ['--compare', import.meta.filename], /--compare .*bench\.test\.ts: .*JSON/],
    ['a network that there is not', steps, ['--networks', 'resnet'], /--networks.*"resnet"; expected one of/],
  ])('refuses %s, before it measures', async (_, command, args, message) => {
    const { code, stdout, stderr } = await command(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^(ceilings|1 of)/m);
  });

  it('peers: a folder that is not there is no folder without peers', async () => {
    const peers = (...args: string[]) => run(registry, 'bench', 'peers', '--quick', ...args);
    const message = /there is no such folder. Give the one that 'npm install --prefix' put the peers in/;
    const given = await peers('--peers', at('nowhere'));
    expect([given.code, given.stderr]).toEqual([2, expect.stringMatching(message)]);
    expect(given.stderr).toContain(`--peers ${at('nowhere')}`);
    // Before a peer is looked for.
    const unknown = await peers('--algorithm', 'conv2d=foo');
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringMatching(/foo/)]);
    vi.stubEnv('FROSTLINE_PEERS', at('nowhere'));
    expect((await peers()).stderr).toMatch(/FROSTLINE_PEERS .*nowhere: there is no such folder/);
  });
});
