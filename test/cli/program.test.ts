import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineCommand } from '../../src/cli/command.ts';
import { registry } from '../../src/cli/registry.ts';
import { FrostlineError } from '../../src/errors.ts';
import { frostlineVersion } from '../../src/version.ts';
import { only, run } from './run.ts';

const demo = only(
  defineCommand({
    description: 'Shows what it was given.',
    arguments: z.object({ model: z.string(), images: z.array(z.string()).optional() }),
    options: z.object({
      epochs: z.int().positive().default(6).describe('passes over the data'),
      learningRates: z.array(z.number().positive()).default([0.0001, 0.0002]).describe('global rates'),
      freeze: z
        .array(z.union([z.number(), z.string()]))
        .optional()
        .describe('freeze points'),
      shuffle: z.enum(['every-epoch', 'once', 'never']).default('every-epoch').describe('when to shuffle'),
      keepHead: z.boolean().default(false).describe("train the file's own classifier"),
      offset: z.number().optional().describe('may be negative'),
      grid: z.array(z.array(z.number())).optional().describe('nested'),
      out: z.string().optional().meta({ valueName: 'DIR' }).describe('where to write'),
    }),
    json: true,
    examples: [{ what: 'one epoch', line: 'x.onnx --epochs 1' }],
    async run(values, context) {
      context.printJson(values);
    },
  }),
);
const values = async (...args: string[]) => {
  const { code, stdout, stderr } = await run(demo, 'demo', ...args);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout);
};
const refusal = async (...args: string[]) => {
  const { code, stdout, stderr } = await run(demo, ...args);
  expect(stdout).toBe('');
  expect(code).toBe(2);
  expect(stderr).toMatch(/^frostline: /);
  expect(stderr).not.toMatch(/\n +at /); // no stack
  return stderr;
};

let folder: string;
const config = async (name: string, text: string) => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('values', () => {
  it('come from the schema where nothing is given', async () => {
    expect(await values('m.onnx')).toEqual({
      model: 'm.onnx',
      epochs: 6,
      learningRates: [0.0001, 0.0002],
      shuffle: 'every-epoch',
      keepHead: false,
    });
  });

  it('are read by their types; lists by commas, spaces and repetition', async () => {
    const given = await values(
      ...['m.onnx', 'a,1.png', 'b.png', '--epochs=3', '--keep-head', '--offset', '-1e-3', '--shuffle', 'once'],
      ...['--learning-rates', '0.1,0.2', '0.3', '--freeze', 'none,2', '--freeze', 'conv3', '--grid', '[[1,2],[3,4]]'],
    );
    expect(given).toEqual({
      model: 'm.onnx',
      images: ['a,1.png', 'b.png'],
      epochs: 3,
      keepHead: true,
      offset: -0.001,
      shuffle: 'once',
      learningRates: [0.1, 0.2, 0.3],
      freeze: ['none', 2, 'conv3'],
      grid: [
        [1, 2],
        [3, 4],
      ],
    });
    expect((await values('m', '--no-keep-head')).keepHead).toBe(false);
  });

  it('come from a YAML or JSON file with kebab or camel keys; flags win', async () => {
    const yaml = await config('a.yaml', 'epochs: 9\nlearning-rates: 0.5\nkeepHead: true\nfreeze: none, 10\n');
    expect(await values('m', '--config', yaml)).toMatchObject({
      epochs: 9,
      learningRates: [0.5],
      keepHead: true,
      freeze: ['none', 10],
    });
    expect(await values('m', '--config', yaml, '--epochs', '2', '--no-keep-head')).toMatchObject({
      epochs: 2,
      keepHead: false,
    });
    const json = await config('a.json', '{"learningRates": [0.1, 0.2], "shuffle": "never"}');
    expect(await values('m', '--config', json)).toMatchObject({
      learningRates: [0.1, 0.2],
      shuffle: 'never',
      epochs: 6,
    });
  });

  it('keep the commas of names in a list of a file, and take a number for a name', async () => {
    const yaml = await config('names.yaml', 'freeze: ["fc6, flat", "2"]\nout: 2024\n');
    expect(await values('m', '--config', yaml)).toMatchObject({ freeze: ['fc6, flat', 2], out: '2024' });
  });
});

describe('refusals', () => {
  it.each([
    [['dem'], "unknown command 'dem'; the nearest is 'demo'"],
    [['demo', 'm', '--epoch', '3'], "unknown option '--epoch'; the nearest is '--epochs'"],
    [['demo', 'm', '--learning-rate=3'], "the nearest is '--learning-rates'"],
    [['demo'], "missing required argument 'model'"],
    [['demo', 'm', '--epochs'], "option '--epochs <NUMBER>' argument missing"],
    [['demo', 'm', '--epochs', 'six'], '--epochs: found "six"; expected number'],
    [['demo', 'm', '--epochs', '0'], '--epochs: found 0; expected number to be >0'],
    [['demo', 'm', '--learning-rates', '0.1,-2'], '--learning-rates[1]: found -2; expected number to be >0'],
    [['demo', 'm', '--shuffle', 'twice'], '--shuffle: found "twice"; expected one of "every-epoch"|"once"|"never"'],
    [['demo', 'm', '--grid', '[[1,'], "--grid: '[[1,' is not JSON"],
    [['demo', 'm', '--config', '/nowhere.yaml'], '/nowhere.yaml cannot be read (ENOENT)'],
  ])('%j', async (args, message) => {
    expect(await refusal(...args)).toContain(message);
  });

  it.each([
    ['epoch: 3', "unknown key 'epoch'; the nearest is 'epochs'"],
    ['learning-rate: 3', "unknown key 'learning-rate'; the nearest is 'learning-rates'"],
    ['model: x', "unknown key 'model'; known are 'epochs'"],
    ['learning-rates: [1]\nlearningRates: [2]', "'learningRates' is given twice"],
    ['epochs: 0', 'epochs: found 0; expected number to be >0'],
    ['epochs: [', 'not valid YAML or JSON'],
    ['- epochs', 'holds a list; expected keys and values'],
    ['epochs: 1\nepochs: 2', 'not valid YAML or JSON: Map keys must be unique'],
  ])('config %j', async (text, message) => {
    const path = await config('bad.yaml', text);
    const stderr = await refusal('demo', 'm', '--config', path);
    expect(stderr).toContain(path);
    expect(stderr).toContain(message);
  });

  it('tell every bad value at once', async () => {
    const stderr = await refusal('demo', 'm', '--epochs', '0', '--shuffle', 'x');
    expect(stderr).toContain('--epochs: found 0');
    expect(stderr).toContain('--shuffle: found "x"');
  });
});

describe('help', () => {
  it('shows flags, choices, defaults and examples', async () => {
    const { code, stdout } = await run(demo, 'demo', '--help');
    const text = stdout.replaceAll(/\s+/g, ' ');
    expect(code).toBe(0);
    for (const part of [
      'frostline demo MODEL [IMAGES...] [options]',
      '--epochs <NUMBER> passes over the data (default: 6)',
      '--learning-rates <NUMBER...> global rates (default: 0.0001,0.0002)',
      '--shuffle <NAME> when to shuffle (one of every-epoch, once, never; default: every-epoch)',
      "--[no-]keep-head train the file's own classifier (default: false)",
      '--out <DIR> where to write',
      '--config <FILE>',
      '--json',
      'frostline demo x.onnx --epochs 1',
    ]) {
      expect(text).toContain(part);
    }
    expect((await run(demo, 'help', 'demo')).stdout).toBe(stdout);
  });

  it('lists the commands in groups without loading one', async () => {
    const untouchable = registry.map((entry) => ({
      ...entry,
      load: () => {
        throw new Error('loaded');
      },
    }));
    for (const args of [[], ['--help'], ['help']]) {
      const { code, stdout, stderr } = await run(untouchable, ...args);
      expect([code, stderr]).toEqual([0, '']);
      for (const { group, name, summary } of registry) {
        expect(stdout).toContain(`${group}:`);
        expect(stdout).toMatch(new RegExp(`\\n {2}${name} +${summary}`));
      }
    }
    expect((await run(untouchable, '--version')).stdout).toBe(`${frostlineVersion}\n`);
  });

  it('is there for every command', async () => {
    for (const { name, load } of registry) {
      const { code, stdout } = await run(registry, ...name.split(' '), '--help');
      expect([name, code]).toEqual([name, 0]);
      expect(stdout).toContain(`Usage: frostline ${name}`);
      for (const [key, option] of Object.entries((await load()).command.options.shape)) {
        expect([name, key, (option as z.ZodType).description]).not.toContain(undefined);
      }
    }
  });
});

describe('commands of two words', () => {
  const command = (text: string) =>
    defineCommand({
      description: `Does ${text}.`,
      options: z.object({ size: z.number().optional().describe('how large') }),
      examples: [{ what: 'small', line: '--size 1' }],
      async run({ size }, context) {
        context.print(`${text} ${size}`);
      },
    });
  const family = ['box open', 'box close', 'boxes'].map((name) => ({
    name,
    group: 'Tests',
    summary: `${name} it`,
    load: async () => ({ command: command(name) }),
  }));

  it('run, with their own options', async () => {
    expect((await run(family, 'box', 'open', '--size', '2')).stdout).toBe('box open 2\n');
    expect((await run(family, 'box', 'close')).stdout).toBe('box close undefined\n');
    expect((await run(family, 'boxes')).stdout).toBe('boxes undefined\n');
  });

  it('have help each, together and in the list', async () => {
    const own = await run(family, 'box', 'open', '--help');
    expect(own.stdout).toMatch(
      /Usage: frostline box open \[options\][\s\S]*Does box open\.[\s\S]*frostline box open --size 1/,
    );
    expect((await run(family, 'help', 'box', 'open')).stdout).toBe(own.stdout);
    for (const args of [['box'], ['box', '--help'], ['help', 'box']]) {
      const { code, stdout } = await run(family, ...args);
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /Usage: frostline box COMMAND[\s\S]*Tests:\n {2}box open +box open it\n {2}box close +box close it\n/,
      );
      expect(stdout).not.toContain('boxes');
    }
    expect((await run(family)).stdout).toMatch(/Tests:\n {2}box open .*\n {2}box close .*\n {2}boxes /);
  });

  it.each([
    [
      ['box', 'opne'],
      "unknown command 'box opne'; the nearest is 'box open'; 'frostline box --help' lists the commands",
    ],
    [['bax', 'open'], "unknown command 'bax'; the nearest is 'box'; 'frostline --help' lists the commands"],
    [
      ['box', 'open', '--siez', '1'],
      "unknown option '--siez'; the nearest is '--size'; see 'frostline box open --help'",
    ],
    [['box', 'open', '--size', 'x'], '--size: found "x"; expected number; see \'frostline box open --help\''],
  ])('%j is a mistake', async (args, message) => {
    const { code, stderr } = await run(family, ...args);
    expect([code, stderr.trim()]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('endings', () => {
  const ending = (body: Parameters<typeof defineCommand>[0]['run']) =>
    run(only(defineCommand({ description: '-', options: z.object({}), run: body })), 'demo');

  it('exit with 1 for a failed check, 2 for what the user can mend, 3 for a defect', async () => {
    expect(await ending(async (_, context) => context.checkFailed('off by 3'))).toEqual({
      code: 1,
      stdout: '',
      stderr: 'off by 3\n',
    });
    const mendable = await ending(async () => {
      throw new FrostlineError('no such thing');
    });
    expect(mendable).toEqual({ code: 2, stdout: '', stderr: 'frostline: no such thing\n' });
    const defect = await ending(async () => {
      throw new TypeError('x is not a function');
    });
    expect(defect.code).toBe(3);
    expect(defect.stderr).toMatch(/TypeError: x is not a function\n +at [\s\S]*please report/);
  });

  it('run deferred work last first, also after an error, and all of it', async () => {
    const order: number[] = [];
    const { code, stderr } = await ending(async (_, context) => {
      context.defer(() => void order.push(1));
      context.defer(() => {
        throw new Error('in the way');
      });
      context.defer(async () => void order.push(2));
      throw new FrostlineError('stopped');
    });
    expect(order).toEqual([2, 1]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/frostline: stopped\nError: in the way/);
  });
});

it('prints what JSON has no number for by name', async () => {
  const numbers = only(
    defineCommand({
      description: 'Numbers.',
      options: z.object({}),
      json: true,
      examples: [],
      async run(_, context) {
        context.printJson({ all: [1, Number.POSITIVE_INFINITY, Number.NaN], none: null });
      },
    }),
  );
  const { stdout } = await run(numbers, 'demo', '--json');
  expect(JSON.parse(stdout)).toEqual({ all: [1, 'Infinity', 'NaN'], none: null });
});
