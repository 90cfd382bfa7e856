/** A peer's process seen from the parent: requests, time limits, and what is known when it dies. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Unsupported } from './peer.ts';
import type { Reply, Request, Results } from './protocol.ts';

/** The process ended, did not answer in time, or reported an error. */
export class PeerFailure extends Error {}

export interface PeerProcessOptions {
  /** what is run; the worker where left out */
  readonly module?: string;
  /** on top of this process's own environment */
  readonly environment?: Readonly<Record<string, string>>;
  /** seconds until an answer is no longer waited for */
  readonly timeout: number;
}

const TAIL = 2000;

export class PeerProcess {
  readonly name: string;
  private readonly child: ChildProcess;
  private readonly timeout: number;
  /** the end of what it wrote to standard error: the reason, where it dies */
  private tail = '';
  private pending: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | undefined;
  private ended: string | undefined;

  constructor(name: string, { module = workerPath(), environment = {}, timeout }: PeerProcessOptions) {
    this.name = name;
    this.timeout = timeout;
    this.child = fork(module, { env: { ...process.env, ...environment }, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.child.stderr!.on('data', (text) => {
      this.tail = (this.tail + String(text)).slice(-TAIL);
    });
    this.child.on('message', (reply: Reply) => {
      this.pending?.resolve(reply);
      this.pending = undefined;
    });
    this.child.on('error', (error) => this.end(error.message));
    // 'close' comes after the last of standard error.
    this.child.on('close', (code, signal) => this.end(`ended with ${signal ?? `exit code ${code}`}`));
  }

  /** Whether it can still be asked. */
  get alive(): boolean {
    return this.ended === undefined;
  }

  /**
   * @throws Unsupported where the framework cannot do it
   * @throws PeerFailure where the process died, did not answer in time (it is then killed), or the framework failed
   */
  async ask<K extends keyof Results>(request: Request & { readonly do: K }): Promise<Results[K]> {
    if (this.ended !== undefined) throw new PeerFailure(this.ended);
    const reply = await new Promise<Reply>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.child.kill('SIGKILL');
        this.end(`no answer to '${request.do}' in ${this.timeout} s`);
      }, 1000 * this.timeout);
      const settled = <T>(then: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      };
      this.pending = { resolve: settled(resolve), reject: settled(reject) };
      this.child.send(request, (error) => {
        if (error !== null) this.end(error.message);
      });
    });
    if ('unsupported' in reply) throw new Unsupported(reply.unsupported);
    if ('failed' in reply) throw new PeerFailure(reply.failed);
    return reply.ok as Results[K];
  }

  kill(): void {
    this.child.kill('SIGKILL');
    this.end('was stopped');
  }

  private end(reason: string): void {
    const lastLine = this.tail.trim().split('\n').at(-1) ?? '';
    this.ended ??= lastLine === '' ? reason : `${reason}: ${lastLine}`;
    this.pending?.reject(new PeerFailure(this.ended));
    this.pending = undefined;
  }
}

/** The worker beside this file, compiled or not. */
export function workerPath(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`./worker.${extension}`, import.meta.url));
}
