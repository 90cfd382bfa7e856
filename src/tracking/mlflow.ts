/**
 * MLflow by its REST API (version 2.0): an experiment for a grid, a run for each of its cells. Nothing is waited for
 * while training goes on; a server that goes away in between loses what it does not get, which is told, and never ends
 * the training.
 */
import { setTimeout } from 'node:timers/promises';
import { FrostlineError } from '../errors.ts';
import type { RunStatus, Scalars, TrackedRun, Tracker } from './tracker.ts';

/** Of one call of runs/log-batch. */
const METRICS_A_CALL = 1000;
const PARAMETERS_A_CALL = 100;
/** Characters of a parameter's value that every version takes. */
const LONGEST = 500;
const TIMEOUT = 15_000;
/** Milliseconds before a call that failed is tried again. */
const WAITS = [500, 2000];

const STATUS: Readonly<Record<RunStatus, string>> = {
  done: 'FINISHED',
  diverged: 'FAILED',
  failed: 'FAILED',
  interrupted: 'KILLED',
};

interface Metric {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
}

export interface MlflowOptions {
  /** The server's address, as MLflow's own clients take it. */
  readonly url: string;
  readonly experiment: string;
  /** Told what is lost. */
  readonly onLoss: (text: string) => void;
  /** For the names and secrets that MLflow's clients read: MLFLOW_TRACKING_TOKEN, _USERNAME, _PASSWORD. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export class Mlflow implements Tracker {
  private readonly server: Server;
  private readonly experiment: string;
  private readonly onLoss: (text: string) => void;
  /** Calls in their order; each waits for the one before it. */
  private queue: Promise<void> = Promise.resolve();
  private run: Promise<string | undefined> | undefined;
  private metrics: Metric[] = [];
  private lost = false;

  private constructor(server: Server, experiment: string, onLoss: (text: string) => void) {
    this.server = server;
    this.experiment = experiment;
    this.onLoss = onLoss;
  }

  /**
   * Finds or makes the experiment.
   * @throws FrostlineError where there is no such server, before hours of training
   */
  static async open({ url, experiment, onLoss, env = process.env }: MlflowOptions): Promise<Mlflow> {
    const server = new Server(url, env);
    const name = { experiment_name: experiment };
    const found = await server.call('GET', 'experiments/get-by-name', name).catch((error: unknown) => {
      if (error instanceof Refused && error.status === 404) return undefined;
      throw error;
    });
    const id =
      (found?.['experiment'] as { experiment_id?: string } | undefined)?.experiment_id ??
      (await server.call('POST', 'experiments/create', { name: experiment }))['experiment_id'];
    if (typeof id !== 'string') {
      throw new FrostlineError(`--mlflow ${url}: the answer names no experiment_id. Is this a server of MLflow?`);
    }
    return new Mlflow(server, id, onLoss);
  }

  begin({ name, parameters, resumedAt }: TrackedRun): void {
    const time = Date.now();
    this.run = this.enqueue(async () => {
      const tags = [
        { key: 'mlflow.source.name', value: 'frostline' },
        ...(resumedAt === undefined ? [] : [{ key: 'resumed_at_step', value: String(resumedAt) }]),
      ];
      const answer = await this.server.call('POST', 'runs/create', {
        experiment_id: this.experiment,
        run_name: name,
        start_time: time,
        tags,
      });
      const id = (answer['run'] as { info?: { run_id?: string } } | undefined)?.info?.run_id;
      if (id === undefined) throw new FrostlineError('runs/create names no run_id');
      const all = Object.entries(parameters).map(([key, value]) => ({ key, value: String(value).slice(0, LONGEST) }));
      for (let first = 0; first < all.length; first += PARAMETERS_A_CALL) {
        const params = all.slice(first, first + PARAMETERS_A_CALL);
        await this.server.call('POST', 'runs/log-batch', { run_id: id, params });
      }
      return id;
    });
  }

  scalars(step: number, values: Scalars): void {
    const timestamp = Date.now();
    for (const [key, value] of Object.entries(values)) {
      // JSON has no other numbers; the run's status tells of them.
      if (Number.isFinite(value)) this.metrics.push({ key, value, timestamp, step });
    }
    if (this.metrics.length >= METRICS_A_CALL) this.flush();
  }

  end(status: RunStatus): void {
    const { run } = this;
    if (run === undefined) return;
    this.flush();
    const end = Date.now();
    void this.enqueue(async () => {
      const id = await run;
      if (id === undefined) return;
      if (status === 'diverged') {
        await this.server.call('POST', 'runs/set-tag', { run_id: id, key: 'frostline.status', value: status });
      }
      await this.server.call('POST', 'runs/update', { run_id: id, status: STATUS[status], end_time: end });
    });
    this.run = undefined;
  }

  async close(): Promise<void> {
    this.end('interrupted');
    await this.queue;
  }

  private flush(): void {
    const { run, metrics } = this;
    this.metrics = [];
    for (let first = 0; first < metrics.length; first += METRICS_A_CALL) {
      const part = metrics.slice(first, first + METRICS_A_CALL);
      void this.enqueue(async () => {
        const id = await run;
        if (id !== undefined) await this.server.call('POST', 'runs/log-batch', { run_id: id, metrics: part });
      });
    }
  }

  /** Runs a call after those before it. @returns nothing where it failed, which is told once */
  private enqueue<T>(call: () => Promise<T>): Promise<T | undefined> {
    const result = this.queue.then(call).catch((error: Error) => {
      if (!this.lost)
        this.onLoss(`mlflow: ${error.message}; the training goes on, and its metrics there are not whole`);
      this.lost = true;
      return undefined;
    });
    this.queue = result.then(() => {});
    return result;
  }
}

/** The server answered, and refused. */
class Refused extends FrostlineError {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

class Server {
  private readonly base: string;
  private readonly url: string;
  private readonly headers: Readonly<Record<string, string>>;

  constructor(url: string, env: Readonly<Record<string, string | undefined>>) {
    if (!/^https?:\/\/[^\s/]/.test(url)) {
      throw new FrostlineError(`--mlflow ${url}: expected a server's address, such as http://127.0.0.1:5000.`);
    }
    this.url = url;
    this.base = `${url.replace(/\/+$/, '')}/api/2.0/mlflow/`;
    const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password } = env;
    const basic = user === undefined ? undefined : Buffer.from(`${user}:${password ?? ''}`).toString('base64');
    const authorization = token ? `Bearer ${token}` : basic && `Basic ${basic}`;
    this.headers = { 'content-type': 'application/json', ...(authorization && { authorization }) };
  }

  /** Tries again where the network or the server fails; an answer that refuses is final. */
  async call(method: 'GET' | 'POST', path: string, body: Record<string, unknown>): Promise<Record<string, unknown>> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.once(method, path, body);
      } catch (error) {
        const final = error instanceof Refused && error.status < 500 && error.status !== 429;
        if (final || attempt === WAITS.length) throw error;
        await setTimeout(WAITS[attempt]);
      }
    }
  }

  private async once(method: 'GET' | 'POST', path: string, body: Record<string, unknown>) {
    const query = method === 'GET' ? `?${new URLSearchParams(body as Record<string, string>)}` : '';
    let response: Response;
    try {
      response = await fetch(`${this.base}${path}${query}`, {
        method,
        headers: this.headers,
        signal: AbortSignal.timeout(TIMEOUT),
        ...(method === 'POST' && { body: JSON.stringify(body) }),
      });
    } catch (error) {
      const { message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
      throw new FrostlineError(
        `--mlflow ${this.url}: no answer (${cause?.code ?? message}). Start the server, or correct the address.`,
      );
    }
    const text = await response.text();
    if (!response.ok) {
      throw new Refused(
        `--mlflow ${this.url}: ${path} answered ${response.status}: ${text.slice(0, 300)}`,
        response.status,
      );
    }
    try {
      return JSON.parse(text) as Record<string, unknown>;
    } catch {
      throw new Refused(`--mlflow ${this.url}: ${path} answered no JSON. Is this a server of MLflow?`, response.status);
    }
  }
}
