/** The list of planted faults follows the sources: `npm run test:wiring` plants them, which takes minutes. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';

interface Fault {
  readonly fault: string;
  readonly file: string;
  readonly find: string;
  readonly put: string;
  readonly tests: readonly string[];
  readonly survives?: string;
}

const root = join(import.meta.dirname, '..', '..');
const faults: Fault[] = parse(readFileSync(join(import.meta.dirname, 'faults.yaml'), 'utf8'));

it.each(faults)('$fault ($file)', ({ file, find, put, tests }) => {
  const places = readFileSync(join(root, file), 'utf8').split(find).length - 1;
  expect(places, `'${find}' stands in ${file}; where the source has changed, test/wiring/faults.yaml follows`).toBe(1);
  expect(put).not.toBe(find);
  for (const test of tests) expect(existsSync(join(root, test)), test).toBe(true);
});

it('there are some in every part', () => {
  for (const part of ['operators', 'graph', 'train', 'data', 'models', 'report']) {
    expect(faults.filter(({ file }) => file.startsWith(`src/${part}/`)).length, part).toBeGreaterThanOrEqual(5);
  }
});
