import { beforeAll, describe, expect, it, vi } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { writeNpy } from '../../src/data/npy.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import type { Network } from '../../src/models/network.ts';
import { writeModelFile } from '../../src/onnx/write.ts';
import { Random } from '../../src/random.ts';
import { hasOnnxruntime } from '../support/onnxruntime.ts';
import { temporaryFolder, writeTiny } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();
const diff = (...args: string[]) => run(registry, 'diff', ...args);
let network: Network;

beforeAll(async () => {
  network = await writeTiny(at('tiny.onnx'));
});

describe.skipIf(!hasOnnxruntime)('frostline diff (needs onnxruntime-node)', () => {
  it('prints every layer and finds none that departs', async () => {
    const { code, stdout, stderr } = await diff(at('tiny.onnx'), '--against', 'onnxruntime', '--batch', '3');
    expect(stderr).toMatch(/^adapter: .+\nagainst: onnxruntime \d+\.\d+\S*, CPU provider\n$/);
    expect(code).toBe(0);
    for (const { name } of network.nodes) expect(stdout).toContain(` ${name} `);
    expect(stdout).toContain(`No layer of ${network.nodes.length} departs by more than 0.0001.`);
    expect(stdout).not.toMatch(/Not compared/);
  });

  it('names the layer whose initialiser is another, and exits with 1', async () => {
    const name = 'conv3.weight';
    const values = Float32Array.from(network.parameters.get(name)!.data, (value) => 1.01 * value);
    await writeModelFile(at('other.onnx'), exportOnnx(network, new Map([[name, values]])));
    const random = new Random(2);
    const data = Float32Array.from({ length: 2 * 3 * 64 * 64 }, () => random.normal());
    await writeNpy(at('x.npy'), { type: 'f4', shape: [2, 3, 64, 64], data });
    const args = [at('tiny.onnx'), '--reference', at('other.onnx'), '--input', at('x.npy')];
    const table = await diff(...args);
    expect(table.code).toBe(1);
    expect(table.stderr).toMatch(
      /the first layer that departs is 'conv3' \(conv2d, value 'conv3'\): relative difference/,
    );
    expect(table.stdout).toMatch(/ conv3 .* departs first/);
    expect(table.stdout.match(/departs first/g)).toHaveLength(1);
    const json = await diff(...args, '--json');
    expect(json.code).toBe(1);
    const { firstDeparture, layers } = JSON.parse(json.stdout);
    expect(firstDeparture).toBe('conv3');
    expect(layers.map(({ layer }: { layer: string }) => layer)).toEqual(network.nodes.map((node) => node.name));
    expect((await diff(...args, '--rtol', '10')).code).toBe(0);
  });
});

it('says how to install onnxruntime where it is missing', async () => {
  vi.stubEnv('FROSTLINE_ORT', at('nowhere'));
  const { code, stdout, stderr } = await diff(at('tiny.onnx'));
  vi.unstubAllEnvs();
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(
    /onnxruntime cannot be loaded from FROSTLINE_ORT=.*nowhere.*npm install --ignore-scripts onnxruntime-node/,
  );
});
