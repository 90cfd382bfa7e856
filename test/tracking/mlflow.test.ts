/** MLflow's REST calls against a stub that keeps its rules: known experiments and runs, limits of a call. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { Mlflow } from '../../src/tracking/mlflow.ts';

interface Call {
  readonly path: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a client sent
  readonly body: any;
  readonly authorization?: string;
}

let server: Server | undefined;
afterEach(() => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())));

/** @param answer by path; undefined takes the stub's own */
async function stub(answer: (call: Call) => { status: number; body: unknown } | undefined = () => undefined) {
  const calls: Call[] = [];
  const runs = new Set<string>();
  let experiment: string | undefined;
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url!, 'http://stub');
      const path = url.pathname.replace('/api/2.0/mlflow/', '');
      const body =
        chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : Object.fromEntries(url.searchParams);
      const call = { path, body, authorization: request.headers.authorization };
      calls.push(call);
      const { status, body: said } = answer(call) ?? own(call);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said));
    });
  });
  function own({ path, body }: Call): { status: number; body: unknown } {
    const fail = (why: string) => ({ status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE', message: why } });
    if (path === 'experiments/get-by-name') {
      return experiment === body.experiment_name
        ? { status: 200, body: { experiment: { experiment_id: '7' } } }
        : { status: 404, body: { error_code: 'RESOURCE_DOES_NOT_EXIST' } };
    }
    if (path === 'experiments/create') {
      experiment = body.name;
      return { status: 200, body: { experiment_id: '7' } };
    }
    if (path === 'runs/create') {
      if (body.experiment_id !== '7') return fail('no such experiment');
      const run = `run-${runs.size + 1}`;
      runs.add(run);
      return { status: 200, body: { run: { info: { run_id: run } } } };
    }
    if (!runs.has(body.run_id)) return fail('no such run');
    if ((body.metrics ?? []).length > 1000 || (body.params ?? []).length > 100) return fail('too many at once');
    return { status: 200, body: {} };
  }
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, calls };
}

describe('MLflow', () => {
  it('makes the experiment once, a run a cell, metrics in batches, and ends them', async () => {
    const { url, calls } = await stub();
    const lost: string[] = [];
    const options = { url, experiment: 'a grid', onLoss: (text: string) => lost.push(text), env: {} };
    const tracker = await Mlflow.open(options);
    tracker.begin({ name: 'cell-a', parameters: { freeze: 'conv3', learningRate: 0.002 } });
    for (let step = 0; step < 1100; step++) tracker.scalars(step, { 'training/loss': 1 / (step + 1) });
    tracker.scalars(1100, { 'training/loss': Number.POSITIVE_INFINITY });
    tracker.end('done');
    tracker.begin({ name: 'cell-b', parameters: {}, resumedAt: 12 });
    tracker.scalars(0, { 'training/loss': 3 });
    await tracker.close();
    await (await Mlflow.open(options)).close();
    expect(lost).toEqual([]);
    expect(calls.filter(({ path }) => path === 'experiments/create')).toHaveLength(1);
    const created = calls.filter(({ path }) => path === 'runs/create').map(({ body }) => body);
    expect(created.map(({ run_name }) => run_name)).toEqual(['cell-a', 'cell-b']);
    expect(created[1].tags).toContainEqual({ key: 'resumed_at_step', value: '12' });
    const metrics = calls.flatMap(({ path, body }) => (path === 'runs/log-batch' ? (body.metrics ?? []) : []));
    expect(metrics).toHaveLength(1101);
    expect(metrics[1099]).toMatchObject({ key: 'training/loss', value: 1 / 1100, step: 1099 });
    const params = calls.flatMap(({ body }) => body.params ?? []);
    expect(params).toEqual([
      { key: 'freeze', value: 'conv3' },
      { key: 'learningRate', value: '0.002' },
    ]);
    const ends = calls.filter(({ path }) => path === 'runs/update').map(({ body }) => [body.run_id, body.status]);
    expect(ends).toEqual([
      ['run-1', 'FINISHED'],
      ['run-2', 'KILLED'],
    ]);
    // In the order of what happened: nothing of a run after its end.
    const ofFirst = calls.filter(({ body }) => body.run_id === 'run-1').map(({ path }) => path);
    expect(ofFirst.at(-1)).toBe('runs/update');
  });

  it('sends the credentials that its own clients read', async () => {
    const { url, calls } = await stub();
    const env = { MLFLOW_TRACKING_USERNAME: 'ann', MLFLOW_TRACKING_PASSWORD: 'secret' };
    await (await Mlflow.open({ url, experiment: 'x', onLoss: () => {}, env })).close();
    expect(calls[0].authorization).toBe(`Basic ${Buffer.from('ann:secret').toString('base64')}`);
  });

  it('refuses a server that is none before the training', async () => {
    const open = (url: string) => Mlflow.open({ url, experiment: 'x', onLoss: () => {}, env: {} });
    await expect(open('localhost:5000')).rejects.toThrow(/expected a server's address/);
    const { url } = await stub(() => ({ status: 403, body: { message: 'no entry' } }));
    await expect(open(url)).rejects.toThrow(/answered 403.*no entry/);
    await expect(open(url)).rejects.toThrow(FrostlineError);
  });

  it('tells once what is lost, and goes on', async () => {
    const { url } = await stub(({ path }) =>
      path === 'runs/create' ? { status: 400, body: { message: 'disk full' } } : undefined,
    );
    const lost: string[] = [];
    const tracker = await Mlflow.open({ url, experiment: 'x', onLoss: (text) => lost.push(text), env: {} });
    for (const name of ['a', 'b']) {
      tracker.begin({ name, parameters: {} });
      tracker.scalars(0, { loss: 1 });
      tracker.end('failed');
    }
    await tracker.close();
    expect(lost).toHaveLength(1);
    expect(lost[0]).toMatch(/runs\/create answered 400.*disk full.*the training goes on/s);
  });

  it('tries again where the server fails for a moment', async () => {
    let failures = 1;
    const { url, calls } = await stub(({ path }) =>
      path === 'runs/create' && failures-- > 0 ? { status: 503, body: {} } : undefined,
    );
    const lost: string[] = [];
    const tracker = await Mlflow.open({ url, experiment: 'x', onLoss: (text) => lost.push(text), env: {} });
    tracker.begin({ name: 'a', parameters: {} });
    tracker.end('diverged');
    await tracker.close();
    expect(lost).toEqual([]);
    expect(calls.filter(({ path }) => path === 'runs/create')).toHaveLength(2);
    expect(calls.at(-1)).toMatchObject({ path: 'runs/update', body: { status: 'FAILED' } });
  });
});
