/**
 * Every operator of the registry, by its own random cases, through all rooms: shapes, export, import, layer numbers,
 * building, the reference, the device. A part that is forgotten does not compile (forgotten.ts), or fails here.
 */
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Choose } from '../../src/check/choose.ts';
import { compile } from '../../src/graph/compile.ts';
import { input, type Tensor } from '../../src/graph/tensor.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { describeLayers } from '../../src/models/describe.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { infer } from '../../src/models/infer.ts';
import type { Network } from '../../src/models/network.ts';
import { inferShapes } from '../../src/models/shapes.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { checkedOperators, kernelFamilies, operationCases } from '../../src/operators/all.ts';
import { checkAgainstReference } from '../../src/operators/check-against-reference.ts';
import type { Drawn } from '../../src/operators/checks.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { leakyRelu } from '../../src/operators/leaky-relu/graph.ts';
import type { AnyOperator } from '../../src/operators/operator.ts';
import { type Kind, ours } from '../../src/operators/registry.ts';
import { sigmoid } from '../../src/operators/sigmoid/graph.ts';
import { decisionTrials } from '../../src/operators/trials.ts';
import { Random } from '../../src/random.ts';
import { interpret } from '../models/interpret.ts';
import { choices, choicesOf } from '../support/choices.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';
import { networkOf } from './one-layer.ts';

const gpu = useGpu();

/** A drawn case as inputs of a graph, and the operator on them, with another first activation where one is given. */
function tensorsOf(operator: AnyOperator, { attributes, inputs, parameters = {} }: Drawn<object>) {
  const tensors = [...Object.entries(inputs), ...Object.entries(parameters)].map(([name, { shape, values }]) => ({
    name,
    values: values as Float32Array<ArrayBuffer>,
    tensor: input(name, shape),
  }));
  const of = (name: string) => tensors.find((one) => one.name === name)!.tensor;
  const [first, ...others] = Object.keys(inputs);
  return {
    tensors,
    build: (argument = of(first)) =>
      operator.build({
        name: 'y',
        attributes,
        inputs: [argument, ...others.map(of)],
        parameters: Object.fromEntries(Object.keys(parameters).map((role) => [role, of(role)])),
      }),
  };
}

describe.each(checkedOperators)('$operator.kind', ({ operator, checks }) => {
  const drawn = (visit: (network: Network, one: Drawn<object>) => Promise<void> | void, numRuns = 12) =>
    fc.assert(
      fc.asyncProperty(choices, fc.nat(), async (list, seed) => {
        const one = checks.draw(choicesOf(list) as Choose, new Random(seed));
        await visit(networkOf(operator.kind, one, operator.outputs), one);
      }),
      { seed: testSeed, numRuns },
    );

  it('comes back from ONNX as it was', () =>
    drawn((network, one) => {
      const again = importOnnx(exportOnnx(network));
      // Values are float32 in a file.
      const rounded = (attributes: object) =>
        JSON.parse(JSON.stringify(attributes), (_, v) => (typeof v === 'number' ? Math.fround(v) : v));
      if (again.nodes.length === 1 && again.nodes[0].op.kind === operator.kind) {
        const { kind: _, ...attributes } = again.nodes[0].op;
        expect(rounded(attributes)).toEqual(rounded(one.attributes));
      }
      expect(rounded(importOnnx(exportOnnx(again)).nodes)).toEqual(rounded(again.nodes));
      const [made, expected] = [again, network].map((net) => {
        const shapes = inferShapes(net, 2);
        return network.outputs.map((name) => shapes.get(name));
      });
      expect(made).toEqual(expected);
    }));

  it('computes on the device what its reference says, and again after export', () =>
    drawn(async (network, { inputs }) => {
      const batch = Object.values(inputs)[0].shape[0];
      const values = Object.fromEntries(Object.entries(inputs).map(([name, one]) => [name, one.values]));
      const expected = interpret(network, values as Record<string, Float32Array>, batch);
      for (const net of [network, importOnnx(exportOnnx(network))]) {
        const given = new Map(
          Object.entries(inputs).map(([name, { shape, values: data }]) => [
            name,
            OnnxTensor.of(name, shape, 'float32', data as Float32Array),
          ]),
        );
        const found = await infer(gpu(), { network: net, batch, inputs: given });
        expect(found.length).toBe(operator.outputs);
        found.forEach(({ shape, data }, i) => {
          expect(shape).toEqual(inferShapes(network, batch).get(network.outputs[i]));
          expectClose(data, expected[i], { absolute: 5e-5, relative: 1e-4 });
        });
      }
    }));

  it('is described, and its attributes are checked', () =>
    drawn((network, { attributes }) => {
      expect(describeLayers(network).layers[0].kind).toBe(operator.kind);
      for (const name of Object.keys(attributes)) {
        const [node] = network.nodes;
        const broken = { ...network, nodes: [{ ...node, op: { ...node.op, [name]: 'x' } as never }] };
        expect(() => inferShapes(broken, 1)).toThrow(`layer 'layer' (${operator.kind}) has ${name} "x"`);
      }
      const [node] = network.nodes;
      const stranger = { ...network, nodes: [{ ...node, op: { ...node.op, stranger: 1 } as never }] };
      expect(() => inferShapes(stranger, 1)).toThrow("has an attribute 'stranger'");
    }));

  it.skipIf(operator.inputs !== 1 || Object.keys(operator.parameters).length > 0)(
    'is the same behind a convolution that may apply it as an epilogue',
    () =>
      drawn(async (_, one) => {
        const [{ shape, values }] = Object.values(one.inputs);
        const [, channels, ...rest] = shape;
        if (rest.length !== 2) return; // no image
        const x = input('x', shape);
        // Each channel by itself times a number: the argument has both signs.
        const w = input('w', [channels, 1, 1, 1]);
        const argument = conv2d(x, w, undefined, { groups: channels });
        const of = operator.build({ name: 'y', attributes: one.attributes, inputs: [argument], parameters: {} });
        const results: Float32Array[] = [];
        for (const outputs of [[of[0]], [of[0], argument]]) {
          const graph = await compile(gpu(), { outputs });
          graph.write(x, values);
          graph.write(
            w,
            Float32Array.from({ length: channels }, (_, c) => 1 - 2 * (c % 2)),
          );
          await graph.run();
          results.push(await graph.read(of[0]));
          const { epilogue, combination } = of[0].source!.operation;
          const fused = (epilogue ?? combination) !== undefined && outputs.length === 1;
          const runs = operator.kernels.length > 0 && of[0].source!.operation.alias === undefined && !fused;
          expect(
            graph.dispatches.some(({ label }) => operator.kernels.some(({ name }) => label.startsWith(name))),
          ).toBe(runs);
          graph.destroy();
        }
        expectClose(results[0], results[1], { absolute: 1e-6, relative: 1e-6 });
      }),
  );

  it('is folded where it gives the same in every step of training, and only there', async () => {
    let differs = false;
    await drawn(async (_, one) => {
      const { tensors, build } = tensorsOf(operator, one);
      const outputs = build();
      const [first] = outputs;
      // A loss: so that it is training, in which things are drawn.
      const upstream = input('v', first.shape);
      const graph = await compile(gpu(), { outputs, loss: first, upstream, gradients: [tensors[0].tensor] });
      graph.write(upstream, new Float32Array(first.size));
      for (const { tensor, values } of tensors) graph.write(tensor, values);
      const found: unknown[] = [];
      for (const step of [0, 1]) {
        graph.setStep({ learningRate: 0, momentum: 0, weightDecay: 0, step, seed: step });
        await graph.run();
        found.push(await Promise.all(outputs.map((one) => graph.read(one))));
      }
      graph.destroy();
      differs ||= JSON.stringify(found[0]) !== JSON.stringify(found[1]);
    });
    expect(operator.folds, `${operator.kind}: folds`).toBe(differs ? 'never' : 'reference');
  });

  it('has a bound that takes what is rounded, and not what is off by a thousandth', () =>
    drawn(async (network, { attributes, inputs, parameters = {} }) => {
      const activations = Object.entries(inputs);
      const values = Object.fromEntries(activations.map(([name, one]) => [name, one.values as Float32Array]));
      const [reference] = interpret(network, values, activations[0][1].shape[0]);
      const output = Float32Array.from(reference);
      const report = () =>
        checkAgainstReference({
          op: operator.kind as Kind,
          params: attributes as Record<string, unknown>,
          inputs: { ...inputs, ...parameters },
          output,
        });
      expect((await report()).problem).toBeUndefined();
      const largest = output.reduce((at, value, i) => (Math.abs(value) > Math.abs(output[at]) ? i : at), 0);
      if (output[largest] === 0) return;
      output[largest] *= 1.001;
      expect(await report(), `${operator.kind}: bound`).toMatchObject({ passed: false, element: largest });
    }));

  it('gives the same values and gradients between maps, whichever of these it applies itself', () =>
    drawn(async (_, one) => {
      const { tensors, build } = tensorsOf(operator, one);
      const [{ tensor: x }] = tensors;
      const argument = leakyRelu(x, 0.25);
      const [y] = build(argument);
      const z = sigmoid(y);
      const upstream = input('v', z.shape);
      const results: Float32Array[][] = [];
      // Nothing is fused over what is read.
      for (const read of [{}, { outputs: [z, y, argument], gradients: [x, y, argument] }]) {
        const graph = await compile(gpu(), { outputs: [z], gradients: [x], loss: z, upstream, ...read });
        for (const { tensor, values } of tensors) graph.write(tensor, values);
        graph.write(
          upstream,
          Float32Array.from({ length: z.size }, (_, i) => 1 - (i % 3)),
        );
        graph.setStep({ learningRate: 0, momentum: 0, weightDecay: 0, step: 0, seed: 0 });
        await graph.run();
        results.push([await graph.read(z), await graph.readGradient(x)]);
        graph.destroy();
      }
      for (const [i, found] of results[0].entries())
        expectClose(found, results[1][i], { absolute: 1e-5, relative: 1e-5 });
    }, 4));

  it('has cases of each of its kernels', () => {
    const names = new Set(
      kernelFamilies.flatMap((family) => family.examples(new Random(1)).map(({ kernel }) => kernel.name)),
    );
    for (const kernel of operator.kernels) expect(names).toContain(kernel.name);
  });
});

it('every folder with an operator stands in the registry, and every kernel that runs in the list', async () => {
  const folder = new URL('../../src/operators/', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /^[^/]+\/operator\.ts$/.test(file),
  );
  const found = await Promise.all(files.map((file) => import(new URL(file, folder).href)));
  const kinds = found
    .flatMap((module) => Object.values(module))
    .flatMap((one) => (one as { kind?: string })?.kind ?? []);
  expect(kinds.sort()).toEqual(ours.all.map(({ kind }) => kind).sort());
  for (const cases of operationCases) {
    const { inputs, build } = cases.draw((low) => low, new Random(1));
    const tensors = Object.entries(inputs).map(([name, { shape, values }]) => [
      name,
      input(name, shape, values instanceof Uint32Array ? 'u32' : 'f32'),
    ]);
    const y = build(Object.fromEntries(tensors));
    const gradients = tensors.map(([, tensor]) => tensor as Tensor).filter(({ type }) => type === 'f32');
    const graph = await compile(gpu(), { loss: y, upstream: input('v', y.shape), gradients });
    for (const { kernel } of graph.dispatches as readonly KernelDispatch[])
      expect(allKernels.get(kernel.name)).toBe(kernel);
    graph.destroy();
  }
});

it('every kernel that an algorithm runs stands in the list, with cases', () => {
  const cases = new Set(
    kernelFamilies.flatMap((family) => family.examples(new Random(1)).map(({ kernel }) => kernel.name)),
  );
  for (const { decision } of decisionTrials) {
    for (const { name, kernels } of [...decision.algorithms, ...(decision.measured ?? [])]) {
      for (const kernel of kernels) {
        const what = `${kernel.name} of ${decision.purpose} ${name}`;
        expect(allKernels.get(kernel.name), `${what} stands in no operator's list of kernels`).toBe(kernel);
        expect(cases.has(kernel.name), `${what} has no cases`).toBe(true);
      }
    }
  }
});

it('every operation of tensors is exported', async () => {
  const folder = new URL('../../src/operators/', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /^[^/]+\/graph\.ts$/.test(file),
  );
  const exported = new Set(Object.keys(await import('../../src/index.ts')));
  const missing: string[] = [];
  for (const file of files) {
    const own = await import(new URL(file, folder).href);
    for (const [name, one] of Object.entries(own)) {
      if (typeof one === 'function' && !exported.has(name)) missing.push(`${name} of ${file}`);
    }
  }
  expect(missing).toEqual([]);
});

it('an operator of ONNX is read by one kind', () => {
  const read = ours.all.flatMap(({ onnx }) => Object.keys(onnx.reads));
  expect(new Set(read).size).toBe(read.length);
});

it('a layer that cannot be written is refused, not left out', async () => {
  const { withOperators } = await import('../../src/operators/registry.ts');
  const [{ operator, checks }] = checkedOperators;
  const mute = { ...operator, kind: 'test:mute' as const, onnx: { reads: {}, write() {} } };
  const drawn = checks.draw((low) => low, new Random(1));
  const network = { ...networkOf('test:mute', drawn), operators: withOperators({ operators: [mute] }) };
  expect(() => exportOnnx(network)).toThrow("layer 'layer' (test:mute) cannot be written: no node makes 'y'.");
});
