import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type TunedAdapter,
  type TunedNames,
  type TunedProblem,
  type TunedShape,
  TuningTable,
} from '../../src/gpu/tuning.ts';

const adapter: TunedAdapter = { name: 'A Card, 8 lanes', driver: 'driver 1.0', dawn: '0.6.2', processor: null };
const text = () => 'hash of the text';
const result = (rows: number): TunedShape => ({
  choice: { variant: 'fast', configuration: { rows } },
  date: '2020-02-02T00:00:00.000Z',
  settled: true,
  measurements: [
    { variant: 'fast', configuration: { rows }, milliseconds: 1.5, spread: 0.1 },
    { variant: 'broken', configuration: {}, wrong: 7 },
  ],
});

describe('the table of tuning results', () => {
  let folder: string;
  let warnings: string[];
  const open = (about: Partial<TunedAdapter> = {}) =>
    new TuningTable({ ...adapter, ...about }, (warning) => warnings.push(warning), folder);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'frostline-tuning-'));
    warnings = [];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('gives back what was recorded, to this process and the next', async () => {
    const table = open();
    expect([table.size, table.hash]).toEqual([0, undefined]);
    await table.record('gemm', text(), 'm 3 n 5', result(8));
    await table.record('gemm', text(), 'm 7 n 5', result(16));
    for (const reader of [table, open()]) {
      expect(reader.find('gemm', text, 'm 3 n 5')).toEqual({ variant: 'fast', configuration: { rows: 8 } });
      expect(reader.measured('gemm', text, 'm 7 n 5')).toEqual(result(16));
      expect(reader.find('gemm', text, 'm 3 n 6')).toBeUndefined();
      expect(reader.find('conv', text, 'm 3 n 5')).toBeUndefined();
      expect(reader.find('constructor', text, 'name')).toBeUndefined();
      expect(reader.size).toBe(2);
    }
    expect(warnings).toEqual([]);
  });

  it('merges with another table: what this version uses of it counts, and the rest is told by reason', async () => {
    const texts: Record<string, string> = { gemm: text(), conv: 'new text', lrn: 'text', 'conv forward': 'texts' };
    const names: TunedNames = {
      text: (_, name) => (Object.hasOwn(texts, name) ? texts[name] : undefined),
      has: (_, __, choice) => (typeof choice === 'string' ? choice === 'direct' : choice.variant === 'fast'),
    };
    const problem = (choice: string): TunedProblem => ({ choice, date: '', settled: true, measurements: [] });
    const theirs = new TuningTable(adapter, () => {}, join(folder, 'theirs'));
    await theirs.record('gemm', text(), 'm 3 n 5', result(32));
    await theirs.record('gemm', text(), 'm 4 n 5', { ...result(32), choice: { variant: 'gone', configuration: {} } });
    await theirs.record('conv', 'old text', 'c 1', result(4));
    await theirs.record('conv', 'old text', 'c 2', result(4));
    await theirs.record('lrn', 'text', 'x 1', result(2));
    await theirs.record('constructor', 'text', 'x 1', result(2));
    await theirs.recordAlgorithm('conv forward', 'texts', 'c 1', problem('direct'));
    await theirs.recordAlgorithm('conv forward', 'texts', 'c 2', problem('fft'));
    await theirs.recordAlgorithm('pool forward', 'texts', 'c 2', problem('direct'));
    const table = open();
    await table.record('gemm', text(), 'm 3 n 5', result(8));
    await table.record('gemm', text(), 'm 7 n 5', result(16));
    await table.record('conv', 'new text', 'c 1', result(1));
    // Measured here with a text of before: it no longer counts, and theirs takes its place.
    await table.record('lrn', 'text of before', 'x 1', result(64));
    expect(table.use(names)).toEqual({ used: 3, unused: [{ reason: 'text', name: 'lrn', results: 1 }] });
    expect(await table.merge('theirs.json', theirs.text(), names)).toEqual({
      used: 3,
      unused: [
        { reason: 'choice', name: 'gemm', results: 1 },
        { reason: 'text', name: 'conv', results: 2 },
        { reason: 'name', name: 'constructor', results: 1 },
        { reason: 'choice', name: 'conv forward', results: 1 },
        { reason: 'name', name: 'pool forward', results: 1 },
      ],
    });
    for (const reader of [table, open()]) {
      expect(reader.measured('gemm', text, 'm 3 n 5')).toEqual(result(32));
      expect(reader.measured('gemm', text, 'm 7 n 5')).toEqual(result(16));
      expect(reader.measured('conv', () => 'new text', 'c 1')).toEqual(result(1));
      expect(reader.measured('conv', () => 'old text', 'c 2')).toBeUndefined();
      expect(reader.measured('lrn', () => 'text', 'x 1')).toEqual(result(2));
      expect(
        reader.algorithm(
          'conv forward',
          () => 'texts',
          () => 'c 2',
        ),
      ).toBeUndefined();
      expect(reader.use(names)).toEqual({ used: 5, unused: [] });
    }
    await expect(table.merge('x.json', '{', names)).rejects.toThrow(
      /^x\.json: .*Give a file of 'frostline tune --export'/,
    );
  });

  it('does not apply results to another text of the kernel, and drops them when it is measured anew', async () => {
    await open().record('gemm', text(), 'm 3 n 5', result(8));
    expect(open().find('gemm', () => 'another text', 'm 3 n 5')).toBeUndefined();
    await open().record('gemm', 'another text', 'm 7 n 5', result(16));
    const table = open();
    expect(table.find('gemm', text, 'm 3 n 5')).toBeUndefined();
    expect(table.find('gemm', () => 'another text', 'm 7 n 5')).toEqual(result(16).choice);
    expect(table.size).toBe(1);
  });

  it('is another file for another adapter, driver, version of Dawn or processor', async () => {
    const files = [{}, { name: 'B' }, { driver: '1.1' }, { dawn: '0.7' }, { processor: 'a' }].map((x) => open(x).file);
    expect(new Set(files).size).toBe(5);
    await open().record('gemm', text(), 'm 3 n 5', result(8));
    expect(open({ driver: '1.1' }).find('gemm', text, 'm 3 n 5')).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it("warns of another adapter's results under its name, and does not use them", async () => {
    await open().record('gemm', text(), 'm 3 n 5', result(8));
    writeFileSync(open({ driver: '1.1' }).file, readFileSync(open().file));
    expect(open({ driver: '1.1' }).find('gemm', text, 'm 3 n 5')).toBeUndefined();
    expect(warnings).toEqual([expect.stringMatching(/\.json is ignored: it was measured on another adapter/)]);
  });

  it.each([
    ['cut off', (whole: string) => whole.slice(0, whole.length / 2)],
    ['empty', () => ''],
    ['no object', () => '[]'],
    ['of another format', (whole: string) => whole.replace('frostline tuning', 'something')],
    ['without kernels', (whole: string) => JSON.stringify({ ...JSON.parse(whole), kernels: null })],
    ['with a damaged shape', (whole: string) => whole.replace('"choice"', '"chosen"')],
  ])('warns of a file that is %s, and replaces it', async (_, damage) => {
    const { file } = open();
    await open().record('gemm', text(), 'm 3 n 5', result(8));
    writeFileSync(file, damage(readFileSync(file, 'utf8')));
    const table = open();
    expect(table.find('gemm', text, 'm 3 n 5')).toBeUndefined();
    expect(warnings).toEqual([expect.stringMatching(/\.json is ignored: .* 'frostline tune' writes it anew\./)]);
    await table.record('gemm', text(), 'm 7 n 5', result(16));
    warnings = [];
    expect(open().find('gemm', text, 'm 7 n 5')).toEqual(result(16).choice);
    expect(warnings).toEqual([]);
  });

  it('has a hash of its choices alone', async () => {
    const table = open();
    await table.record('gemm', text(), 'm 3 n 5', result(8));
    const { hash } = table;
    await table.record('gemm', text(), 'm 3 n 5', { ...result(8), date: 'later', measurements: [] });
    expect(table.hash).toBe(hash);
    await table.record('gemm', text(), 'm 3 n 5', result(16));
    expect(table.hash).not.toBe(hash);
  });

  it('stays whole when several write at once', async () => {
    const shapes = Array.from({ length: 30 }, (_, i) => `m ${i}`);
    const reads: TuningTable[] = [];
    await Promise.all(
      shapes.map(async (shape) => {
        await open().record('gemm', text(), shape, result(8));
        reads.push(open());
      }),
    );
    // Results of the same moment may be lost, but no reader ever saw half a file, and no temporary file is left.
    expect(warnings).toEqual([]);
    for (const table of reads) expect(table.size).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([basename(open().file)]);
  });
});
