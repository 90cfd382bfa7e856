/** What pages and comments call files of this repository is there. */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const folders = ['src', 'test', 'docs', 'scripts', 'examples', 'bench', 'weights', 'samples', 'bin'];
const files = [
  ...readdirSync(root).filter((name) => /\.(md|json|ts|cjs)$/.test(name)),
  ...folders.flatMap((folder) =>
    readdirSync(new URL(`${folder}/`, root), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => posix.join(posix.relative(root.pathname, entry.parentPath), entry.name)),
  ),
];
const known = new Set(files);
for (const file of files) {
  for (let folder = posix.dirname(file); folder !== '.'; folder = posix.dirname(folder)) known.add(folder);
}

/** A source file or page, by whatever part of its path; or a folder, from the top. */
const FILE = /(?<![\w./@-])((?:\.{1,2}\/)*(?:[\w-]+\/)*[\w-][\w.-]*\.(?:ts|mjs|py|sh|md|yaml))(?![\w/-])/g;
const FOLDER = /(?<![\w./@-])((?:src|test|docs|scripts)(?:\/[\w-]+)+)\/?(?![\w./*-])/g;
/** In capitals a placeholder; then what runs write, and what others have. */
const ELSEWHERE = /\b[A-Z]{3,}\b|MODEL_CARD\.md|ExternalData\.md|^(sweep|mine)\.yaml$|submit\.sh$|^test\/\d/;

const isThere = (path: string, page: string) =>
  known.has(posix.join(posix.dirname(page), path)) ||
  (!path.startsWith('.') &&
    (known.has(path) ||
      known.has(`src/${path}`) ||
      (!path.includes('/') && files.some((one) => one.endsWith(`/${path}`)))));

const comment = (line: string) => (/^\s*(?:\/\*\*?|\*|\/\/)(.*)$/.exec(line) ?? /\s\/\/ (.*)$/.exec(line))?.[1] ?? '';

describe.each(['md', 'ts', 'mjs'])('.%s', (extension) => {
  // CHANGELOG.md tells of what was; docs/api.md is made of declarations.
  const pages = files.filter((file) => file.endsWith(`.${extension}`) && !/CHANGELOG|api\.md$/.test(file));

  it('names no file that is not there', () => {
    const missing = pages.flatMap((page) => {
      const lines = readFileSync(new URL(page, root), 'utf8').split('\n');
      return lines.flatMap((line, i) => {
        const text = extension === 'md' ? line : comment(line);
        const paths = [FILE, FOLDER].flatMap((pattern) => [...text.matchAll(pattern)].map(([, path]) => path));
        return paths
          .filter((path) => !ELSEWHERE.test(path) && !isThere(path, page))
          .map((path) => `${page}:${i + 1}: ${path}`);
      });
    });
    expect(missing).toEqual([]);
  });
});
