/**
 * The report of a grid while it runs: a server on this machine alone, whose page changes with the folder. The page is the
 * report's, plus the few lines that fetch it anew; what the reader has opened stays open.
 */
import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { FrostlineError, withoutNote } from '../errors.ts';
import { frostlineVersion } from '../version.ts';
import { reportHtml } from './html.ts';
import { readReport } from './input.ts';
import { html } from './markup.ts';
import { page } from './page.ts';
import { PLAN, RESULTS } from './read.ts';

export interface WatchOptions {
  /** 0 takes a free one */
  readonly port: number;
  /** milliseconds between two looks at the folder; 2000 unless given */
  readonly every?: number;
}

export interface Watching {
  readonly url: string;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

/** In the served page only: the report's own file has no script. */
const script = /* js */ `
new EventSource('changes').onmessage = async () => {
  const response = await fetch(location.pathname, { cache: 'no-store' });
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  const open = new Map([...document.querySelectorAll('details')].map((d) => [d.querySelector('summary').textContent, d.open]));
  for (const details of fresh.querySelectorAll('details')) {
    const was = open.get(details.querySelector('summary').textContent);
    if (was !== undefined) details.open = was;
  }
  document.title = fresh.title;
  document.querySelector('main').replaceWith(fresh.querySelector('main'));
};
`;

/**
 * @param folder a grid's; it need not be there yet
 * @throws FrostlineError where the port is taken
 */
export async function watchGrid(folder: string, { port, every = 2000 }: WatchOptions): Promise<Watching> {
  const readers = new Set<ServerResponse>();
  let seen = await fingerprint(folder);
  let made: { of: string; page: Promise<string> } | undefined;
  const current = () => {
    if (made?.of !== seen) made = { of: seen, page: render(folder) };
    return made.page;
  };
  let looking = false;
  const clock = setInterval(async () => {
    if (looking) return;
    looking = true;
    try {
      const now = await fingerprint(folder);
      if (now !== seen) {
        seen = now;
        for (const reader of readers) reader.write('data: changed\n\n');
      }
    } finally {
      looking = false;
    }
  }, every);
  const server = createServer((request, response) => {
    answer(request, response, { current, readers }).catch((error: Error) => {
      response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end(String(error.stack));
    });
  });
  const stop = () => {
    clearInterval(clock);
    for (const reader of readers) reader.end();
    server.closeAllConnections();
  };
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, HOST, resolve);
    });
  } catch (error) {
    stop();
    const { code } = error as NodeJS.ErrnoException;
    throw new FrostlineError(`--port ${port}: cannot listen there (${code}). Give another one, or 0 for a free one.`);
  }
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        stop();
      }),
  };
}

interface Served {
  current(): Promise<string>;
  readonly readers: Set<ServerResponse>;
}

async function answer(request: IncomingMessage, response: ServerResponse, { current, readers }: Served): Promise<void> {
  // A page of another site that has its name point here would read the report under that name.
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  if (host !== HOST && host !== 'localhost') {
    response.writeHead(403, { 'content-type': 'text/plain' }).end(`open it as ${HOST}\n`);
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  const path = new URL(request.url ?? '/', 'http://x').pathname;
  if (path === '/changes') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write('retry: 2000\n\n');
    readers.add(response);
    request.on('close', () => readers.delete(response));
    return;
  }
  if (path !== '/') {
    response.writeHead(path === '/favicon.ico' ? 204 : 404).end();
    return;
  }
  const nonce = randomBytes(16).toString('base64');
  const text = (await current()).replace('</body>', `<script nonce="${nonce}">${script}</script>\n</body>`);
  response
    .writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'; connect-src 'self'`,
    })
    .end(request.method === 'HEAD' ? undefined : text);
}

/** The report, or what stands in its way, as a page. */
async function render(folder: string): Promise<string> {
  try {
    return await reportHtml(await readReport(folder));
  } catch (error) {
    if (!(error instanceof FrostlineError)) throw error;
    const started = (await stat(join(folder, PLAN)).catch(() => undefined)) !== undefined;
    const said = started ? withoutNote(error.message) : `Waiting for a sweep to begin in ${folder}.`;
    return page({
      title: folder,
      version: frostlineVersion,
      sections: [html`<h1>${folder}</h1><p class="lead">${said}</p>`],
      footer: html`frostline ${frostlineVersion}`,
    });
  }
}

/** What the report is made from, by times and sizes. */
async function fingerprint(folder: string): Promise<string> {
  const cells = await readdir(join(folder, 'cells')).catch(() => [] as string[]);
  const files = [PLAN, RESULTS, 'pictures.json', ...cells.sort().map((cell) => join('cells', cell, 'result.json'))];
  const states = await Promise.all(
    files.map(async (file) => {
      const found = await stat(join(folder, file)).catch(() => undefined);
      return found && `${file} ${found.mtimeMs} ${found.size}`;
    }),
  );
  return states.filter(Boolean).join('\n');
}
