/**
 * What passes between `frostline bench peers` and a peer's process: one request at a time, one reply each, plain JSON.
 * Arrays do not travel; outputs are written to files.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Peer, type Prepared, Unsupported } from './peer.ts';
import { type WorkCase, workOf } from './work.ts';

export type Request =
  /** loads the framework */
  | { readonly do: 'open'; readonly peer: string; readonly root: string; readonly adapter?: string }
  /** readies a case and runs it for the first time */
  | { readonly do: 'prepare'; readonly work: WorkCase }
  /** writes the first run's outputs into a folder, as raw float32 */
  | { readonly do: 'outputs'; readonly folder: string }
  /** runs the prepared case again and again, for `warm` milliseconds that do not count and for `least` more: once at least */
  | { readonly do: 'time'; readonly least: number; readonly warm: number }
  | { readonly do: 'dispose' };

export interface Results {
  open: { version: string; adapter?: string };
  /** milliseconds of the preparation (compilation, weights) and of the first run */
  prepare: { preparation: number; first: number };
  outputs: { files: Record<string, string> };
  /** milliseconds of one run, the mean over all `runs` */
  time: { milliseconds: number; runs: number };
  dispose: Record<string, never>;
}

export type Reply =
  | { readonly ok: Results[keyof Results] }
  | { readonly unsupported: string }
  | { readonly failed: string };

/** The peer's side: answers requests in order. */
export class PeerServer {
  private peer: Peer | undefined;
  private prepared: Prepared | undefined;
  private readonly open: (peer: string, root: string, adapter?: string) => Promise<Peer>;

  /** @param open loads the framework of a name */
  constructor(open: (peer: string, root: string, adapter?: string) => Promise<Peer>) {
    this.open = open;
  }

  async answer(request: Request): Promise<Reply> {
    try {
      return { ok: await this.perform(request) };
    } catch (error) {
      if (error instanceof Unsupported) return { unsupported: error.message };
      return { failed: error instanceof Error ? error.message : String(error) };
    }
  }

  private async perform(request: Request): Promise<Results[keyof Results]> {
    switch (request.do) {
      case 'open': {
        this.peer = await this.open(request.peer, request.root, request.adapter);
        const { version, adapter } = this.peer;
        return { version, ...(adapter !== undefined && { adapter }) };
      }
      case 'prepare': {
        await this.dispose();
        const start = performance.now();
        this.prepared = await this.peer!.prepare(workOf(request.work));
        const ready = performance.now();
        await this.prepared.run();
        return { preparation: ready - start, first: performance.now() - ready };
      }
      case 'outputs': {
        const files: Record<string, string> = {};
        for (const [i, [name, values]] of [...(await this.prepared!.outputs())].entries()) {
          files[name] = join(request.folder, `${i}.f32`);
          await writeFile(files[name], values);
        }
        return { files };
      }
      case 'time': {
        const begin = performance.now();
        while (performance.now() - begin < request.warm) await this.prepared!.run();
        const start = performance.now();
        let passed = 0;
        let runs = 0;
        for (; runs === 0 || passed < request.least; runs++) {
          await this.prepared!.run();
          passed = performance.now() - start;
        }
        return { milliseconds: passed / runs, runs };
      }
      case 'dispose':
        await this.dispose();
        return {};
    }
  }

  private async dispose(): Promise<void> {
    const { prepared } = this;
    this.prepared = undefined;
    await prepared?.dispose();
  }
}
