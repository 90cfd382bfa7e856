import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  listWeights,
  manifest,
  type Progress,
  pullWeights,
  resolveModel,
  verifyWeights,
  type WeightsEntry,
} from '../../src/models/zoo.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { Random } from '../../src/random.ts';
import { bvlcAlexnet } from './zoo-graphs.ts';

const random = new Random(5);
const content = Buffer.from(Uint8Array.from({ length: 300_007 }, () => random.integer(256)));
const entry: WeightsEntry = {
  name: 'tiny',
  file: 'tiny.onnx',
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
  opset: 13,
  operators: ['Conv', 'Relu'],
  preprocessing: 'torchvision',
  addresses: ['http://nowhere.invalid/tiny.onnx'],
};

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-zoo-'));
afterAll(() => fs.rmSync(root, { recursive: true }));

/** A server on the loopback interface; each path behaves as a server may. */
let server: http.Server;
let base: string;
let requests: { path: string; range?: string }[];
let folder: string;

beforeEach(async () => {
  requests = [];
  folder = fs.mkdtempSync(path.join(root, 'pull-'));
  server = http.createServer((request, response) => {
    const { range } = request.headers;
    requests.push({ path: request.url!, range });
    const start = range ? Number(/bytes=(\d+)-/.exec(range)![1]) : 0;
    const send = (body: Buffer, from: number) => {
      response.writeHead(from > 0 ? 206 : 200, {
        'content-length': body.length - from,
        ...(from > 0 && { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
      });
      return body.subarray(from);
    };
    switch (request.url) {
      case '/good':
        return response.end(send(content, start));
      case '/no-range':
        return response.end(send(content, 0));
      case '/breaks-off': {
        const rest = send(content, start);
        return response.write(rest.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50));
      }
      case '/other-file':
        return response.end(send(Buffer.alloc(content.length, 7), start));
      case '/short':
        return response.end('version https://git-lfs.github.com/spec/v1\n');
      case '/silent':
        return;
      case '/stalls':
        return response.write(send(content, start).subarray(0, 100_000));
      case '/endless':
        response.writeHead(200);
        return response.end(Buffer.concat([content, content]));
      default:
        response.writeHead(404);
        return response.end('not here');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

function pull(paths: string[], onProgress?: (progress: Progress) => void, patience?: number): Promise<string> {
  const addresses = paths.map((p) => base + p);
  return pullWeights('tiny', { folder, manifest: [entry], addresses, onProgress, patience });
}

const target = () => path.join(folder, 'tiny.onnx');
const part = () => `${target()}.part`;

describe('pull', () => {
  it('fetches, checks and names the file, with progress', async () => {
    const seen: Progress[] = [];
    expect(await pull(['/good'], (progress) => seen.push(progress))).toBe(target());
    expect(fs.readFileSync(target()).equals(content)).toBe(true);
    expect(fs.existsSync(part())).toBe(false);
    expect(seen[0].received).toBe(0);
    expect(seen.at(-1)).toEqual({ received: content.length, total: content.length, address: `${base}/good` });
    expect(seen.every(({ received }, i) => i === 0 || received > seen[i - 1].received)).toBe(true);
  });

  it('does not fetch again what is there', async () => {
    await pull(['/good']);
    await pull(['/good']);
    expect(requests).toHaveLength(1);
  });

  it('continues where an earlier try broke off', async () => {
    await expect(pull(['/breaks-off'])).rejects.toThrow(/could not be fetched/);
    const kept = fs.statSync(part()).size;
    expect(kept).toBeGreaterThan(0);
    expect(fs.existsSync(target())).toBe(false);
    await pull(['/good']);
    expect(requests.at(-1)).toEqual({ path: '/good', range: `bytes=${kept}-` });
    expect(fs.readFileSync(target()).equals(content)).toBe(true);
  });

  it('continues at the next address', async () => {
    await pull(['/breaks-off', '/good']);
    expect(requests[1].range).toMatch(/^bytes=\d+-$/);
    expect(fs.readFileSync(target()).equals(content)).toBe(true);
  });

  it.each(['/silent', '/stalls'])('gives up an address that sends nothing any more: %s', async (address) => {
    await expect(pull([address], undefined, 0.2)).rejects.toThrow(/nothing came for 0\.2 s/);
    await pull([address, '/good'], undefined, 0.2);
    expect(requests.at(-1)!.path).toBe('/good');
    expect(fs.readFileSync(target()).equals(content)).toBe(true);
    server.closeAllConnections();
  });

  it('starts again where the server does not continue', async () => {
    fs.writeFileSync(part(), content.subarray(0, 1234));
    await pull(['/no-range']);
    expect(fs.readFileSync(target()).equals(content)).toBe(true);
  });

  it('starts again when what lay there was wrong', async () => {
    fs.writeFileSync(part(), Buffer.alloc(5000, 1));
    await pull(['/good']);
    expect(requests.map(({ range }) => range)).toEqual(['bytes=5000-', undefined]);
    expect(fs.readFileSync(target()).equals(content)).toBe(true);
  });

  it('takes a part that is whole already without asking', async () => {
    fs.writeFileSync(part(), content);
    await pull(['/good']);
    expect(requests).toEqual([]);
    expect(fs.existsSync(target())).toBe(true);
  });

  it('never gives its name to another file', async () => {
    await expect(pull(['/other-file'])).rejects.toThrow(new RegExp(`sha256 is .*${entry.sha256} is expected`));
    await expect(pull(['/short'])).rejects.toThrow(/offers 43 bytes, 300007 are expected/);
    await expect(pull(['/endless'])).rejects.toThrow(/more than the expected|offers/);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('goes on to the second address after a 404 and after a wrong sum', async () => {
    await pull(['/missing', '/other-file', '/good']);
    expect(requests.map(({ path }) => path)).toEqual(['/missing', '/other-file', '/good']);
    expect(fs.readFileSync(target()).equals(content)).toBe(true);
  });

  it('says what to do by hand when nobody answers', async () => {
    await new Promise((resolve) => server.close(resolve));
    const said = await pull(['/good']).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(said).toContain('ECONNREFUSED');
    expect(said).toContain('Download tiny.onnx by hand (300007 bytes');
    expect(said).toContain(entry.sha256);
    expect(said).toContain(entry.addresses[0]);
    expect(said).toContain(path.resolve(target()));
    server.listen(0);
  });

  it('refuses a folder below a file, asking nobody', async () => {
    fs.writeFileSync(path.join(folder, 'file'), 'mine');
    const below = pullWeights('tiny', { folder: path.join(folder, 'file', 'below'), manifest: [entry] });
    await expect(below).rejects.toThrow(/cannot write to .*below: ENOTDIR/);
    expect(requests).toEqual([]);
  });

  it('leaves another file of that name alone', async () => {
    fs.writeFileSync(target(), 'mine');
    await expect(pull(['/good'])).rejects.toThrow(/is not the zoo's tiny/);
    expect(fs.readFileSync(target(), 'utf8')).toBe('mine');
  });
});

describe('the manifest', () => {
  it('knows every float32 file, with unique names, files and sums', () => {
    const files = manifest();
    expect(files).toHaveLength(37);
    for (const key of ['name', 'file', 'sha256'] as const) {
      expect(new Set(files.map((file) => file[key])).size, key).toBe(files.length);
    }
    expect(files.find(({ name }) => name === 'bvlcalexnet-12')).toMatchObject({
      bytes: 243863787,
      sha256: '6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945',
      preprocessing: 'caffe-bgr',
    });
  });

  it('says of each whether it can be run as of today', () => {
    const unsupported = listWeights(folder).filter((listed) => listed.unsupported !== undefined);
    expect(unsupported).toEqual([]);
    const [listed] = listWeights(folder, [{ ...entry, operators: ['Conv', 'Einsum', 'Loop'] }]);
    expect(listed.unsupported).toEqual(['Einsum', 'Loop']);
    // What their graphs consist of, as they are built for other tests.
    const operators = (name: string) => manifest().find((file) => file.name === name)!.operators;
    const used = (model: OnnxModel) => [...new Set(model.graph.nodes.map(({ opType }) => opType))].sort();
    expect(operators('bvlcalexnet-12')).toEqual(used(bvlcAlexnet(12)));
    expect(operators('caffenet-7')).toEqual(used(bvlcAlexnet(7, true)));
  });

  it('lists what is there only at its full size', () => {
    fs.writeFileSync(path.join(folder, 'vgg16-7.onnx'), 'short');
    expect(listWeights(folder).every((listed) => listed.path === undefined)).toBe(true);
  });

  it('resolves paths, and tells the nearest name', () => {
    fs.writeFileSync(path.join(folder, 'mine.onnx'), 'x');
    expect(resolveModel(path.join(folder, 'mine.onnx'))).toBe(path.join(folder, 'mine.onnx'));
    expect(() => resolveModel('vgg16-12', folder)).toThrow(/weights pull vgg16-12/);
    expect(() => resolveModel('bvlcalexnet12', folder)).toThrow(/Did you mean 'bvlcalexnet-12'/);
  });

  it('verifies a file by its sum', async () => {
    const file = path.join(folder, 'some.onnx');
    fs.writeFileSync(file, 'abc');
    expect(await verifyWeights(resolveModel('alexnet-small'))).toMatchObject({ shipped: 'alexnet-small' });
    expect(await verifyWeights(file)).toEqual({
      file,
      bytes: 3,
      // FIPS 180-2, appendix B.1
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      entry: undefined,
    });
  });
});
