import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { temporaryFolder, writeTiny } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();
const weights = (...args: string[]) => run(registry, 'weights', ...args);

describe('frostline weights', () => {
  it('alone prints its commands', async () => {
    for (const args of [[], ['--help']]) {
      const { code, stdout, stderr } = await weights(...args);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(
        /Usage: frostline weights COMMAND[\s\S]*weights list[\s\S]*weights pull[\s\S]*weights verify/,
      );
    }
    const { code, stderr } = await weights('pul', 'x');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/unknown command 'weights pul'; the nearest is 'weights pull'/),
    ]);
  });
});

describe('frostline weights list', () => {
  it('lists what is known and what is here', async () => {
    const { code, stdout } = await weights('list', '--folder', at('none'));
    expect(code).toBe(0);
    expect(stdout).toMatch(/bvlcalexnet-9 +│ +243,863,542 │ +9 │ caffe-bgr +│ no/);
    const known = JSON.parse((await weights('list', '--json')).stdout);
    expect(known).toContainEqual(expect.objectContaining({ name: 'vgg16-12', bytes: 553437752, opset: 12 }));
  });
});

describe('frostline weights verify', () => {
  it('prints size and sum, and exits with 1 for a file that is not published', async () => {
    mkdirSync(at('weights'), { recursive: true });
    writeFileSync(at('weights/bvlcalexnet-9.onnx'), 'not these');
    const sha256 = createHash('sha256').update('not these').digest('hex');
    const { code, stdout, stderr } = await weights('verify', at('weights/bvlcalexnet-9.onnx'));
    expect(code).toBe(1);
    expect(stdout).toContain(`9 bytes\n  sha256 ${sha256}\n`);
    expect(stderr).toMatch(/is not bvlcalexnet-9: that has 243863542 bytes/);
    const json = await weights('verify', at('weights/bvlcalexnet-9.onnx'), '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ bytes: 9, sha256, name: null });
  });

  it('knows the model that comes with the package', async () => {
    const { code, stdout } = await weights('verify', 'weights/alexnet-small.onnx');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/is alexnet-small, which comes with the package/)]);
  });

  it('refuses a file that is not there', async () => {
    const { code, stderr } = await weights('verify', at('nowhere.onnx'));
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/nowhere\.onnx cannot be read \(ENOENT\): it does not exist/),
    ]);
  });

  it('refuses a folder', async () => {
    const { code, stderr } = await weights('verify', at());
    expect([code, stderr]).toEqual([2, expect.stringMatching(/ is no file\. Give the path of an ONNX file/)]);
  });
});

describe('frostline weights pull', () => {
  let server: Server;
  let address: string;
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/page.onnx') response.end('<html></html>');
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('tells every address that failed, and what to download by hand', async () => {
    const { code, stdout, stderr } = await weights(
      ...['pull', 'vgg16-7', '--folder', at('pulled'), '--address', `${address}/page.onnx`, `${address}/none.onnx`],
    );
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/page\.onnx: it offers 13 bytes, 553437328 are expected: it is another file/);
    expect(stderr).toMatch(/none\.onnx: HTTP 404/);
    expect(stderr).toMatch(/Download vgg16-7\.onnx by hand \(553437328 bytes, sha256 [0-9a-f]{64}\)/);
    expect(stderr).toContain(`and put it at ${at('pulled/vgg16-7.onnx')}`);
    expect(existsSync(at('pulled/vgg16-7.onnx'))).toBe(false);
  });

  it.each([
    [['pull', 'vgg16-77'], /no weights are called 'vgg16-77'\. Did you mean 'vgg16-7'\?/],
    [['pull'], /missing required argument 'name'; see 'frostline weights pull --help'/],
    [['pull', 'vgg16-7', '--address', 'somewhere'], /--address\[0\]: found "somewhere"/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await weights(...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe('frostline weights inspect', () => {
  beforeAll(async () => {
    await writeTiny(at('tiny.onnx'));
  });

  it('prints layers with their numbers, shapes, parameters and freeze points', async () => {
    const { code, stdout, stderr } = await weights('inspect', at('tiny.onnx'));
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/producer +frostline\noperator set +13/);
    expect(stdout).toMatch(/input +data: float32 \[batch, 3, 64, 64\]\noutput +prob: float32 \[batch, 3\]/);
    // 8 filters on 4 channels in 2 groups, 5 x 5, and 8 biases.
    expect(stdout).toMatch(
      /6 │ conv2 +│ conv2d +│ 5 x 5, stride 1, pads 2, 2 groups +│ 8 x 14 x 14 +│ 8 x 2 x 5 x 5 +│ +408 │/,
    );
    expect(stdout).toMatch(/ │ flatten +│ flatten/);
    expect(stdout).toContain(
      'freeze points  none, 2 (conv1), 6 (conv2), 10 (conv3), 12 (conv4), 14 (conv5), 17 (fc6), 20 (fc7)\n',
    );
    expect(stdout).toMatch(/preprocessing +64 x 64, rgb, scale 0\.0039\d*, mean 0\.5 0\.5 0\.5/);
    expect(stdout).toMatch(/labels +3: bag, boot, coat\n$/);
  });

  it('prints JSON', async () => {
    const { stdout } = await weights('inspect', at('tiny.onnx'), '--json');
    const found = JSON.parse(stdout);
    const convs = 4 * 3 * 49 + 4 + 408 + (6 * 8 * 9 + 6) + (6 * 3 * 9 + 6) + (4 * 3 * 9 + 4);
    const dense = 16 * 10 + 10 + 110 + 33;
    expect(found.parameterCount).toBe(convs + dense);
    expect(found.inputs).toEqual([{ name: 'data', type: 'float32', shape: ['batch', 3, 64, 64] }]);
    expect(found.layers.at(-2)).toEqual({
      number: 23,
      name: 'fc8',
      kind: 'linear',
      detail: '',
      shape: [3],
      parameters: [
        { name: 'fc8.weight', shape: [3, 10] },
        { name: 'fc8.bias', shape: [3] },
      ],
      parameterCount: 33,
    });
  });

  it('refuses a truncated file and a size that does not fit', async () => {
    writeFileSync(at('cut.onnx'), readFileSync(at('tiny.onnx')).subarray(0, 5000));
    const cut = await weights('inspect', at('cut.onnx'));
    expect([cut.code, cut.stdout]).toEqual([2, '']);
    expect(cut.stderr).toMatch(/cut\.onnx/);
    const wide = await weights('inspect', at('tiny.onnx'), '--input-size', '96,96');
    expect([wide.code, wide.stderr]).toEqual([2, expect.stringMatching(/tiny\.onnx: layer 'fc6'.*needs 16/)]);
  });
});
