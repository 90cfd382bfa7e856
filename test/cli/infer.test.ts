import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { readNpy, writeNpy } from '../../src/data/npy.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import type { Network } from '../../src/models/network.ts';
import { readModel } from '../../src/onnx/read.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { writeModelFile, writeTensor } from '../../src/onnx/write.ts';
import { Random } from '../../src/random.ts';
import { interpret } from '../models/interpret.ts';
import { expectClose } from '../support/compare.ts';
import { temporaryFolder, writeTiny } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();
const shape = [3, 3, 64, 64];
const values = new Float32Array(3 * 3 * 64 * 64);
let network: Network;

beforeAll(async () => {
  const random = new Random(4);
  for (let i = 0; i < values.length; i++) values[i] = random.normal();
  network = await writeTiny(at('tiny.onnx'));
  await writeNpy(at('x.npy'), { type: 'f4', shape, data: values });
  writeFileSync(at('x.pb'), writeTensor(OnnxTensor.of('x', shape, 'float32', values)));
});

const infer = (...args: string[]) => run(registry, 'infer', ...args);

describe('frostline infer', () => {
  it.each(['x.npy', 'data=x.npy', 'x.pb'])('--input %s gives the outputs of a float64 interpreter', async (input) => {
    const place = input.startsWith('data=') ? `data=${at(input.slice(5))}` : at(input);
    const { code, stdout, stderr } = await infer(at('tiny.onnx'), '--input', place, '--output', at('y.npy'));
    expect(stderr).toMatch(/^adapter: .+ \((hardware|software|embedded)\)\n$/);
    expect(code).toBe(0);
    expect(stdout).toBe(`prob [3, 3] -> ${at('y.npy')}\n`);
    const [expected] = interpret(network, { data: values }, 3);
    const { type, shape: found, data } = await readNpy(at('y.npy'));
    expect([type, found]).toEqual(['f4', [3, 3]]);
    expectClose(data as Float32Array, expected);
  });

  it('writes every output of several into a folder, and tells in JSON', async () => {
    await writeModelFile(at('taps.onnx'), exportOnnx({ ...network, outputs: ['pool5', 'prob'] }));
    const { code, stdout } = await infer(
      ...[at('taps.onnx'), '--input', at('x.npy'), '--output', at('out/deep'), '--json'],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      model: at('taps.onnx'),
      adapter: expect.stringMatching(/\((hardware|software|embedded)\)$/),
      inputs: [{ name: 'data', shape, file: at('x.npy') }],
      outputs: [
        { name: 'pool5', shape: [3, 4, 2, 2], file: at('out/deep/pool5.npy') },
        { name: 'prob', shape: [3, 3], file: at('out/deep/prob.npy') },
      ],
    });
    const expected = interpret({ ...network, outputs: ['pool5', 'prob'] }, { data: values }, 3);
    expectClose((await readNpy(at('out/deep/pool5.npy'))).data as Float32Array, expected[0]);
    expectClose((await readNpy(at('out/deep/prob.npy'))).data as Float32Array, expected[1]);
    mkdirSync(at('there'));
    await infer(at('tiny.onnx'), '--input', at('x.npy'), '--output', at('there'));
    expect(readdirSync(at('there'))).toEqual(['prob.npy']);
  });

  describe('refuses, writing nothing,', () => {
    beforeAll(async () => {
      const bytes = readFileSync(at('tiny.onnx'));
      writeFileSync(at('cut.onnx'), bytes.subarray(0, bytes.length / 2));
      writeFileSync(at('page.onnx'), '<!DOCTYPE html><html></html>');
      writeFileSync(at('empty.onnx'), '');
      const model = readModel(at('tiny.onnx'));
      const nodes = model.graph.nodes.map((node) => (node.name === 'relu3' ? { ...node, opType: 'Tanh' } : node));
      await writeModelFile(at('sigmoid.onnx'), { ...model, graph: { ...model.graph, nodes } });
      const weight = model.graph.initializers.get('fc6.weight')!;
      const narrow = OnnxTensor.of('fc6.weight', [10, 15], 'float32', new Float32Array(150));
      const initializers = new Map([...model.graph.initializers, [weight.name, narrow]]);
      await writeModelFile(at('narrow.onnx'), { ...model, graph: { ...model.graph, initializers } });
      await writeModelFile(at('taps.onnx'), exportOnnx({ ...network, outputs: ['pool5', 'prob'] }));
      await writeNpy(at('small.npy'), { type: 'f4', shape: [1, 3, 32, 32], data: new Float32Array(3072) });
      await writeNpy(at('bytes.npy'), { type: 'u1', shape: [1, 3, 64, 64], data: new Uint8Array(12288) });
      await writeNpy(at('none.npy'), { type: 'f4', shape: [0, 3, 64, 64], data: new Float32Array(0) });
      const npy = readFileSync(at('x.npy'));
      writeFileSync(at('cut.npy'), npy.subarray(0, 1000));
      writeFileSync(at('cut.pb'), readFileSync(at('x.pb')).subarray(0, 1000));
      writeFileSync(at('text.pb'), 'not a tensor at all');
      writeFileSync(at('x.txt'), '1 2 3');
      writeFileSync(at('file.npy'), 'kept');
    });

    it.each([
      ['a truncated model', ['cut.onnx', 'x.npy'], /cut\.onnx.*(damaged|ends|truncated|file holds)/],
      ['a web page', ['page.onnx', 'x.npy'], /page\.onnx is no ONNX model: it is a web page/],
      ['an empty file', ['empty.onnx', 'x.npy'], /empty\.onnx is empty/],
      ['an unsupported operator', ['sigmoid.onnx', 'x.npy'], /sigmoid\.onnx: node 'relu3' .*unsupported operator Tanh/],
      ['weights that do not fit', ['narrow.onnx', 'x.npy'], /narrow\.onnx: .*fc6.*needs 15/],
      ['a model that is not there', ['alexnet-smal', 'x.npy'], /no model called '.*alexnet-smal'/],
      [
        'another height',
        ['tiny.onnx', 'small.npy'],
        /small\.npy has the shape \[1, 3, 32, 32\], .*takes \[N, 3, 64, 64\]/,
      ],
      ['integers', ['tiny.onnx', 'bytes.npy'], /bytes\.npy holds uint8, the input 'data' takes float32/],
      ['no items', ['tiny.onnx', 'none.npy'], /none\.npy has the shape \[0, 3, 64, 64\]/],
      ['a truncated .npy', ['tiny.onnx', 'cut.npy'], /cut\.npy holds \d+ bytes of values/],
      ['a truncated .pb', ['tiny.onnx', 'cut.pb'], /cut\.pb/],
      ['a .pb that is none', ['tiny.onnx', 'text.pb'], /text\.pb/],
      ['another kind of file', ['tiny.onnx', 'x.txt'], /x\.txt: a tensor comes as \.npy or as ONNX's \.pb/],
      ['a missing file', ['tiny.onnx', 'nowhere.npy'], /nowhere\.npy cannot be read \(ENOENT\)/],
      ['an unknown input', ['tiny.onnx', 'dato='], /the model has no input '.*dato'; /],
      ['a weight as input', ['tiny.onnx', 'fc6.weight='], /the model has no input '.*fc6\.weight'/],
    ])('%s', async (_, [model, input], message) => {
      const { code, stdout, stderr } = await infer(at(model), '--input', at(input), '--output', at('never/y.npy'));
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(/^frostline: /); // no adapter was opened for it
      expect([code, stdout]).toEqual([2, '']);
      expect(existsSync(at('never'))).toBe(false);
    });

    it('an input given twice', async () => {
      const { code, stderr } = await infer(
        ...[at('tiny.onnx'), '--input', at('x.npy'), `data=${at('x.pb')}`, '--output', at('never')],
      );
      expect([code, stderr]).toEqual([2, expect.stringMatching(/'data' is given twice/)]);
    });

    it('a file as the place of several outputs', async () => {
      const { code, stderr } = await infer(at('taps.onnx'), '--input', at('x.npy'), '--output', at('file.npy'));
      expect([code, stderr]).toEqual([2, expect.stringMatching(/file\.npy is a file, and the model has 2 outputs/)]);
      expect(readFileSync(at('file.npy'), 'utf8')).toBe('kept');
    });

    it('a place below a file', async () => {
      const { code, stderr } = await infer(
        ...[at('tiny.onnx'), '--input', at('x.npy'), '--output', at('file.npy/y.npy')],
      );
      expect([code, stderr]).toEqual([2, expect.stringMatching(/^frostline: cannot write to .*file\.npy: ENOTDIR/)]);
    });

    it('an adapter that is not there', async () => {
      const { code, stderr } = await infer(
        ...[at('tiny.onnx'), '--input', at('x.npy'), '--output', at('never'), '--adapter', 'Voodoo2'],
      );
      expect([code, stderr]).toEqual([2, expect.stringMatching(/No adapter's name contains "Voodoo2"\. Found: /)]);
    });
  });
});
