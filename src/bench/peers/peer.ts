/** What a framework must do to be measured beside frostline. Each runs in a process of its own: worker.ts. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import type { Work } from './work.ts';

/** The case cannot be had from this framework; the message says why. */
export class Unsupported extends Error {}

export interface Peer {
  /** the framework's version */
  readonly version: string;
  /** the adapter's name, where the framework says which one it took */
  readonly adapter?: string;
  /** @throws Unsupported where the framework has no such operation */
  prepare(work: Work): Promise<Prepared>;
}

export interface Prepared {
  /**
   * Runs once, from inputs that lie where the framework wants them, until all is done: a forward pass when its output is
   * on the host, a gradient or a training step when the device has finished.
   */
  run(): Promise<void>;
  /**
   * What the first run made, row-major in our order of dimensions, by name. Forward: `output`; gradients: `gradient`;
   * training: `loss`, and what the step changed in the first and the last weight, `change of NAME`.
   */
  outputs(): Promise<Map<string, Float32Array>>;
  dispose(): void | Promise<void>;
}

/** Loads a package of the peer's as CommonJS: two packages then share one copy of what both need. */
export interface Load {
  <T>(name: string): T;
  /** the file it would load; throws where there is none */
  resolve(name: string): string;
}

/** @param root a folder with node_modules */
export function loaderFrom(root: string): Load {
  return createRequire(join(resolve(root), 'noname.js')) as Load;
}

/** The version in a package's package.json, which it need not export. */
export function versionOf(load: Load, name: string): string {
  for (let folder = dirname(load.resolve(name)); ; folder = dirname(folder)) {
    const path = join(folder, 'package.json');
    if (existsSync(path)) {
      const { name: found, version } = JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
      if (found === name && version !== undefined) return version;
    }
    if (folder === dirname(folder)) return 'unknown';
  }
}
