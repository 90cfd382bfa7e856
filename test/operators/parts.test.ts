/**
 * Parts of an operator that nothing else would miss: what ONNX takes where a file leaves an attribute out, attributes that
 * reading ignores, values that are none, names of layers, kinks that gradcheck is not told of, defaults of the functions of
 * tensors, what a map costs.
 */
import { describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { compile, tapeOf } from '../../src/graph/compile.ts';
import { input, type Tensor } from '../../src/graph/tensor.ts';
import { flopsOf } from '../../src/kernels/map.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import type { Network } from '../../src/models/network.ts';
import { inferShapes } from '../../src/models/shapes.ts';
import type { Attribute, OnnxModel, OnnxNode } from '../../src/onnx/model.ts';
import { checkedOperators } from '../../src/operators/all.ts';
import type { Drawn } from '../../src/operators/checks.ts';
import { schemaOf } from '../../src/operators/onnx/schema-table.ts';
import type { AnyOperator } from '../../src/operators/operator.ts';
import { Random } from '../../src/random.ts';
import { interpret } from '../models/interpret.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';
import { hasPython, python } from '../support/oracle.ts';
import { networkOf } from './one-layer.ts';

const gpu = useGpu();

/** Cases of an operator, always the same ones for a seed. */
function draws({ checks }: (typeof checkedOperators)[number], count: number): Drawn<object>[] {
  const random = new Random(testSeed);
  return Array.from({ length: count }, () =>
    checks.draw((low, high) => low + Math.floor(random.uniform() * (high - low + 1)), random),
  );
}

/** What import makes of a model, or why it refuses it. */
function readingOf(model: OnnxModel): string {
  try {
    const { nodes, parameters } = importOnnx(model);
    const values = [...parameters].map(([name, { shape, data }]) => [name, shape, Array.from(data)]);
    return JSON.stringify([nodes, values], (_, value) => (typeof value === 'number' ? `${Math.fround(value)}` : value));
  } catch (error) {
    return `refused: ${error}`;
  }
}

/** The model with an attribute of its node `at` set, or left out. */
function withAttribute(model: OnnxModel, at: number, name: string, given: Attribute | undefined): OnnxModel {
  const nodes = model.graph.nodes.map((node, i): OnnxNode => {
    if (i !== at) return node;
    const attributes = new Map(node.attributes);
    if (given === undefined) attributes.delete(name);
    else attributes.set(name, given);
    return { ...node, attributes };
  });
  return { ...model, graph: { ...model.graph, nodes } };
}

const script = `
import json, sys, onnx
made = {}
for name, opset in json.load(sys.stdin):
    s = onnx.defs.get_schema(name, opset, '')
    made[name] = {a.name: onnx.helper.get_attribute_value(a.default_value) for a in s.attributes.values()
                  if a.default_value.type != 0}
json.dump(made, sys.stdout, default=lambda one: one.decode())
`;

describe.skipIf(!hasPython('onnx'))("left out of a file, an attribute is ONNX's default (needs python's onnx)", () => {
  const all = checkedOperators.map((one) => ({
    one,
    models: draws(one, 8).map((drawn) => exportOnnx(networkOf(one.operator.kind, drawn, one.operator.outputs))),
  }));
  const asked = new Map(
    all.flatMap(({ models }) =>
      models.flatMap(({ graph, opsets }) =>
        graph.nodes.filter(({ domain }) => domain === '').map(({ opType }) => [opType, opsets.get('')!] as const),
      ),
    ),
  );
  const defaults = python<Record<string, Record<string, unknown>>>(script, [...asked], 'onnx');

  it.each(all)('$one.operator.kind', ({ models }) => {
    for (const model of models) {
      for (const [at, { opType, domain }] of model.graph.nodes.entries()) {
        if (domain !== '') continue;
        const schema = schemaOf(opType, asked.get(opType)!)!;
        for (const [name, value] of Object.entries(defaults[opType])) {
          const stated = { type: schema.attributes.get(name)!.type, value } as Attribute;
          expect(readingOf(withAttribute(model, at, name, undefined)), `${opType} without ${name}`).toBe(
            readingOf(withAttribute(model, at, name, stated)),
          );
        }
      }
    }
  });
});

/** Whether an attribute of ONNX means nothing to the values of an output. */
function isMeaningless({ opType, inputs }: OnnxNode, name: string): boolean {
  // A hint for memory.
  if (name === 'consumed_inputs') return true;
  // Of the places of maxima, which are refused where something reads them; the seed is the run's.
  if (opType === 'MaxPool' && name === 'storage_order') return true;
  if (opType === 'Dropout' && name === 'seed') return true;
  // The factor of an addend that is not there.
  return opType === 'Gemm' && name === 'beta' && inputs.length < 3;
}

/** Lists that may be of any length, or hold any number. */
const anyList = ['affine', 'reshape'];

/** Another value of the same type, for which something else is meant. */
function other(given: Attribute | undefined, type: string): Attribute | undefined {
  const value = given !== undefined && 'value' in given ? given.value : undefined;
  if (type === 'int') return { type, value: value === 1 ? 0 : 1 };
  if (type === 'float') return { type, value: ((value as number | undefined) ?? 0.25) * 1.5 + 0.125 };
  if (type === 'ints')
    return { type, value: ((value as readonly number[] | undefined) ?? [0, 0]).map((one) => one + 1) };
  if (type === 'string') return { type, value: value === 'SAME_UPPER' ? 'SAME_LOWER' : 'SAME_UPPER' };
  return undefined;
}

/** A file of one node that leaves out whatever it may. */
function bare(opType: string, [batch, ...item]: readonly number[]): OnnxModel {
  const { graph, ...rest } = exportOnnx(
    networkOf('relu', { attributes: {}, inputs: { x: { shape: [batch, ...item], values: new Float32Array() } } }),
  );
  const [node] = graph.nodes;
  return {
    ...rest,
    opsets: new Map([['', 22]]),
    graph: { ...graph, nodes: [{ ...node, opType, attributes: new Map() }] },
  };
}

/** The first output of a layer called layer7. */
function built(operator: AnyOperator, { attributes, inputs, parameters = {} }: Drawn<object>): Tensor {
  const tensors = (given: Drawn<object>['inputs']) =>
    Object.entries(given).map(([name, { shape }]) => [name, input(name, shape)] as const);
  const [first] = operator.build({
    name: 'layer7',
    attributes,
    inputs: tensors(inputs).map(([, tensor]) => tensor),
    parameters: Object.fromEntries(tensors(parameters)),
  });
  return first;
}

describe.each(checkedOperators)('$operator.kind', (one) => {
  const { operator } = one;
  const cases = draws(one, 24);

  it('reads every attribute that ONNX has of its nodes, or refuses it', () => {
    for (const drawn of cases.slice(0, 6)) {
      const model = exportOnnx(networkOf(operator.kind, drawn, operator.outputs));
      const opset = model.opsets.get('')!;
      for (const [at, node] of model.graph.nodes.entries()) {
        const { opType, domain, attributes } = node;
        const schema = domain === '' ? schemaOf(opType, opset) : undefined;
        for (const [name, { type }] of schema?.attributes ?? []) {
          if (isMeaningless(node, name)) continue;
          const changed = other(attributes.get(name), type);
          if (changed === undefined) continue;
          const what = `${opType} with ${name} ${JSON.stringify(changed)}`;
          expect(readingOf(withAttribute(model, at, name, changed)), what).not.toBe(readingOf(model));
        }
      }
    }
  });

  it('draws more than one value of each attribute', () => {
    for (const name of Object.keys(operator.attributes)) {
      const values = new Set(cases.map(({ attributes }) => JSON.stringify((attributes as never)[name])));
      expect(values.size, `${operator.kind}: cases with another ${name}`).toBeGreaterThan(1);
    }
  });

  it('refuses attributes that are none', () => {
    for (const drawn of cases) {
      const network = networkOf(operator.kind, drawn, operator.outputs);
      const [node] = network.nodes;
      for (const [name, value] of Object.entries(drawn.attributes) as [string, unknown][]) {
        const wrong: unknown[] = [{}, null];
        if (typeof value === 'number') wrong.push(Number.NaN, `${value}`, [value]);
        if (typeof value === 'boolean') wrong.push(0, 1, 'true');
        if (Array.isArray(value) && !anyList.includes(operator.kind)) {
          wrong.push(
            [...value, value[0]],
            value.with(0, Number.NaN),
            value.with(0, value[0] + 0.5),
            value.with(0, '1'),
          );
          if (value.length > 1) wrong.push(value.slice(1));
        }
        for (const bad of wrong) {
          const broken = { ...network, nodes: [{ ...node, op: { ...node.op, [name]: bad } as never }] };
          const what = `${operator.kind} ${JSON.stringify(drawn.attributes)} with ${name} ${JSON.stringify(bad)}`;
          expect(() => inferShapes(broken, 1), what).toThrow(/^layer 'layer' \(/);
        }
      }
    }
  });

  it('is numbered among the layers where it computes something, and only there', () => {
    const made = tapeOf([built(operator, cases[0])]);
    const computes = made.some(({ source }) => source !== undefined && source.operation.alias !== 'always');
    expect(operator.numbered !== 'never', `${operator.kind}: numbered`).toBe(computes);
  });

  it('names what it builds as the layer', () => {
    for (const drawn of cases.slice(0, 4)) {
      const first = built(operator, drawn);
      // Where there is nothing to do its input is handed on.
      if (!(first.name in drawn.inputs)) expect(first.name).toBe('layer7');
    }
  });
});

/** The operator's reference on single values, where it is a map of these; else nothing. */
function mapOf(operator: AnyOperator, { attributes, inputs, parameters }: Drawn<object>) {
  const [tensor] = Object.keys(inputs).map((name) => input(name, [1, 1]));
  if (operator.inputs !== 1 || parameters !== undefined) return undefined;
  try {
    const [made] = operator.build({ name: 'y', attributes, inputs: [tensor], parameters: {} });
    if (made.source?.operation.epilogue === undefined) return undefined;
    return (x: number): number => {
      const shapes = { inputs: [{ name: 'x', shape: [1] }], parameters: {}, weights: {}, outputs: [[1]] };
      return operator.reference({ ...shapes, attributes, values: [Float64Array.of(x)], batch: 1 })[0][0];
    };
  } catch {
    return undefined;
  }
}

it('of every map with a kink between straight lines gradcheck is told', () => {
  const maps: string[] = [];
  for (const one of checkedOperators) {
    const { operator } = one;
    for (const drawn of draws(one, 8)) {
      const map = mapOf(operator, drawn);
      if (map === undefined) continue;
      maps.push(operator.kind);
      const h = 2 ** -20;
      // Kinks lie at the attributes, at 0, at whole numbers.
      const places = [...Object.values(drawn.attributes).filter(Number.isFinite), -3, -1, 0, 1, 3] as number[];
      const kink = places.find((x) => Math.abs(map(x + h) + map(x - h) - 2 * map(x)) / h > 1e-3);
      if (kink === undefined) continue;
      // A piece is a line (`pieces`): gradcheck steps around kinks of others.
      const bend = (from: number, step: number) => Math.abs(map(from) + map(from + 2 * step) - 2 * map(from + step));
      if (Math.max(bend(kink, 2 ** -6), bend(kink, -(2 ** -6))) > 1e-6) continue;
      const x = input('x', [1, 1]);
      const [made] = operator.build({ name: 'y', attributes: drawn.attributes, inputs: [x], parameters: {} });
      expect(made.source!.operation.pieces, `${operator.kind} has a kink at ${kink}: state \`pieces\``).toBeDefined();
    }
  }
  expect(maps).toEqual(expect.arrayContaining(['relu', 'leakyRelu', 'elu', 'clip', 'sigmoid', 'silu']));
});

it("the defaults of the functions of tensors are ONNX's", async () => {
  const functions = (await import('../../src/index.ts')) as unknown as Readonly<Record<string, unknown>>;
  const compared: string[] = [];
  for (const one of checkedOperators) {
    const { operator } = one;
    const [{ inputs, parameters }] = draws(one, 1);
    const make = functions[operator.kind];
    if (typeof make !== 'function' || operator.inputs !== 1 || parameters !== undefined) continue;
    const [[name, { shape, values }]] = Object.entries(inputs);
    const opType = Object.keys(operator.onnx.reads)[0];
    let network: Network;
    try {
      network = importOnnx(bare(opType, shape));
    } catch {
      continue; // an attribute must be there
    }
    const x = input(name, shape);
    let y: Tensor;
    try {
      y = make(x);
    } catch (error) {
      expect(error, `${operator.kind}(x)`).toBeInstanceOf(FrostlineError);
      continue; // an option must be given
    }
    compared.push(operator.kind);
    const graph = await compile(gpu(), { outputs: [y] });
    graph.write(x, values as Float32Array<ArrayBuffer>);
    await graph.run();
    const [expected] = interpret(network, { x: values as Float32Array }, shape[0]);
    expectClose(await graph.read(y), expected, { absolute: 5e-5, relative: 1e-4 });
    graph.destroy();
  }
  expect(compared).toEqual(expect.arrayContaining(['elu', 'hardSwish', 'leakyRelu', 'relu', 'sigmoid']));
});

it('what a map costs is counted in its expressions', () => {
  for (const [expression, flops] of [
    ['value', 0],
    ['p.slope * value', 1],
    ['-value', 1],
    ['select(value, 0.5 * value, value < 0.0)', 2],
    ['1.0 / (1.0 + exp(-value))', 4],
    ['value + 1e-5 * f32(3e+4)', 2],
    ['value * 2.0-1.0', 2],
    ['bitcast<u32>(value) & 0x7fffffffu', 0],
  ] as const) {
    expect(flopsOf(expression), expression).toBe(flops);
  }
});
