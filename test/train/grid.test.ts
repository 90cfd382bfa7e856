/** The grid on a narrow network and random images: what is written, resumed, marked and refused. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { FrostlineError } from '../../src/errors.ts';
import { gatherRuns } from '../../src/statistics/runs.ts';
import { parsePredictions } from '../../src/statistics/table.ts';
import { verdictOf } from '../../src/statistics/verdict.ts';
import { StoppedError } from '../../src/train/checkpoint.ts';
import type { Experiment } from '../../src/train/experiment.ts';
import { runGrid } from '../../src/train/grid.ts';
import type { GridHooks } from '../../src/train/grid-hooks.ts';
import type { GridPlan } from '../../src/train/plan.ts';
import { rehearseGrid } from '../../src/train/rehearsal.ts';
import { type CellResult, pointName } from '../../src/train/results.ts';
import { chooseRates } from '../../src/train/select.ts';
import { useGpu } from '../support/gpu.ts';
import { divided, experiment, images, plan } from '../support/narrow-experiment.ts';

describe('the grid', () => {
  const gpu = useGpu();
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'frostline-grid-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('runs every cell, writes its files, and does not run a finished one again', async () => {
    const out = join(folder, 'a');
    const first = await runGrid(gpu(), experiment, plan, { a: 1 }, out);
    expect(first.cells.map(({ status, steps }) => [status, steps])).toEqual([
      ['done', 8],
      ['done', 8],
      ['done', 8],
    ]);
    const cells = await readdir(join(out, 'cells'));
    expect(cells.length).toBe(3);
    for (const cell of cells) {
      expect((await readdir(join(out, 'cells', cell))).sort()).toEqual([
        'history.jsonl',
        'predictions.csv',
        'result.json',
      ]);
    }
    const predictions = await readFile(join(out, 'cells', cells[0], 'predictions.csv'), 'utf8');
    expect(predictions.split('\n')[0]).toBe('sample,label,prediction,dark,bright');
    expect(predictions.split('\n')[1]).toMatch(/^"image ""0""",dark,(dark|bright),0\.\d+,0\.\d+$/);

    const skipped: number[] = [];
    const begun: number[] = [];
    const second = await runGrid(gpu(), experiment, plan, { a: 1 }, out, {
      onSkip: (index) => skipped.push(index),
      onBegin: (index) => begun.push(index),
    });
    expect([skipped, begun]).toEqual([[0, 1, 2], []]);
    expect(second.cells).toEqual(first.cells);
  });

  it('names the adapter that a finished cell ran on, not the present one', async () => {
    const out = join(folder, 'a');
    const file = join(out, 'cells', 'none_rate-0.002_split-1_seed-1', 'result.json');
    const saved = await readFile(file, 'utf8');
    const other = { name: 'another', driver: '', kind: 'hardware' };
    await writeFile(file, JSON.stringify({ ...JSON.parse(saved), adapter: other }));
    const { adapters } = await runGrid(gpu(), experiment, plan, { a: 1 }, out);
    expect(adapters.map(({ name }) => name)).toEqual(['another', gpu().name]);
    await writeFile(file, saved);
  });

  it('gives the same bits in another folder', async () => {
    const again = await runGrid(gpu(), experiment, plan, { a: 1 }, join(folder, 'b'));
    const before = await runGrid(gpu(), experiment, plan, { a: 1 }, join(folder, 'a'));
    expect(again.cells.map(({ lossHistory }) => lossHistory)).toEqual(
      before.cells.map(({ lossHistory }) => lossHistory),
    );
  });

  it('goes on where it was stopped', async () => {
    const out = join(folder, 'c');
    const abort = new AbortController();
    const run = runGrid(gpu(), experiment, plan, { a: 1 }, out, {
      signal: abort.signal,
      onBegin: (index) => {
        if (index === 1) abort.abort();
      },
    });
    await expect(run).rejects.toThrow(/abort/i);
    const begun: number[] = [];
    await runGrid(gpu(), experiment, plan, { a: 1 }, out, { onBegin: (index) => begun.push(index) });
    expect(begun).toEqual([1, 2]);
  });

  it('refuses a folder of another configuration, and names what differs', async () => {
    await expect(runGrid(gpu(), experiment, plan, { a: 2 }, join(folder, 'a'))).rejects.toThrow(
      /another configuration \(different: a\)/,
    );
    await expect(
      runGrid(gpu(), { ...experiment, fingerprints: { data: 'other' } }, plan, { a: 1 }, join(folder, 'a')),
    ).rejects.toThrow(/another configuration \(different: data\)/);
  });

  it.each([
    ['epochs', { fit: { ...plan.fit, epochs: 3 } }],
    ['weightDecay', { fit: { ...plan.fit, weightDecay: 0 } }],
    ['augment', { fit: { ...plan.fit, augment: augmentPresets.none } }],
    ['optimizer', { fit: { ...plan.fit, optimizer: 'adam' } }],
    ['momentum', { momenta: [0.5] }],
    ['newLayerFactor', { newLayerFactor: 5 }],
    ['layerDecay', { layerDecay: 0.5 }],
    ['sensitivity', { sensitivity: 0.5 }],
  ] as const)(
    'takes no cell for one of a plan with another %s, though the settings are the same',
    async (name, own) => {
      await expect(runGrid(gpu(), experiment, { ...plan, ...own }, { a: 1 }, join(folder, 'a'))).rejects.toThrow(
        `another configuration (different: ${name}). Give another --out`,
      );
    },
  );

  it('takes a plan for the same in whatever order it says the same', async () => {
    const fit = Object.fromEntries(Object.entries(plan.fit).toReversed()) as GridPlan['fit'];
    const begun: number[] = [];
    const turned = { ...plan, fit, layerDecay: undefined };
    await runGrid(gpu(), experiment, turned, { a: 1 }, join(folder, 'a'), { onBegin: (index) => begun.push(index) });
    expect(begun).toEqual([]);
  });

  it('grows: further rates, points and repeats run alone', async () => {
    const begun: string[] = [];
    const larger = { ...plan, learningRates: [0.002, 0.004], freeze: ['none', 10, 'all', 2], seeds: [1, 2] };
    const { cells } = await runGrid(gpu(), experiment, larger, { a: 1, repeats: 2, data: 'moved' }, join(folder, 'b'), {
      onBegin: () => begun.push('cell'),
    });
    expect([cells.length, begun.length]).toEqual([16, 13]);
    const { settings } = JSON.parse(await readFile(join(folder, 'b', 'config.json'), 'utf8'));
    expect(settings).toEqual({ a: 1, repeats: 2, data: 'moved' });
  });

  it('runs every split, chooses rates on the validation part, and judges all in one table', async () => {
    const out = join(folder, 'e');
    const several = { ...plan, learningRates: [0.002, 0.004], select: 'validation' as const };
    const { cells, verdict, leftOut } = await runGrid(gpu(), divided, several, { e: 1 }, out);
    expect(cells.map(({ split }) => split).join('')).toBe('111111222222');
    for (const { validation, folder: at } of cells) {
      expect(validation!.metrics.total).toBe(8);
      expect(at).toMatch(/^cells\/(none|10-conv3|20-fc7)_rate-0\.00[24]_split-[12]_seed-1$/);
    }
    expect(leftOut).toEqual([]);
    expect(verdict!.counts).toMatchObject({ splits: 2, runs: 2 });
    expect(verdict!.points.map(({ point }) => point)).toEqual(['none', 'conv3', 'fc7']);

    const { rows } = parsePredictions(await readFile(join(out, 'predictions.csv'), 'utf8'), 'predictions.csv');
    expect(rows.length).toBe(3 * 2 * 12);
    expect(verdictOf(gatherRuns(rows))).toEqual(verdict);
    expect(JSON.parse(await readFile(join(out, 'verdict.json'), 'utf8'))).toMatchObject({ best: verdict!.best });

    // Each chosen cell has the highest F1 of its point and split on the validation part, whatever the test part says.
    const chosen = chooseRates(cells, 'validation').cells;
    expect(chosen.length).toBe(6);
    for (const cell of chosen) {
      const rivals = cells.filter(({ freeze, split }) => freeze.number === cell.freeze.number && split === cell.split);
      expect(cell.validation!.metrics.f1).toBe(Math.max(...rivals.map(({ validation }) => validation!.metrics.f1)));
    }
  });

  it('tries momenta side by side, each to the bits of a grid of its own, and tells them apart', async () => {
    const short = { ...plan, freeze: [10, 'all'] };
    const both = { ...short, momenta: [0.9, 0.5], logits: true };
    const { cells, verdict } = await runGrid(gpu(), experiment, both, { m: 1 }, join(folder, 'momenta'));
    expect(cells.map(({ folder, momentum }) => [folder!.split('_')[2], momentum])).toEqual([
      ['momentum-0.9', 0.9],
      ['momentum-0.5', 0.5],
      ['momentum-0.9', 0.9],
      ['momentum-0.5', 0.5],
    ]);
    for (const momentum of [0.9, 0.5]) {
      const alone = { ...short, fit: { ...short.fit, momentum } };
      const own = await runGrid(gpu(), experiment, alone, { m: momentum }, join(folder, `momentum-${momentum}`));
      expect(own.cells.map(({ folder }) => folder)).toEqual([
        'cells/10-conv3_rate-0.002_split-1_seed-1',
        'cells/20-fc7_rate-0.002_split-1_seed-1',
      ]);
      const ofThis = cells.filter((cell) => cell.momentum === momentum);
      expect(own.cells.map(({ lossHistory }) => lossHistory)).toEqual(ofThis.map(({ lossHistory }) => lossHistory));
      // Asking for logits moves no bit of the probabilities; and these are the softmax of those.
      for (const [i, cell] of ofThis.entries()) {
        const read = (of: string, at: string, name: string) => readFile(join(folder, of, at, name), 'utf8');
        const table = await read('momenta', cell.folder!, 'predictions.csv');
        expect(table).toBe(await read(`momentum-${momentum}`, own.cells[i].folder!, 'predictions.csv'));
        const values = (text: string, from: number) =>
          text
            .trim()
            .split('\n')
            .slice(1)
            .map((line) => line.split(',').slice(from).map(Number));
        const logits = values(await read('momenta', cell.folder!, 'logits.csv'), 2);
        const probabilities = values(table, 3);
        expect(logits.length).toBe(12);
        logits.forEach(([dark, bright], row) => {
          expect(probabilities[row][1]).toBeCloseTo(1 / (1 + Math.exp(dark - bright)), 5);
        });
      }
    }
    // Each point once, at the better of its momenta.
    expect(chooseRates(cells, 'test').cells.length).toBe(2);
    expect(verdict!.points.map(({ point }) => point)).toEqual(['conv3', 'fc7']);
    const table = await readFile(join(folder, 'momenta', 'predictions.csv'), 'utf8');
    expect(table.split('\n')[0]).toContain('rate,new_layer_rate,momentum,chosen');
  });

  it('runs a file of phases anew that was edited under its name', async () => {
    const phases = (epochs: number): GridPlan => ({
      ...{ ...plan, freeze: ['all'] },
      strategies: [{ kind: 'phases', name: 'mine', phases: [{ train: ['new'], epochs }] }],
    });
    const out = join(folder, 'edited');
    const steps = async (epochs: number) =>
      (await runGrid(gpu(), experiment, phases(epochs), { a: 1 }, out)).cells.map((cell) => cell.steps);
    expect(await steps(1)).toEqual([4]);
    expect(await steps(2)).toEqual([8]);
    expect(await steps(1)).toEqual([4]);
    expect((await readdir(join(out, 'cells'))).length).toBe(2);
  });

  it.each([
    [{ select: 'val' }, "select is 'val'. Give 'validation' or 'test'."],
    [{ keep: 'bst' }, "keep is 'bst'. Give 'best' or 'all'."],
    [{ learningRate: [0.1] }, "a grid's plan has no option 'learningRate'. It has title, freeze"],
    [{ fit: { ...plan.fit, lerningRate: 1 } }, "a grid's fit has no option 'lerningRate'."],
    [{ fit: { ...plan.fit, epochs: 1.5 } }, "a grid's fit: epochs is 1.5. Give a whole number of 1 or more."],
    [{ fit: undefined }, "a grid's plan: fit is undefined. Give an object."],
    [{ freeze: 'fc7' }, "freeze is 'fc7'. Give a list of points"],
    [{ learningRates: 0.001 }, 'learningRates is 0.001. Give a list of numbers above 0.'],
    [{ strategies: [{ kind: 'gradul' }] }, 'strategies is Array of length 1. Give a list of strategies'],
    [{ layerDecay: -1 }, 'layerDecay is -1. Give a number above 0, at most 1.'],
    [{ learningRates: [] }, 'has no cells: learningRates and allFrozenRates are empty. Give a rate'],
    [{ seeds: [] }, 'has no cells: seeds is empty. Give one or more, such as [1].'],
    [{ momenta: [] }, 'has no cells: momenta is empty.'],
    [{ strategies: [] }, 'has no cells: strategies is empty.'],
    [{ freeze: [] }, "has no cells: freeze and tuneOnly are empty. Give a point, such as freeze: ['none']."],
  ])('refuses a plan with %o', async (own, words) => {
    const wrong = { ...plan, ...own } as GridPlan;
    const error = await runGrid(gpu(), experiment, wrong, { w: 1 }, join(folder, 'w')).catch((reason) => reason);
    expect(error).toBeInstanceOf(FrostlineError);
    expect(error.message).toContain(words);
    expect(existsSync(join(folder, 'w'))).toBe(false);
  });

  it('refuses to choose among rates with nothing to choose on', async () => {
    const blind = { ...plan, learningRates: [0.002, 0.004], select: 'validation' as const };
    await expect(runGrid(gpu(), experiment, blind, { f: 1 }, join(folder, 'f'))).rejects.toThrow(
      /--validation-fraction 0.2, or, as the paper did, --select test/,
    );
  });

  it('leaves a point out of the verdict that failed at every rate, and says why', async () => {
    const broken = { ...plan, freeze: ['none', 'all'], learningRates: [1e30] };
    const { verdict, leftOut } = await runGrid(gpu(), experiment, broken, { g: 1 }, join(folder, 'g'));
    expect(verdict).toBeUndefined();
    expect(leftOut).toContainEqual({ point: 'none', why: '1 of 1 runs failed, at least one at each rate' });
  });

  it('marks a cell whose loss is not finite with its step and layer, and goes on', async () => {
    const diverging = { ...plan, freeze: ['none'], learningRates: [1e30, 0.002] };
    const { cells } = await runGrid(gpu(), experiment, diverging, { d: 1 }, join(folder, 'd'));
    expect(cells.map(({ status }) => status)).toEqual(['failed', 'done']);
    expect(cells[0].error).toMatch(/The loss is (NaN|Infinity) at step \d+; the first layer that is not finite is \w+/);
  });

  it('is shared by two runs at once, and no cell is run twice', async () => {
    const out = join(folder, 'shared');
    const begun: number[] = [];
    const hooks = { onBegin: (index: number) => begun.push(index) };
    const [one, other] = await Promise.all([
      runGrid(gpu(), experiment, plan, { a: 1 }, out, hooks),
      runGrid(gpu(), experiment, plan, { a: 1 }, out, hooks),
    ]);
    expect(begun.sort()).toEqual([0, 1, 2]);
    expect(other.cells).toEqual(one.cells);
    for (const cell of await readdir(join(out, 'cells'))) {
      expect((await readdir(join(out, 'cells', cell))).sort()).toEqual([
        'history.jsonl',
        'predictions.csv',
        'result.json',
      ]);
    }
  });

  it('takes one of two configurations that come at once, and refuses the other', async () => {
    const out = join(folder, 'raced');
    const ended = await Promise.allSettled(
      [1, 2].map((a) => runGrid(gpu(), experiment, { ...plan, freeze: ['all'] }, { a }, out)),
    );
    expect(ended.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const refused = ended.find((end) => end.status === 'rejected');
    expect(refused!.reason.message).toMatch(/another configuration \(different: a\)/);
  });

  it("does not take another configuration's cell for its own where config.json was deleted", async () => {
    const out = join(folder, 'orphaned');
    const short = { ...plan, freeze: ['all'] };
    await runGrid(gpu(), experiment, short, { a: 1 }, out);
    await rm(join(out, 'config.json'));
    await expect(runGrid(gpu(), experiment, short, { a: 2 }, out)).rejects.toThrow(
      /result\.json was made by another configuration/,
    );
    await expect(readFile(join(out, 'config.json'))).rejects.toThrow(/ENOENT/);
    expect((await runGrid(gpu(), experiment, short, { a: 1 }, out)).cells.length).toBe(1);
  });

  it('writes nothing where its folder was renamed meanwhile', async () => {
    const out = join(folder, 'renamed');
    const run = runGrid(gpu(), experiment, { ...plan, freeze: ['all'] }, { a: 1 }, out, {
      onBegin: () => renameSync(out, join(folder, 'elsewhere')),
    });
    await expect(run).rejects.toThrow(/is no longer the folder of this run: its config\.json is gone/);
    await expect(readdir(out)).rejects.toThrow(/ENOENT/);
  });
});

describe('a grid that stops and goes on', () => {
  const gpu = useGpu();
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'frostline-stop-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** What must not depend on how often a cell was stopped. */
  const bits = (cells: readonly CellResult[]) =>
    cells.map(({ lossHistory, metrics, finalLoss, steps }) => ({ lossHistory, metrics, finalLoss, steps }));
  const long = { ...plan, fit: { ...plan.fit, epochs: 3 } };

  it('goes on from the last epoch in the same bits, stopped or killed, and leaves no checkpoint', async () => {
    const whole = await runGrid(gpu(), experiment, long, { s: 1 }, join(folder, 'whole'));
    const out = join(folder, 'stopped');
    const stop = new AbortController();
    const stopped = runGrid(gpu(), experiment, long, { s: 1 }, out, {
      stop: stop.signal,
      onStep: () => stop.abort(),
    });
    await expect(stopped).rejects.toThrow('after epoch 1 of 3');
    const kill = new AbortController();
    const killed = runGrid(gpu(), experiment, long, { s: 1 }, out, {
      signal: kill.signal,
      // Within the third epoch: the second is saved.
      onStep: ({ epoch }) => epoch === 2 && kill.abort(),
    });
    await expect(killed).rejects.toThrow(/abort/i);
    const resumed: number[][] = [];
    const rest = await runGrid(gpu(), experiment, long, { s: 1 }, out, {
      onResume: (index, steps) => resumed.push([index, steps]),
    });
    expect(resumed).toEqual([[0, 8]]);
    expect(bits(rest.cells)).toEqual(bits(whole.cells));
    const files = await readdir(out, { recursive: true });
    expect(files.filter((file) => file.endsWith('checkpoint.bin'))).toEqual([]);
    const table = (of: string) => readFile(join(folder, of, 'predictions.csv'), 'utf8');
    expect(await table('stopped')).toBe(await table('whole'));
  });

  it('carries the best epoch of early stopping over a stop: the same bits, the same epoch kept', async () => {
    const stopping: GridPlan = {
      ...plan,
      freeze: ['none', 10],
      learningRates: [0.004],
      keep: 'all',
      fit: { ...plan.fit, epochs: 6, earlyStopping: 3 },
    };
    // Labels turned round: the longer the training, the worse the loss.
    const validation = { ...images(8, 3), labels: images(8, 3).labels.map((label) => 1 - label) };
    const one: Experiment = { ...experiment, validation, at: () => one };
    const whole = await runGrid(gpu(), one, stopping, { e: 1 }, join(folder, 'best-whole'));
    const since = whole.cells.map(({ epochs }) => epochs!.length - 1 - epochs!.findLastIndex(({ best }) => best));
    expect(since).toEqual([3, 3]);
    const out = join(folder, 'best-stopped');
    for (let i = 0; ; i++) {
      const stop = new AbortController();
      const hooks = { stop: stop.signal, onStep: () => stop.abort() };
      const result = await runGrid(gpu(), one, stopping, { e: 1 }, out, hooks).catch((error) => {
        if (!(error instanceof StoppedError)) throw error;
      });
      if (result === undefined) continue;
      expect(i).toBeGreaterThan(4);
      expect(bits(result.cells)).toEqual(bits(whole.cells));
      expect(result.cells.map(({ epochs }) => epochs)).toEqual(whole.cells.map(({ epochs }) => epochs));
      break;
    }
    for (const { folder: cell } of whole.cells) {
      const model = (of: string) => readFile(join(folder, of, cell!, 'model.onnx'));
      expect((await model('best-stopped')).equals(await model('best-whole'))).toBe(true);
    }
  });

  it("carries Adam's means and its count of updates over a stop: the same bits", async () => {
    const fit = { ...long.fit, optimizer: 'adam', labelSmoothing: 0.1, schedule: { kind: 'cosine' } } as const;
    const adam: GridPlan = { ...long, freeze: [10], fit };
    const whole = await runGrid(gpu(), experiment, adam, { o: 1 }, join(folder, 'adam-whole'));
    const out = join(folder, 'adam-stopped');
    for (const left of [2, 1]) {
      const stop = new AbortController();
      const hooks = { stop: stop.signal, onStep: () => stop.abort() };
      await expect(runGrid(gpu(), experiment, adam, { o: 1 }, out, hooks)).rejects.toThrow(`epoch ${3 - left} of 3`);
    }
    const rest = await runGrid(gpu(), experiment, adam, { o: 1 }, out);
    expect(bits(rest.cells)).toEqual(bits(whole.cells));
    const plain = await runGrid(gpu(), experiment, { ...long, freeze: [10] }, { o: 2 }, join(folder, 'sgd-whole'));
    expect(plain.cells[0].finalLoss).not.toBe(whole.cells[0].finalLoss);
  });

  it('trains points by several strategies, goes on between two phases, and judges each by its name', async () => {
    const phases = [{ train: ['new', 'conv1'], epochs: 1 }, { train: ['conv2'] }];
    const several: GridPlan = {
      ...plan,
      freeze: [6, 'all'],
      tuneOnly: [['conv3..conv4']],
      strategies: [{ kind: 'direct' }, { kind: 'head-first', epochs: 1 }, { kind: 'phases', name: 'mine', phases }],
      keep: 'all',
    };
    const whole = await runGrid(gpu(), experiment, several, { p: 1 }, join(folder, 'phases-whole'));
    expect(whole.cells.map(({ folder, steps }) => [folder!.split('_')[0], steps])).toEqual([
      ['cells/6-conv2', 8],
      ['cells/6-conv2-head-first-1', 12],
      ['cells/20-fc7', 8],
      ['cells/only-conv3..conv4', 8],
      ['cells/only-conv3..conv4-head-first-1', 12],
      [expect.stringMatching(/^cells\/phases-mine-[0-9a-f]{8}$/), 12],
    ]);
    const names = ['conv2', 'fc7', 'only conv3..conv4', 'phases mine', 'conv2, head first (1)'];
    expect(whole.freezePoints.map(pointName)).toEqual([...names, 'only conv3..conv4, head first (1)']);
    expect(new Set(whole.verdict!.points.map(({ point }) => point))).toEqual(
      new Set(whole.freezePoints.map(pointName)),
    );
    expect(whole.verdict!.sentence).not.toMatch(/freezing (less|more|through)/i);
    expect(whole.cells[1].phases!.map(({ from, epochs }) => [from, epochs])).toEqual([
      [0, 1],
      [1, 2],
    ]);
    // Of the head first and of the block both: what no phase trains.
    expect(whole.cells.map(({ frozen }) => frozen!.parameters)).toEqual([4, 4, 14, 10, 10, 10]);

    const out = join(folder, 'phases-stopped');
    let stops = 0;
    for (; ; stops++) {
      const stop = new AbortController();
      const hooks = { stop: stop.signal, onStep: () => stop.abort() };
      const rest = await runGrid(gpu(), experiment, several, { p: 1 }, out, hooks).catch((error) => {
        if (!(error instanceof StoppedError)) throw error;
      });
      if (rest === undefined) continue;
      expect(bits(rest.cells)).toEqual(bits(whole.cells));
      break;
    }
    // Once within each cell of two epochs, twice of three; and between two cells.
    expect(stops).toBeGreaterThan(9);
    for (const { folder: cell } of whole.cells) {
      const model = (of: string) => readFile(join(folder, of, cell!, 'model.onnx'));
      expect((await model('phases-stopped')).equals(await model('phases-whole'))).toBe(true);
    }
  });

  it('begins a cell anew whose checkpoint is damaged', async () => {
    const out = join(folder, 'damaged');
    const stop = new AbortController();
    const hooks = { stop: stop.signal, onStep: () => stop.abort() };
    await expect(runGrid(gpu(), experiment, long, { s: 1 }, out, hooks)).rejects.toThrow(StoppedError);
    const file = join(out, 'cells', 'none_rate-0.002_split-1_seed-1', 'checkpoint.bin');
    const bytes = await readFile(file);
    bytes[bytes.length - 5] ^= 1;
    await writeFile(file, bytes);
    const resumed: number[] = [];
    const { cells } = await runGrid(gpu(), experiment, long, { s: 1 }, out, { onResume: (i) => resumed.push(i) });
    expect(resumed).toEqual([]);
    expect(cells.map(({ steps }) => steps)).toEqual([12, 12, 12]);
  });

  it('leaves a cell that another process has taken over at its next checkpoint, and writes nothing there', async () => {
    const out = join(folder, 'overtaken');
    const cell = join(out, 'cells', '20-fc7_rate-0.002_split-1_seed-1');
    const another = { name: 'another', place: 'elsewhere', pid: 1, started: null, released: false };
    const short = { ...long, freeze: ['all'] };
    const stop = new AbortController();
    const epochs = new Set<number>();
    const run = runGrid(gpu(), experiment, short, { s: 1 }, out, {
      stop: stop.signal,
      onStep({ epoch }) {
        epochs.add(epoch);
        writeFileSync(join(cell, 'claim-99.json'), JSON.stringify(another));
      },
      onWait: () => stop.abort(),
    });
    await expect(run).rejects.toThrow('while other processes run what is left');
    expect([...epochs]).toEqual([0]);
    expect((await readdir(cell)).filter((name) => !name.startsWith('claim-'))).toEqual([]);
  });

  it('in shards gives what one process gives, to whichever ends last', async () => {
    const out = join(folder, 'shards');
    const shard = (own: number) => ({ only: (index: number) => index % 2 === own });
    expect(await runGrid(gpu(), experiment, plan, { a: 1 }, out, shard(1))).toBe(2);
    expect(await runGrid(gpu(), experiment, plan, { a: 1 }, out, { only: () => false })).toBe(2);
    const last = await runGrid(gpu(), experiment, plan, { a: 1 }, out, shard(0));
    const whole = await runGrid(gpu(), experiment, plan, { a: 1 }, join(folder, 'one'));
    if (typeof last === 'number') throw new Error(`${last} cells are missing`);
    expect(bits(last.cells)).toEqual(bits(whole.cells));
    expect(last.verdict).toEqual(whole.verdict);
    const merged = await runGrid(gpu(), experiment, plan, { a: 1 }, out, { only: () => false });
    expect(merged).toEqual({ ...last, startedAt: expect.any(String) });
  });

  it('reckons a grid without writing anything, and what is left of one', async () => {
    const out = join(folder, 'reckoned');
    const reckon = (hooks?: Pick<GridHooks, 'only'>) => rehearseGrid(gpu(), experiment, plan, { a: 1 }, out, hooks);
    const { cells, seconds, steps, work, multiplyAdds, unkept } = await reckon();
    expect(existsSync(out)).toBe(false);
    expect([cells.length, seconds.length, steps]).toEqual([3, 3, [8, 8, 8]]);
    expect(seconds.every((one) => Number.isFinite(one) && one > 0)).toBe(true);
    expect([work, unkept.cells]).toEqual([multiplyAdds.reduce((sum, one) => sum + one, 0), 0]);
    const shard = await reckon({ only: (index) => index > 0 });
    expect([shard.cells, shard.elsewhere]).toEqual([cells.slice(1), 1]);
    await runGrid(gpu(), experiment, plan, { a: 1 }, out, { only: (index) => index === 1 });
    const rest = await reckon();
    expect([rest.cells, rest.finished, rest.elsewhere]).toEqual([[cells[0], cells[2]], 1, 0]);
    // The second cell has left the third nothing of its frozen layers.
    expect(rest.multiplyAdds[1]).toBeGreaterThan(multiplyAdds[2]);
    await runGrid(gpu(), experiment, plan, { a: 1 }, out);
    expect(await reckon()).toMatchObject({ cells: [], finished: 3, work: 0 });
    await expect(rehearseGrid(gpu(), experiment, plan, { a: 2 }, out)).rejects.toThrow('another configuration');
  });
});
