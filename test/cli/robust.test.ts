/** What people give commands that is not as it should be: files, names, devices. Each ends in words, none in a defect. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { temporaryFolder, tinyNetwork, writeImage, writeTiny } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();
const frostline = (...args: string[]) => run(registry, ...args);

beforeAll(async () => {
  await writeTiny(at('tiny.onnx'));
  for (const [c, name] of ['boot', 'coat'].entries()) {
    for (const part of ['train', 'val']) {
      mkdirSync(at(`shoes/${part}/${name}`), { recursive: true });
      for (let i = 0; i < 6; i++) await writeImage(at(`shoes/${part}/${name}/${i}.png`), 100 * c + i);
    }
    writeFileSync(at(`shoes/train/${name}/6.gif`), 'GIF89a');
  }
});

/** Ends with 2 and a message. */
async function refusal(...args: string[]): Promise<string> {
  const { code, stderr } = await frostline(...args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^frostline: /m) });
  return stderr;
}

describe('a file of options', () => {
  const config = (text: string) => {
    writeFileSync(at('c.yaml'), text);
    return refusal('train', '--config', at('c.yaml'));
  };

  it('that refers to itself or to nothing is refused with the remedy', async () => {
    expect(await config('mask: *.bias=0\n')).toMatch(/Quote it, as in mask: \['\*\.bias=0'\]/);
    expect(await config('mask: [*conv1]\n')).toMatch(/[Qq]uote/);
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((c, i) => {
        const before = '*'.concat('abcdefg'[i]);
        return `${c}: &${c} [${Array(9).fill(before).join()}]`;
      }),
    ];
    expect(await config(bomb.join('\n'))).toMatch(/alias/);
    expect(await config('mask: &m [*m]\n')).toMatch(/circular.*Quote it/);
    expect(await config('mask: !.bias=0\n')).toMatch(/Unresolved tag: !\.bias=0.*Quote/);
    expect(await config('mask:\n  - !.bias=0\n')).toMatch(/Unresolved tag/);
    expect(await config('model: 007\ndata: samples/fashion-two\n')).toMatch(/called '007'/);
    expect(await config('['.repeat(20_000))).toMatch(/not valid YAML/);
    expect(await config(`epochs: 6${' '.repeat(2 ** 21)}`)).toMatch(/has more than 1048576 bytes/);
  });

  it('is no pipe and no folder', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    expect(await refusal('train', '--config', at('pipe'))).toMatch(/is a pipe; only regular files are read/);
    expect(await refusal('train', '--config', at())).toMatch(/is a folder/);
    const given = ['--model', at('tiny.onnx'), '--data', at('shoes/train'), '--batch-size', '4'];
    expect(await refusal('train', ...given, '--split-file', at('pipe'))).toMatch(/is a pipe/);
    expect(await refusal('train', '--model', at('tiny.onnx'), '--images', at('pipe'), '--labels', at('pipe'))).toMatch(
      /is a pipe/,
    );
    symlinkSync('/dev/zero', at('zero.onnx'));
    expect(await refusal('weights', 'verify', at('zero.onnx'))).toMatch(/is no file/);
    expect(await refusal('predict', at('tiny.onnx'), at('pipe'))).toMatch(/is a pipe or a device/);
    expect(await refusal('evaluate', at('tiny.onnx'), '--data', at('pipe'))).toMatch(/is a pipe or a device/);
    expect(await refusal('verdict', at('pipe'))).toMatch(/is a pipe/);
    symlinkSync(at('pipe'), at('phases.yaml'));
    writeFileSync(at('circle.yaml'), '- train: &t [*t]\n');
    const phases = (file: string) => refusal('train', ...given, '--strategy', at(file));
    expect(await phases('phases.yaml')).toMatch(/is a pipe/);
    expect(await phases('circle.yaml')).toMatch(/circular.*Quote it/);
  });
});

describe('reading', () => {
  it('tells errors of the file system in words', async () => {
    mkdirSync(at('grid/results.json'), { recursive: true });
    expect(await refusal('report', at('grid'))).toMatch(/results\.json is a folder/);
    expect(await refusal('report', at('tiny.onnx'))).toMatch(/cannot be read \(ENOTDIR\)/);
    expect(await refusal('weights', 'verify', at('none.onnx'))).toMatch(/cannot be read \(ENOENT\): it does not exist/);
    expect(await refusal('weights', 'verify', at('grid'))).toMatch(/is no file/);
    symlinkSync('loop', at('loop'));
    expect(await refusal('weights', 'verify', at('loop'))).toMatch(/cannot be read \(ELOOP\)/);
    expect(await refusal('dataset', 'inspect', at('loop'))).toMatch(/cannot be read \(ELOOP\)/);
  });

  it('names a file whose name is not UTF-8', async () => {
    mkdirSync(at('latin/a'), { recursive: true });
    mkdirSync(at('latin/b'));
    await writeImage(at('latin/a/1.png'), 1);
    await writeImage(at('latin/b/1.png'), 2);
    writeFileSync(Buffer.concat([Buffer.from(at('latin/a/')), Buffer.from([0x63, 0xe9]), Buffer.from('.png')]), '');
    const { code, stdout } = await frostline('dataset', 'inspect', at('latin'));
    expect(code).toBe(1);
    expect(stdout).toMatch(/a\/c\uFFFD\.png: .*its name is not UTF-8/);
  });
});

describe('names of others', () => {
  const hostile = '\x1b[31m\x1b]0;title\x07red\u202e';

  it('reach the terminal written out, and JSON as they are', async () => {
    for (const name of [hostile, 'b']) {
      mkdirSync(at(`escapes/${name}`), { recursive: true });
      for (let i = 0; i < 3; i++) await writeImage(at(`escapes/${name}/${i}.png`), i + 9);
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not come
    const raw = /[\x1b\x07\u202e]/;
    const { stdout } = await frostline('dataset', 'inspect', at('escapes'));
    expect(stdout).not.toMatch(raw);
    expect(stdout).toContain('\\x1b[31m\\x1b]0;title\\x07red\\u202e');
    const json = await frostline('dataset', 'inspect', at('escapes'), '--json');
    expect(json.stdout).not.toMatch(raw);
    expect(JSON.parse(json.stdout).classes.map(({ name }: { name: string }) => name)).toContain(hostile);
    expect(await refusal('dataset', 'inspect', at('escapes'), '--exclude', 'c')).not.toMatch(raw);
    expect(await refusal('dataset', 'inspect', at(hostile))).not.toMatch(raw);
  });

  it('are no formulas in tables, and are read back as they were', async () => {
    await writeTiny(at('named.onnx'), tinyNetwork(['=1+1', '-b', 'c\rd']));
    await writeImage(at('@x.png'), 5);
    const { code } = await frostline('predict', at('named.onnx'), at('@x.png'), '--top', '3', '--output', at('p.csv'));
    expect(code).toBe(0);
    const lines = readFileSync(at('p.csv'), 'utf8').split('\n').slice(1, 4).sort();
    expect(lines.map((line) => line.split(',')[2]).sort()).toEqual(['"c\rd"', "'-b", "'=1+1"]);
    for (const [c, name] of ['=1+1', '-b'].entries()) {
      mkdirSync(at(`formulas/${name}`), { recursive: true });
      for (let i = 0; i < 4; i++) await writeImage(at(`formulas/${name}/@${i}.png`), 50 * c + i);
    }
    const options = ['--model', at('tiny.onnx'), '--data', at('formulas'), '--batch-size', '4', '--epochs', '1'];
    const sweep = ['--freeze', 'conv3,all', '--learning-rates', '0.01', '--out', at('formula-grid'), '--json'];
    const swept = await frostline('sweep', ...options, ...sweep);
    expect([swept.code, swept.code === 0 ? '' : swept.stderr]).toEqual([0, '']);
    expect(readFileSync(at('formula-grid/predictions.csv'), 'utf8')).toMatch(/^conv3,1,1,'?-b\/@\d\.png,'-b,/m);
    const judged = await frostline('verdict', at('formula-grid'), '--json');
    expect(judged.code).toBe(0);
    expect(JSON.parse(judged.stdout).best).toBe(JSON.parse(swept.stdout).verdict.best);
  });
});

describe('what is known of the data', () => {
  it('is said before training and kept in the record', async () => {
    const out = at('told');
    const args = ['--train-fraction', 'given', '--batch-size', '4', '--epochs', '1', '--augment', 'none', '--out', out];
    const { code, stderr } = await frostline('train', '--model', at('tiny.onnx'), '--data', at('shoes'), ...args);
    expect(code, stderr).toBe(0);
    for (const line of [
      /data: folder val alone, for there is no test part/,
      /data: 12 images, 2 classes: boot 6, coat 6/,
      /data: 2 files left out, a GIF image: train\/boot\/6\.gif, train\/coat\/6\.gif/,
      /data: 12 images stand more than once, pixel for pixel/,
      /data: the same image on both sides: 12 test images are also trained on/,
    ]) {
      expect(stderr).toMatch(line);
    }
    const { data } = JSON.parse(readFileSync(`${out}/config.json`, 'utf8'));
    expect(data.notes.join('\n')).toMatch(/the same image on both sides/);
  });

  it('stands in a grid’s report, and equal images can be kept together', async () => {
    const args = [
      '--batch-size',
      '4',
      '--epochs',
      '1',
      '--freeze',
      'all',
      '--learning-rates',
      '0.01',
      '--duplicates',
      'together',
    ];
    const grid = ['--model', at('tiny.onnx'), '--data', at('shoes'), ...args, '--out', at('told-grid')];
    const { code, stderr } = await frostline('sweep', ...grid);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/12 images stand more than once/);
    expect(stderr).not.toMatch(/same image on both sides/);
    expect(readFileSync(at('told-grid/report.html'), 'utf8')).toMatch(/12 images stand more than once/);
  });

  it('needs no cache: one that cannot be written is told, and FROSTLINE_CACHE', async () => {
    vi.stubEnv('FROSTLINE_CACHE', at('tiny.onnx/cache'));
    try {
      const args = ['--batch-size', '4', '--epochs', '1', '--augment', 'none', '--out', at('uncached')];
      const { code, stderr } = await frostline('train', '--model', at('tiny.onnx'), '--data', at('shoes'), ...args);
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/warning: .*decoded images are not kept\. FROSTLINE_CACHE names another folder/);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

it.each(['removed', 'renamed'])('a folder that is %s while a sweep runs is not made anew', async (how) => {
  const out = at(`${how}-grid`);
  const watch = setInterval(() => {
    const cells = `${out}/cells`;
    const found = existsSync(cells) ? readdirSync(cells) : [];
    if (!found.some((cell) => existsSync(`${cells}/${cell}/checkpoint.bin`))) return;
    clearInterval(watch);
    if (how === 'removed') rmSync(out, { recursive: true, maxRetries: 9, retryDelay: 0 });
    else renameSync(out, `${out}-elsewhere`);
  }, 1);
  const grid = ['--model', at('tiny.onnx'), '--data', at('shoes/train'), '--freeze', 'conv3,all', '--epochs', '40'];
  const stderr = await refusal('sweep', ...grid, '--learning-rates', '0.01', '--batch-size', '4', '--out', out).finally(
    () => clearInterval(watch),
  );
  expect(stderr).toMatch(/was removed(,| or) renamed/);
  expect(existsSync(out)).toBe(false);
  if (how === 'renamed') expect(readdirSync(`${out}-elsewhere`)).toContain('config.json');
});

it('a sweep that loses its device opens it anew and ends in the same bits', async () => {
  const grid = [
    ...['sweep', '--model', at('tiny.onnx'), '--data', at('shoes/train'), '--freeze', 'conv3,all'],
    ...['--learning-rates', '0.01', '--batch-size', '4', '--epochs', '20', '--json'],
  ];
  const whole = await frostline(...grid, '--out', at('kept'));
  const opened: Gpu[] = [];
  const open = vi.spyOn(Gpu, 'open');
  const first = Gpu.open.bind(Gpu);
  open.mockImplementation(async (options) => {
    open.mockRestore();
    const gpu = await first(options);
    opened.push(gpu);
    return gpu;
  });
  const watch = setInterval(() => {
    const cells = at('lost/cells');
    const found = existsSync(cells) ? readdirSync(cells) : [];
    if (found.some((cell) => existsSync(`${cells}/${cell}/checkpoint.bin`))) opened[0].device.destroy();
  }, 1);
  const lost = await frostline(...grid, '--out', at('lost'));
  clearInterval(watch);
  expect(lost.code, lost.stderr).toBe(0);
  expect(lost.stderr).toMatch(
    /the device was lost.*Finished cells are kept; going on with the device opened anew \(1 of 3\)/,
  );
  const losses = ({ stdout }: typeof lost) =>
    JSON.parse(stdout).cells.map(({ lossHistory }: { lossHistory: number[] }) => lossHistory);
  expect(losses(lost)).toEqual(losses(whole));
});
