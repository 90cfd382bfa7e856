/** Messages that name a setting by a flag say where code has it; the command line, whose reader types flags, does not. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { FrostlineError, IN_CODE, withoutNote } from '../../src/errors.ts';
import * as frostline from '../../src/index.ts';
import { run } from '../cli/run.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

/** What only the command line has, and what programs of others have. */
const ELSEWHERE = new Set([
  // of verdicts of tables
  ...['draws', 'level', 'score'],
  // of presets, of other commands, and of both
  ...['all-frozen-rates', 'from', 'input', 'probe'],
  // of a grid's draws: seeds in code
  ...['repeats', 'seed'],
  // npm's, docker's, Slurm's, a log's
  ...['gpus', 'gres', 'ignore-scripts', 'include'],
]);
/** What no caller of the library reaches lies in cli, bench, report and tracking. */
const folders = ['data', 'gpu', 'graph', 'kernels', 'models', 'onnx', 'operators', 'statistics', 'train'];

describe('settings in messages', () => {
  it('have a name in code, or are the command line’s alone', () => {
    const files = folders.flatMap((folder) =>
      readdirSync(new URL(`src/${folder}/`, root), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => `src/${folder}/${name}`),
    );
    const unnamed = [...files, 'src/limits.ts'].flatMap((file) =>
      read(file)
        .split('\n')
        .filter((line) => !/^\s*(\/\/|\/?\*)/.test(line))
        .flatMap((line) => [...line.matchAll(/(?<![\w-])--([a-z][a-z0-9-]+)/g)].map(([, flag]) => flag))
        .filter((flag) => !Object.hasOwn(IN_CODE, flag) && !ELSEWHERE.has(flag))
        .map((flag) => `${file}: --${flag}`),
    );
    expect(unnamed).toEqual([]);
  });

  it('are there in code', () => {
    const api = read('docs/api.md');
    const missing = Object.values(IN_CODE).filter((place) => {
      const [type, property] = place.split('.');
      if (property === undefined) return !(type in frostline);
      const declared = new RegExp(`^## ${type}\\n\\n\`\`\`ts\\n([\\s\\S]*?)\`\`\``, 'm').exec(api)?.[1];
      return declared === undefined || !new RegExp(`\\b${property}\\??:`).test(declared);
    });
    expect(missing).toEqual([]);
  });

  it('are named at the end, each once', () => {
    const message = (text: string) => new FrostlineError(text).message;
    expect(message('Give --validation-fraction 0.2, or more --epochs.')).toBe(
      'Give --validation-fraction 0.2, or more --epochs. (In code: DataSource.validationFraction, FitSettings.epochs.)',
    );
    expect(message('--images and --labels')).toBe('--images and --labels (In code: DataSource.tensors.)');
    expect(message('No flag.')).toBe('No flag.');
    expect(message("Run 'frostline tune --export FILE', or npm install --include=optional.")).not.toContain('In code');
    // Of an error within another's message.
    const outer = message(`cell: ${message('Give --epochs 3.')} Or delete --out.`);
    expect(outer).toBe('cell: Give --epochs 3. Or delete --out. (In code: FitSettings.epochs, RunOptions.out.)');
    expect(withoutNote(outer)).toBe('cell: Give --epochs 3. Or delete --out.');
  });

  it('are flags on the command line, and both for who calls', async () => {
    const path = 'samples/fashion-two';
    const { stderr, code } = await run(registry, 'dataset', 'inspect', path, '--exclude', 'boots');
    expect(code).toBe(2);
    expect(stderr).toContain("--exclude: no class 'boots'");
    expect(stderr).not.toContain('In code');
    await expect(frostline.loadDataset({ path, exclude: ['boots'] })).rejects.toThrow(
      /^--exclude: no class 'boots' .* \(In code: DatasetOptions\.exclude\.\)$/,
    );
  });
});
