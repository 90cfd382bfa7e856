import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { temporaryFolder, writeImage } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();
const inspect = (...args: string[]) => run(registry, 'dataset', 'inspect', ...args);

beforeAll(async () => {
  for (const name of ['good/cat', 'good/dog', 'bad/cat', 'bad/dog']) mkdirSync(at(name), { recursive: true });
  for (let i = 0; i < 3; i++) {
    await writeImage(at(`good/cat/${i}.png`), i, 20);
    await writeImage(at(`good/dog/${i}.png`), 10 + i, i === 0 ? 24 : 20);
  }
  for (const name of ['0.png', '1.png']) copyFileSync(at(`good/cat/${name}`), at(`bad/cat/${name}`));
  copyFileSync(at('good/cat/0.png'), at('bad/dog/same.png'));
  writeFileSync(at('bad/dog/cut.png'), readFileSync(at('good/dog/1.png')).subarray(0, 300));
  writeFileSync(at('bad/dog/notes.txt'), 'no image');
});

describe('frostline dataset inspect', () => {
  it('prints counts and sizes', async () => {
    const { code, stdout, stderr } = await inspect(at('good'));
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^good: 6 images, 2 classes/);
    expect(stdout).toMatch(/\n {2}cat {2}3\n {2}dog {2}3\n/);
    expect(stdout).toMatch(/height +20 to 24\n/);
    expect(stdout).toMatch(/sizes +2 different, the most common 20 x 20 \(5 images\)\n/);
    expect(stdout).toMatch(/channels +3 \(6 images\)\n/);
    expect(stdout).toMatch(/no problems\n$/);
  });

  it('reports what is wrong, and exits with 1', async () => {
    const { code, stdout, stderr } = await inspect(at('bad'));
    expect(code).toBe(1);
    expect(stdout).toMatch(/cannot be read:\n {2}dog\/cut\.png: /);
    expect(stdout).toMatch(/more than once:\n {2}cat\/0\.png, dog\/same\.png {2}\(under different labels\)\n/);
    expect(stdout).toMatch(/left out:\n {2}dog\/notes\.txt: not an image/);
    expect(stdout).toMatch(/problems:\n {2}class 'cat' has 2 images, expected 3 or more\n/);
    expect(stdout).toMatch(/\n {2}1 image cannot be read\n/);
    expect(stderr).toMatch(/5 problems/);
  });

  it('prints JSON', async () => {
    const { stdout: json } = await inspect(at('good'), '--json', '--format', 'folder');
    expect(JSON.parse(json)).toMatchObject({
      count: 6,
      classes: [
        { name: 'cat', count: 3 },
        { name: 'dog', count: 3 },
      ],
      sizes: { height: { min: 20, max: 24 }, different: 2 },
      problems: [],
    });
  });

  it.each([
    [['nowhere'], /nowhere does not exist/],
    [['good', '--delimiter', ';', '--format', 'folder'], /--delimiter does not apply to format 'folder'/],
    [['good', '--exclude', 'cow'], /no class 'cow' in .*; its classes are cat, dog/],
    [['good', '--format', 'folders'], /--format: found "folders"/],
  ])('refuses %j', async ([folder, ...options], message) => {
    const { code, stdout, stderr } = await inspect(at(folder), ...options);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, '']);
  });
});
