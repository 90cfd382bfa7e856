/** What `npm start` and `npm test` need on a fresh clone: dependencies and the build. Plain JavaScript, node alone. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Runs a command in the project's root; the script ends with its exit code where it fails. */
export function run(command, args, options = {}) {
  const { status, error, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? (signal === 'SIGINT' ? 130 : 1));
}

/** Runs npm, the one that runs this script where there is one. */
export function npm(args) {
  const path = process.env.npm_execpath;
  if (path?.endsWith('.js')) run(process.execPath, [path, ...args]);
  else run('npm', args, { shell: process.platform === 'win32' });
}

const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Installs when node_modules is missing or older than the lock file. */
export function install() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (modified(installed) >= modified(join(root, 'package-lock.json'))) return;
  console.error('Installing dependencies ...');
  // No dependency needs its install script. Not in .npmrc: npm pack would then run no prepack either, and pack no build.
  npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev', '--include=optional']);
}

function newest(folder) {
  return Math.max(
    ...readdirSync(folder, { withFileTypes: true }).map((entry) =>
      entry.isDirectory() ? newest(join(folder, entry.name)) : modified(join(folder, entry.name)),
    ),
  );
}

/** Compiles src to dist when a source is newer. */
export function build() {
  const stamp = join(root, 'dist', '.tsbuildinfo');
  if (existsSync(stamp) && modified(stamp) >= Math.max(newest(join(root, 'src')), modified(join(root, 'package.json'))))
    return;
  console.error('Building ...');
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json']);
}

/** Brings a generated file into the form that the lint command asks for. */
export function formatted(file) {
  run(process.execPath, [join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'), 'check', '--write', file]);
}
