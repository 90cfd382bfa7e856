/** The processes of all peers that can be had here: found, opened, and opened again where one died. */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FrostlineError } from '../../errors.ts';
import { algorithmsText, type ForcedAlgorithms } from '../../gpu/algorithms.ts';
import { OURS, type PeerEntry, type PeerName, peerEntries } from './list.ts';
import { loaderFrom } from './peer.ts';
import { PeerFailure, PeerProcess, type PeerProcessOptions } from './process.ts';
import { pythonWithTorch } from './torch.ts';

export interface FoundPeer {
  readonly name: string;
  /** on the same adapter as ours, or on the processor, for scale */
  readonly on: 'adapter' | 'processor';
  readonly version: string;
}

export interface MissingPeer {
  readonly name: string;
  readonly reason: string;
}

export interface PoolOptions extends Pick<PeerProcessOptions, 'module' | 'timeout'> {
  /** folders that may hold node_modules with the peers, the first that has them wins */
  readonly roots: readonly string[];
  /** all where left out */
  readonly only?: readonly PeerName[];
  /** the adapter as for `Gpu.open`, and its name: whoever takes another is left out */
  readonly adapter: string;
  readonly adapterName: string;
  /** that frostline is to use */
  readonly algorithms: ForcedAlgorithms;
  readonly environment: Readonly<Record<string, string>>;
}

export class PeerPool {
  readonly found: FoundPeer[] = [];
  readonly missing: MissingPeer[] = [];
  private readonly options: PoolOptions;
  private readonly roots = new Map<string, string>();
  private readonly processes = new Map<string, PeerProcess>();

  constructor(options: PoolOptions) {
    this.options = options;
  }

  /** Opens ours and every peer that is installed; the others stand in `missing` with what to do. */
  async open(): Promise<void> {
    this.roots.set(OURS, '');
    await this.start(OURS, 'adapter');
    for (const entry of peerEntries) {
      if (this.options.only?.includes(entry.name) === false) continue;
      const root = rootOf(entry, this.options.roots);
      if (root === undefined) {
        this.missing.push({ name: entry.name, reason: `not installed: ${entry.install}` });
        continue;
      }
      this.roots.set(entry.name, root);
      try {
        await this.start(entry.name, entry.on);
      } catch (error) {
        if (!(error instanceof PeerFailure)) throw error;
        this.missing.push({ name: entry.name, reason: error.message });
      }
    }
  }

  /** All processes, ours first; those that died are started anew, and stay dead where they die again. */
  async ready(): Promise<PeerProcess[]> {
    for (const { name } of this.found) {
      if (this.processes.get(name)!.alive) continue;
      await this.launch(name).catch((error: unknown) => {
        if (!(error instanceof PeerFailure)) throw error;
      });
    }
    return this.found.map(({ name }) => this.processes.get(name)!);
  }

  close(): void {
    for (const process of this.processes.values()) process.kill();
  }

  private async start(name: string, on: PeerEntry['on']): Promise<void> {
    const { version, adapter } = await this.launch(name);
    if (adapter !== undefined && adapter !== this.options.adapterName) {
      this.processes.get(name)!.kill();
      throw new PeerFailure(`took another adapter: ${adapter}`);
    }
    this.found.push({ name, on, version });
  }

  private async launch(name: string) {
    const { module, timeout, adapter, algorithms } = this.options;
    const environment = { ...this.options.environment, FROSTLINE_ALGORITHM: algorithmsText(algorithms) };
    const process = new PeerProcess(name, { module, environment, timeout });
    this.processes.set(name, process);
    return process.ask({ do: 'open', peer: name, root: this.roots.get(name)!, adapter });
  }
}

/** The first folder whose node_modules hold all packages of the peer. */
function rootOf({ packages }: PeerEntry, roots: readonly string[]): string | undefined {
  if (packages.length === 0) return pythonWithTorch() === undefined ? undefined : '';
  return roots.find((root) => {
    const resolve = loaderFrom(root).resolve;
    return packages.every((name) => {
      try {
        return resolve(name) !== undefined;
      } catch {
        return false;
      }
    });
  });
}

/**
 * Where peers are looked for: the folder given, FROSTLINE_PEERS, the working folder, this package's own.
 * @throws FrostlineError where one that was named is not there: its peers would only seem not to be installed
 */
export function peerRoots(given: string | undefined): string[] {
  const named = Object.entries({ '--peers': given, FROSTLINE_PEERS: process.env['FROSTLINE_PEERS'] });
  const folders = named.flatMap(([option, folder]) => {
    if (folder === undefined || folder === '') return [];
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [folder];
    throw new FrostlineError(
      `${option} ${folder}: there is no such folder. Give the one that 'npm install --prefix' put the peers in, ` +
        'or leave it out.',
    );
  });
  return [...folders, process.cwd(), dirname(fileURLToPath(import.meta.url))];
}
