/** The server of a running grid's report, without a browser: what it serves, to whom, and what it refuses. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Watching, watchGrid } from '../../src/report/watch.ts';
import { writeReport } from '../../src/report/write.ts';
import { sampleGrid } from './grid.ts';

let folder: string;
let watching: Watching;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-watch-'));
  watching = await watchGrid(folder, { port: 0, every: 20 });
});
afterAll(async () => {
  await watching.close();
  await rm(folder, { recursive: true, force: true });
});

function ask(path: string, { method = 'GET', host }: { method?: string; host?: string } = {}) {
  return new Promise<{ status: number; text: string; policy?: string }>((resolve, reject) => {
    const asked = request(new URL(path, watching.url), { method, headers: host ? { host } : {} }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      const policy = response.headers['content-security-policy'] as string | undefined;
      response.on('end', () => resolve({ status: response.statusCode!, text, policy }));
    });
    asked.on('error', reject).end();
  });
}

describe('frostline watch', () => {
  it('listens on the loopback interface alone', () => {
    expect(watching.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  });

  it('waits for a sweep, and tells when the folder changes', async () => {
    expect((await ask('/')).text).toContain('Waiting for a sweep to begin');
    const changed = new Promise<string>((resolve, reject) => {
      request(new URL('/changes', watching.url), (response) => {
        response.on('data', (chunk) => {
          if (String(chunk).includes('data:')) {
            response.destroy();
            resolve(String(chunk));
          }
        });
      })
        .on('error', reject)
        .end();
    });
    await writeReport(folder, { grid: sampleGrid() });
    expect(await changed).toContain('data: changed');
    const { status, text, policy } = await ask('/');
    expect(status).toBe(200);
    expect(text).toContain('How deep to freeze alexnet-small');
    const nonce = text.match(/<script nonce="([^"]+)"/)![1];
    expect(policy).toContain(`'nonce-${nonce}'`);
    expect(policy).toContain("default-src 'none'");
  });

  it.each([
    ['/', { host: 'evil.example:80' }, 403],
    ['/', { method: 'POST' }, 405],
    ['/results.json', {}, 404],
    ['/..%2f..%2fetc/passwd', {}, 404],
    ['/favicon.ico', {}, 204],
    ['/', { host: 'localhost:1' }, 200],
  ])('%s %o: %i', async (path, options, status) => {
    expect((await ask(path, options)).status).toBe(status);
  });

  it('names a port that is taken', async () => {
    const port = Number(new URL(watching.url).port);
    await expect(watchGrid(folder, { port })).rejects.toThrow(`--port ${port}: cannot listen there (EADDRINUSE)`);
  });
});
