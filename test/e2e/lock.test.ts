/** `npm ci` refuses a lock file that lacks a package of any system, whichever system it runs on. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Entry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly inBundle?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const read = (name: string) => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'));
const { packages } = read('package-lock.json') as { packages: Readonly<Record<string, Entry>> };

/** Where Node would find `name` from `place`: the folder itself, then each above it. */
function locate(place: string, name: string): string | undefined {
  const folders =
    place === ''
      ? []
      : place.split('/node_modules/').map((_, i, parts) => parts.slice(0, i + 1).join('/node_modules/'));
  return ['', ...folders.map((folder) => `${folder}/`)]
    .map((folder) => `${folder}node_modules/${name}`)
    .findLast((candidate) => candidate in packages);
}

test('the lock file holds every package that a locked one names, those of other systems too', () => {
  const missing = Object.entries(packages).flatMap(([place, entry]) =>
    Object.keys({ ...entry.dependencies, ...entry.devDependencies, ...entry.optionalDependencies })
      .filter((name) => locate(place, name) === undefined)
      .map((name) => `${name}, of ${place || 'the project'}`),
  );
  expect(missing).toEqual([]);
});

test('the lock file agrees with package.json, pins contents and names no registry', () => {
  const { dependencies, devDependencies, optionalDependencies } = read('package.json') as Entry;
  expect(packages['']).toMatchObject({ dependencies, devDependencies, optionalDependencies });
  for (const [place, { integrity, resolved, inBundle }] of Object.entries(packages)) {
    if (place === '' || inBundle) continue;
    expect(integrity, place).toMatch(/^sha512-/);
    expect(resolved, place).toBeUndefined();
  }
});
