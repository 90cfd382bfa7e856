/** A model compared layer by layer: with the float64 interpreter, whose numbers a test can change, and onnxruntime. */
import { describe, expect, it } from 'vitest';
import { diffLayers, type Reference, randomInputs } from '../../src/models/diff.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { bindInputs } from '../../src/models/infer.ts';
import { inferShapes } from '../../src/models/shapes.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { testSeed, useGpu } from '../support/gpu.ts';
import { hasOnnxruntime, openOnnxruntime } from '../support/onnxruntime.ts';
import { interpret } from './interpret.ts';
import { bvlcAlexnet } from './zoo-graphs.ts';

const gpu = useGpu();
const network = alexnetSmall({ classes: 5, filters: [4, 8, 6, 6, 4], hidden: 10, seed: 11 });
const model = exportOnnx(network);
const inputs = randomInputs(model, testSeed, 2);

/** The interpreter as a reference; `change` may alter a value that it gives. */
const interpreted =
  (change: (name: string, data: Float32Array) => void = () => {}): Reference =>
  async (tapped) => ({
    release: async () => {},
    run: async (tensors) => {
      const given = new Map([...tensors].map(([name, tensor]) => [name, { tensor, source: 'test' }]));
      const bound = bindInputs(tapped, given);
      const values = Object.fromEntries([...tensors].map(([name, tensor]) => [name, tensor.toFloat32()]));
      const results = interpret(bound.network, values, bound.batch);
      const dims = inferShapes(bound.network, bound.batch);
      return new Map(
        bound.network.outputs.map((name, i) => {
          const data = Float32Array.from(results[i]);
          change(name, data);
          return [name, { dims: dims.get(name)!, data }];
        }),
      );
    },
  });

/** The model with the first weight of a parameter doubled and raised by 1. */
function perturbed(name: string): OnnxModel {
  const tensor = model.graph.initializers.get(name)!;
  const data = Float32Array.from(tensor.toFloat32());
  data[0] = 2 * data[0] + 1;
  const changed = OnnxTensor.of(name, tensor.dims, 'float32', data);
  const initializers = new Map([...model.graph.initializers, [name, changed]]);
  return { ...model, graph: { ...model.graph, initializers } };
}

const learnable = network.nodes.filter(({ parameters }) => parameters['weight'] !== undefined);

describe(`diffLayers (seed ${testSeed})`, () => {
  it('finds every layer equal to the float64 interpreter', async () => {
    const { layers, leftOut } = await diffLayers(gpu(), model, inputs, interpreted());
    expect(leftOut).toEqual([]);
    expect(layers.map(({ layer, number }) => [layer, number])).toEqual(
      network.nodes.map(({ name, number }) => [name, number]),
    );
    expect(layers.filter(({ departs }) => departs)).toEqual([]);
    const shapes = inferShapes(network, 2);
    expect(layers.map(({ shape }) => shape)).toEqual(network.nodes.map(({ outputs: [output] }) => shapes.get(output)));
  });

  it('says where a single value departs, and by how much', async () => {
    const pool = network.nodes.find(({ op }) => op.kind === 'maxPool')!;
    const [, channels, height, width] = inferShapes(network, 2).get(pool.outputs[0])!;
    const at = ((1 * channels + 2) * height + 3) * width + 1;
    let there = 0;
    const { layers } = await diffLayers(
      ...[gpu(), model, inputs],
      interpreted((name, data) => {
        if (name !== pool.outputs[0]) return;
        data[at] += 0.5;
        there = data[at];
      }),
    );
    const found = layers.filter(({ departs }) => departs);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ layer: pool.name, index: [1, 2, 3, 1], there });
    expect(found[0].absolute).toBeCloseTo(0.5, 4);
    expect(found[0].here).toBeCloseTo(there - 0.5, 4);
  });

  it('takes NaN for a departure where the other has a number', async () => {
    const last = network.nodes.at(-1)!;
    const { layers } = await diffLayers(
      ...[gpu(), model, inputs],
      interpreted((name, data) => {
        if (name === last.outputs[0]) data[3] = Number.NaN;
      }),
    );
    expect(layers.filter(({ departs }) => departs).map(({ layer, index }) => [layer, index])).toEqual([
      [last.name, [0, 3]],
    ]);
  });

  it.each(learnable.map(({ name, parameters }) => [name, parameters['weight']!]))(
    'names %s where its weight was changed',
    async (name, weight) => {
      const { layers } = await diffLayers(gpu(), model, inputs, interpreted(), { referenceModel: perturbed(weight) });
      expect(layers.find(({ departs }) => departs)?.layer).toBe(name);
    },
  );

  it('says which layers have no counterpart', async () => {
    const renamed = network.nodes.slice(3, 5).map(({ outputs: [output] }) => output);
    const of = (value: string) => (renamed.includes(value) ? `${value}'` : value);
    const nodes = model.graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(of),
      outputs: node.outputs.map(of),
    }));
    const referenceModel = { ...model, graph: { ...model.graph, nodes } };
    const { layers, leftOut } = await diffLayers(gpu(), model, inputs, interpreted(), { referenceModel });
    expect(leftOut).toEqual(network.nodes.slice(3, 5).map(({ name }) => name));
    expect(layers).toHaveLength(network.nodes.length - 2);
    expect(layers.filter(({ departs }) => departs)).toEqual([]);
  });

  it('refuses models without a common value, and open sizes', async () => {
    const nodes = model.graph.nodes.map((node) => ({ ...node, outputs: node.outputs.map((value) => `${value}'`) }));
    const referenceModel = { ...model, graph: { ...model.graph, nodes } };
    await expect(diffLayers(gpu(), model, inputs, interpreted(), { referenceModel })).rejects.toThrow(
      'no value of one',
    );
    const open = { name: 'data', dataType: 'float32' as const, dims: ['n', 3, 'h', 'w'] };
    const graph = { ...model.graph, inputs: [open] };
    expect(() => randomInputs({ ...model, graph }, 1)).toThrow(/shape \[n, 3, h, w\].*--input/);
  });
});

describe.skipIf(!hasOnnxruntime)('diffLayers against onnxruntime (needs onnxruntime-node)', () => {
  it.each(learnable.map(({ name, parameters }) => [name, parameters['weight']!]))(
    'names %s where its weight was changed',
    async (name, weight) => {
      const { layers } = await diffLayers(gpu(), model, inputs, openOnnxruntime, { referenceModel: perturbed(weight) });
      expect(layers.find(({ departs }) => departs)?.layer).toBe(name);
    },
  );

  it('runs a file with a batch of 1 baked in item by item', async () => {
    const baked = bvlcAlexnet(9);
    const { layers } = await diffLayers(gpu(), baked, randomInputs(baked, testSeed, 3), openOnnxruntime);
    expect(layers.filter(({ departs }) => departs)).toEqual([]);
    expect(layers.at(-1)!.shape).toEqual([3, 10]);
  });
});
