/**
 * A function of ours that a page names is one that its reader can import, or the same paragraph or row says in which file
 * of the repository it stands.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as frostline from '../../src/index.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const list = (folder: string, end: string) =>
  readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(end))
    .map((name) => `${folder}/${name}`);

/** Names of functions by the files that export them, within the sources. */
const ours = new Map<string, string[]>();
for (const file of list('src', '.ts')) {
  const text = read(file);
  for (const [, name] of text.matchAll(/^export (?:async )?(?:function|class) (\w+)/gm)) add(name, file);
  for (const [, name] of text.matchAll(/^export const (\w+)(?:: [^=]*)? =\s*(?:async )?(?:<[^>]*>)?\(/gm))
    add(name, file);
}
function add(name: string, file: string) {
  ours.set(name, [...(ours.get(name) ?? []), file]);
}

// api.md is made of what is exported; a change's entry tells of what was.
const pages = ['README.md', 'CONTRIBUTING.md', 'examples/README.md', ...list('docs', '.md')].filter(
  (page) => page !== 'docs/api.md',
);

/** Paragraphs, list items and rows: what a path is looked for in. Code stands apart: it is compiled elsewhere. */
const passages = (page: string) =>
  read(page)
    .replace(/```[\s\S]*?```/g, '')
    .split(/\n\s*\n|\n(?=[|#-] ?)|\n(?=\d+\. )/);

/** `name(...)` wherever it stands, and `name` alone where no other thing has that name. */
const CALL = /`(?:await )?(\w+)\(/g;
const NAME = /`([a-z]+[A-Z]\w*)`/g;

describe('functions that pages name', () => {
  it.each(pages)('%s: are exported, or stand beside their file', (page) => {
    const missing = passages(page).flatMap((passage) => {
      const names = new Set([CALL, NAME].flatMap((pattern) => [...passage.matchAll(pattern)].map(([, name]) => name)));
      return [...names]
        .filter((name) => ours.has(name) && !(name in frostline))
        .filter(
          (name) =>
            !ours.get(name)!.some((file) => passage.includes(file) || passage.includes(file.slice('src/'.length))),
        )
        .map((name) => `${name}: ${ours.get(name)}`);
    });
    expect(missing).toEqual([]);
  });

  it('are no longer called what they were', () => {
    const sources = list('src', '.ts').map(read).join('\n');
    const missing = pages.flatMap((page) =>
      passages(page)
        .flatMap((passage) => [...passage.matchAll(CALL)].map(([, name]) => name))
        .filter((name) => !ours.has(name) && !new RegExp(`\\b${name}(<[^>]*>)?\\??[(:]|\\b${name} =`).test(sources))
        .map((name) => `${page}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it('are found: the sources and the pages are read', () => {
    expect(ours.size).toBeGreaterThan(500);
    expect(ours.get('checkMutations')).toEqual(['src/check/mutate.ts']);
    const called = passages('docs/own-kernels.md').flatMap((passage) =>
      [...passage.matchAll(NAME)].map(([, name]) => name),
    );
    expect(called).toEqual(expect.arrayContaining(['checkWgsl', 'defineFamily']));
  });
});
