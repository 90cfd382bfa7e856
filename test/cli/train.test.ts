/** `frostline train` and `sweep` from the command line: what a run leaves, and what every mistake is told. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { registry } from '../../src/cli/registry.ts';
import { formatNpy } from '../../src/data/npy.ts';
import { Random } from '../../src/random.ts';
import { readPictures } from '../../src/report/pictures.ts';
import { temporaryFolder, tinyNetwork, writeImage, writeTiny } from './models.ts';
import { collector, run } from './run.ts';

const at = temporaryFolder();
const short = ['--batch-size', '4', '--epochs', '1', '--learning-rate', '0.01'];

beforeAll(async () => {
  await writeTiny(at('tiny.onnx'));
  await writeTiny(at('coats.onnx'), tinyNetwork(['coat', 'boot']));
  for (const [c, name] of ['boot', 'coat'].entries()) {
    mkdirSync(at(`shoes/${name}`), { recursive: true });
    for (let i = 0; i < 8; i++) await writeImage(at(`shoes/${name}/${i}.png`), 100 * c + i);
  }
  const random = new Random(5);
  const tensors = Float32Array.from({ length: 12 * 3 * 64 * 64 }, () => random.normal());
  writeFileSync(at('X.npy'), formatNpy({ type: 'f4', shape: [12, 3, 64, 64], data: tensors }));
  const labels = (name: string, value: (i: number) => number, count = 12) => {
    const data = Int32Array.from({ length: count }, (_, i) => value(i));
    writeFileSync(at(name), formatNpy({ type: 'i4', shape: [count], data }));
  };
  labels('Y.npy', (i) => i % 3);
  labels('Y-short.npy', (i) => i % 3, 11);
  labels('Y-beyond.npy', (i) => i % 5);
  labels('Y-one.npy', () => 0);
  mkdirSync(at('foreign'));
  writeFileSync(at('foreign/config.json'), 'port = 80');
});

const train = (out: string, ...args: string[]) =>
  run(registry, 'train', '--model', at('tiny.onnx'), ...short, ...args, '--out', at(out));

describe('frostline train', () => {
  it('leaves a whole run, whose exported model predicts what the run predicted', async () => {
    const { code, stdout, stderr } = await train(
      'run',
      ...['--data', at('shoes'), '--export', at('new/deep/out.onnx'), '--json', '--freeze', 'conv3'],
    );
    expect(stderr).toContain('adapter: ');
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ steps: 3, metrics: { total: 4 } });
    expect(readdirSync(at('run')).sort()).toEqual([
      'config.json',
      'environment.json',
      'history.jsonl',
      'metrics.json',
      'model.onnx',
      'predictions.csv',
      'split.json',
    ]);
    expect(readFileSync(at('new/deep/out.onnx')).equals(readFileSync(at('run/model.onnx')))).toBe(true);

    const rows = readFileSync(at('run/predictions.csv'), 'utf8').trim().split('\n').slice(1);
    const expected = rows.map((row) => row.split(','));
    const images = expected.map(([sample]) => at(`shoes/${sample}`));
    const predicted = await run(registry, 'predict', at('new/deep/out.onnx'), ...images, '--top', '2', '--json');
    const predictions = JSON.parse(predicted.stdout);
    const list = (predictions.predictions ?? predictions) as { classes: { name: string; probability: number }[] }[];
    for (const [i, [, , prediction, boot, coat]] of expected.entries()) {
      const { classes } = list[i];
      expect(classes[0].name).toBe(prediction);
      const probability = Object.fromEntries(classes.map((c) => [c.name, c.probability]));
      expect(probability.boot).toBeCloseTo(Number(boot), 5);
      expect(probability.coat).toBeCloseTo(Number(coat), 5);
    }
  });

  it('leaves the steps so far when it is interrupted, and begins anew', async () => {
    const interruption = new AbortController();
    const { stream, text } = collector();
    const args = ['--model', at('tiny.onnx'), '--data', at('shoes'), ...short, '--epochs', '40', '--out', at('halted')];
    const history = () => readFileSync(at('halted/history.jsonl'), 'utf8').trim().split('\n');
    const watch = setInterval(() => {
      if (existsSync(at('halted/history.jsonl')) && history().length >= 3) interruption.abort();
    }, 1);
    const code = await runProgram(['train', ...args], registry, {
      ...{ stdout: stream, stderr: stream, signal: interruption.signal },
    });
    clearInterval(watch);
    expect(code).toBe(130);
    const left = history().map((line) => JSON.parse(line));
    expect(left.length).toBeGreaterThanOrEqual(3);
    expect(left.length).toBeLessThan(120);
    expect(left.map(({ step }) => step)).toEqual(left.map((_, i) => i));
    expect(text()).toContain(`interrupted after ${left.length} steps`);
    expect(readdirSync(at('halted')).sort()).toEqual([
      ...['config.json', 'environment.json', 'history.jsonl', 'split.json'],
    ]);

    expect((await run(registry, 'train', ...args)).code).toBe(0);
    const whole = history().map((line) => JSON.parse(line));
    expect(whole.map(({ step }) => step)).toEqual(Array.from({ length: 120 }, (_, i) => i));
    expect(whole.slice(0, left.length).map(({ loss }) => loss)).toEqual(left.map(({ loss }) => loss));
    expect(existsSync(at('halted/metrics.json'))).toBe(true);
  });

  it('runs where the cache cannot be written', async () => {
    vi.stubEnv('FROSTLINE_CACHE', at('tiny.onnx/cache'));
    const { code, stderr } = await train('uncached', '--data', at('shoes')).finally(() => vi.unstubAllEnvs());
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/warning: .*cache.*not kept\. FROSTLINE_CACHE names another folder/),
    ]);
  });

  it('gives the same bytes for the same seed, and others for another', async () => {
    const data = ['--data', at('shoes')];
    for (const [out, seed] of [
      ['seed-a', '7'],
      ['seed-b', '7'],
      ['seed-c', '8'],
    ])
      expect((await train(out, ...data, '--seed', seed)).code).toBe(0);
    const model = (out: string) => readFileSync(at(`${out}/model.onnx`));
    expect(model('seed-a').equals(model('seed-b'))).toBe(true);
    expect(model('seed-a').equals(model('seed-c'))).toBe(false);
  });

  it.each<[string, string[], RegExp]>([
    ['a batch larger than the data', ['--batch-size', '500'], /12 training samples, too few for a batch of 500/],
    ['too many class weights', ['--class-weights', '1,2,3'], /class weights \[1, 2, 3\]\. Give 2/],
    ['a layer that has no parameters', ['--freeze', 'relu1'], /'relu1' \(relu\) has no parameters.* 2 \(conv1\)/],
    ['a layer that is not there', ['--freeze', '99'], /no such layer. Give none, all, or one of/],
    ['nothing left to train', ['--freeze', 'fc8'], /nothing would be trained/],
    ['a mask that matches nothing', ['--mask', 'conv9.*=0'], /"conv9\.\*" matches no parameter.*conv1\.weight/],
    ['a mask without a factor', ['--mask', 'conv1.weight'], /expected PATTERN=FACTOR/],
    ['a head of other classes', ['--keep-head'], /has 3 classes, the data 2 \(boot, coat\)/],
    ['an export below a file', ['--export', 'tiny.onnx/x.onnx'], /cannot write to .*tiny\.onnx: ENOTDIR/],
    ['a rate at which the loss diverges', ['--learning-rate', '1e20'], /The loss is .* at step \d+; the first layer/],
    [
      'a rate at which the last update overflows',
      ['--learning-rate', '3e38', '--train-fraction', '1', '--batch-size', '16'],
      /\w+\.\w+ is not finite after the last step/,
    ],
    ['two ways to divide', ['--split-file', 's.json', '--train-fraction', '1'], /--split-file s\.json and --train-/],
    ['a value that is neither of two kinds', ['--train-fraction', 'most'], /expected number, or expected "given"/],
  ])('refuses %s, and leaves no folder', async (_, args, message) => {
    const placed = args.map((arg) => (arg.includes('.onnx') ? at(arg) : arg));
    const { code, stderr } = await train('refused', '--data', at('shoes'), ...placed);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(existsSync(at('refused'))).toBe(false);
  });

  it('keeps the run where only the export fails, and trains nothing for one that cannot work', async () => {
    const folder = await train('no-run', '--data', at('shoes'), '--export', at('shoes'));
    expect(folder).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("shoes: this is a folder. Give a file's name"),
    });
    expect(existsSync(at('no-run'))).toBe(false);
    const long = await train('kept', '--data', at('shoes'), '--export', at(`${'x'.repeat(300)}.onnx`));
    expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining('ENAMETOOLONG, the name is too long') });
    for (const name of ['model.onnx', 'metrics.json']) expect(existsSync(at(`kept/${name}`))).toBe(true);
  });

  it("refuses a kept head whose classes are the data's in another order", async () => {
    const data = ['--data', at('shoes'), '--keep-head'];
    const { code, stderr } = await run(registry, 'train', '--model', at('coats.onnx'), ...data, '--out', at('refused'));
    expect(stderr).toMatch(/is for the classes coat, boot, the data has boot, coat/);
    expect(code).toBe(2);
    expect(existsSync(at('refused'))).toBe(false);
  });

  it.each<[string, string, string[], RegExp]>([
    ['too few labels', 'Y-short.npy', [], /Y-short\.npy holds 11 labels; .*X\.npy holds 12 images/],
    ['labels beyond the head', 'Y-beyond.npy', ['--keep-head'], /has 3 classes, the data 5/],
    ['labels of one class', 'Y-one.npy', [], /Y-one\.npy holds one class/],
    ['a split of images', 'Y.npy', ['--split-file', 's.json'], /--split-file does not apply to --images and --labels/],
    ['images beside tensors', 'Y.npy', ['--data', 'shoes'], /either --data or --images/],
  ])('refuses tensors with %s', async (_, labels, args, message) => {
    const { code, stderr } = await train('refused', '--images', at('X.npy'), '--labels', at(labels), ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(existsSync(at('refused'))).toBe(false);
  });

  it('trains the file’s own head on tensors', async () => {
    const tensors = ['--images', at('X.npy'), '--labels', at('Y.npy'), '--keep-head', '--train-fraction', '1'];
    const { code, stdout } = await train('tensors', ...tensors, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).metrics).toBeUndefined();
  });

  it('refuses a folder of another run, or of somebody else', async () => {
    const data = ['--data', at('shoes')];
    expect((await train('run', ...data)).stderr).toMatch(/another configuration \(different: freeze\)/);
    const foreign = await train('foreign', ...data);
    expect(foreign.stderr).toMatch(/foreign\/config\.json is not what frostline writes/);
    expect(foreign.code).toBe(2);
    expect(readdirSync(at('foreign'))).toEqual(['config.json']);
  });

  it('takes back what it wrote where the history cannot be written, and only that', async () => {
    mkdirSync(at('taken/history.jsonl'), { recursive: true });
    const { code, stderr } = await train('taken', '--data', at('shoes'));
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/cannot write to .*taken: EISDIR, a folder of that name/),
    ]);
    expect(readdirSync(at('taken'))).toEqual(['history.jsonl']);
  });

  it('refuses a model that is neither a file nor a name, briefly', async () => {
    const { stderr } = await run(registry, 'train', '--model', 'no/such.onnx', '--data', at('shoes'));
    expect(stderr).toMatch(/there is no file and no model called 'no\/such\.onnx'\. 'frostline weights list'/);
  });

  it('refuses a size that a random network is not made for', async () => {
    const { stderr } = await run(
      registry,
      ...['train', '--model', 'random/alexnet-small', '--input-size', '32,32', '--data', at('shoes')],
    );
    expect(stderr).toMatch(/--input-size 32,32: random\/alexnet-small is made for 64,64/);
  });
});

describe('frostline sweep', () => {
  const sweep = (out: string, ...args: string[]) =>
    run(registry, 'sweep', '--model', at('tiny.onnx'), '--data', at('shoes'), ...args, '--out', at(out));

  it.each(['--learning-rates', '--freeze'])('refuses an empty list for %s', async (option) => {
    const { code, stderr } = await sweep('empty', option, '');
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(option) });
    expect(existsSync(at('empty'))).toBe(false);
  });

  it('refuses what no cell could run with, and leaves no folder', async () => {
    const { code, stderr } = await sweep('refused', '--learning-rates', '0.01', '--batch-size', '500');
    expect(stderr).toMatch(/12 training samples, too few for a batch of 500/);
    expect(code).toBe(2);
    expect(existsSync(at('refused'))).toBe(false);
  });

  it('takes its keys from a file as from flags, and finds its own cells finished', async () => {
    writeFileSync(
      at('grid.yaml'),
      'learning-rates: [0.01, 1e20]\nfreeze: [all]\nbatchSize: 4\nepochs: 1\nmomentum: 0.9\n',
    );
    const first = await sweep('grid', '--config', at('grid.yaml'), '--json');
    expect(first).toMatchObject({ code: 0 });
    const cells = JSON.parse(first.stdout).cells as { status: string; error?: string }[];
    expect(cells.map(({ status }) => status)).toEqual(['done', 'failed']);
    expect(cells[1].error).toMatch(/at step \d+; the first layer that is not finite is fc8|sample \d+ are not finite/);
    const flags = ['--learning-rates', '0.01,1e20', '--freeze', 'all', '--batch-size', '4', '--epochs', '1'];
    const again = await sweep('grid', ...flags, '--momentum', '0.9', '--json');
    expect(JSON.parse(again.stdout).cells).toEqual(cells);
    expect(again.stderr).toMatch(/Every cell was finished before\. To run them anew, delete .*grid/);
    const [damaged] = readdirSync(at('grid/cells'));
    writeFileSync(at(`grid/cells/${damaged}/result.json`), '{}');
    const refused = await sweep('grid', ...flags, '--momentum', '0.9');
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is no result of a cell (freeze: ') });
  });

  it('keeps networks, and train --from makes any cell again to the bit', async () => {
    const flags = ['--learning-rates', '0.01', '--freeze', 'none,all', '--batch-size', '4', '--epochs', '2'];
    const more = ['--splits', '2', '--repeats', '2', '--validation-fraction', '0.25', '--momentum', '0.8'];
    const { code, stdout, stderr } = await sweep('all-kept', ...flags, ...more, '--keep', 'all');
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /The best cell, to the bit: frostline train --from .*all-kept\/cells\/\S+ --export best\.onnx/,
    );
    const cells = readdirSync(at('all-kept/cells'));
    expect(cells.length).toBe(8);
    const cell = cells.find((name) => /none.*split-2_seed-2/.test(name))!;
    const again = await run(registry, 'train', '--from', at(`all-kept/cells/${cell}`), '--out', at('again'));
    expect([again.code, again.code === 0 ? '' : again.stderr]).toEqual([0, '']);
    for (const file of ['model.onnx', 'predictions.csv']) {
      expect(readFileSync(at(`again/${file}`)).equals(readFileSync(at(`all-kept/cells/${cell}/${file}`)))).toBe(true);
    }
    const config = JSON.parse(readFileSync(at('all-kept/config.json'), 'utf8'));
    expect(config.protocol).toMatchObject({
      division: { trainFraction: 0.75, validationFraction: 0.25, splits: 2, seed: 1 },
      input: { shape: [3, 64, 64] },
      training: { momentum: 0.8, augment: { rotation: [-15, 15] } },
    });

    await writeImage(at('shoes/boot/0.png'), 77);
    const changed = await run(registry, 'train', '--from', at(`all-kept/cells/${cell}`), '--out', at('changed'));
    await writeImage(at('shoes/boot/0.png'), 0);
    expect(changed.code).toBe(2);
    expect(changed.stderr).toMatch(/(training|test) images changed since the grid ran/);
  });

  it('crosses points with strategies, reports them by name, and train --from makes such a cell again', async () => {
    const flags = [
      '--learning-rates',
      '0.01',
      '--freeze',
      'fc6',
      '--batch-size',
      '4',
      '--epochs',
      '1',
      '--keep',
      'all',
    ];
    const more = ['--strategy', 'direct,head-first=1', '--tune-only', 'conv1+conv2', '--optimizer', 'adam'];
    const { code, stdout, stderr } = await sweep('crossed', ...flags, ...more);
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    const page = readFileSync(at('crossed/report.html'), 'utf8');
    for (const name of ['fc6, head first (1)', 'only conv1 and conv2', 'only conv1 and conv2, head first (1)']) {
      expect(stdout).toContain(name);
      expect(page).toContain(name);
    }
    const cells = readdirSync(at('crossed/cells'));
    expect(cells.length).toBe(4);
    for (const name of ['only-conv1-and-conv2-head-first-1', 'fc6-head-first-1']) {
      const cell = cells.find((one) => one.includes(name))!;
      const again = await run(registry, 'train', '--from', at(`crossed/cells/${cell}`), '--out', at(`again-${name}`));
      expect([again.code, again.code === 0 ? '' : again.stderr]).toEqual([0, '']);
      for (const file of ['model.onnx', 'predictions.csv']) {
        const [one, other] = [at(`again-${name}/${file}`), at(`crossed/cells/${cell}/${file}`)];
        expect(readFileSync(one).equals(readFileSync(other))).toBe(true);
      }
    }
    const { protocol } = JSON.parse(readFileSync(at('crossed/config.json'), 'utf8'));
    expect(protocol.optimizer).toMatch(/^Adam: .* beta1 0\.9 /);
  });

  it('keeps the network of the best cell alone', async () => {
    const flags = ['--learning-rates', '0.01,0.02', '--freeze', 'none,all', '--batch-size', '4', '--epochs', '1'];
    const { stdout } = await sweep('best', ...flags, '--tensorboard', '--augment', 'paper');
    const kept = readdirSync(at('best/cells')).filter((name) => existsSync(at(`best/cells/${name}/model.onnx`)));
    expect(kept.length).toBe(1);
    expect(stdout).toContain(`best/cells/${kept[0]} --export`);
    const own = at(`best/cells/${kept[0]}`);
    expect(readFileSync(at('best/best.onnx')).equals(readFileSync(join(own, 'model.onnx')))).toBe(true);
    expect(readFileSync(at('best/MODEL_CARD.md'), 'utf8')).toContain('no medical device');
    expect(readdirSync(at('best/tensorboard')).sort()).toEqual(readdirSync(at('best/cells')).sort());
    // Of the cell's own table: every image that it has wrong, with its probabilities.
    const rows = parse(readFileSync(join(own, 'predictions.csv'), 'utf8'), { columns: true }) as Record<
      string,
      string
    >[];
    const wrong = rows.filter(({ label, prediction }) => label !== prediction);
    const pictures = (await readPictures(at('best')))!;
    expect(pictures.wrongCount).toBe(wrong.length);
    expect(pictures.wrong.map(({ image }) => image).sort()).toEqual(wrong.map(({ sample }) => sample).sort());
    for (const { image, probabilities } of pictures.wrong) {
      const row = rows.find(({ sample }) => sample === image)!;
      for (const [name, p] of Object.entries(probabilities)) expect(p).toBe(Number(row[name]));
    }
    expect(pictures.augmented.map(({ drawn }) => drawn.length)).toEqual([5, 5, 5, 5]);
    expect(new Set(pictures.augmented[0].drawn).size).toBe(5);
    const none = await sweep('best', ...flags, '--augment', 'paper', '--keep', 'none');
    expect(none.code).toBe(0);
  });

  it('says how far it came when it is interrupted', async () => {
    const interruption = new AbortController();
    const { stream, text } = collector();
    const watch = setInterval(() => {
      if (existsSync(at('stopped/cells')) && readdirSync(at('stopped/cells')).length >= 2) interruption.abort();
    }, 1);
    const code = await runProgram(
      [
        ...['sweep', '--model', at('tiny.onnx'), '--data', at('shoes'), '--learning-rates', '0.01,0.02,0.03'],
        ...['--batch-size', '4', '--epochs', '20', '--out', at('stopped')],
      ],
      registry,
      { ...{ stdout: stream, stderr: stream, signal: interruption.signal } },
    );
    clearInterval(watch);
    expect(code).toBe(130);
    expect(text()).toMatch(/interrupted after \d+ cells, which are in .*stopped; the same command goes on there/);
  });
});
