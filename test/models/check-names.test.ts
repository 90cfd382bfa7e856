/** Graphs whose names stand for two things; branches within branches. onnxruntime refuses what is refused here. */
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../src/models/import-onnx.ts';
import type { Attribute, OnnxGraph, OnnxModel, OnnxNode } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { expectAsOnnxruntime } from '../support/as-onnxruntime.ts';
import { testSeed } from '../support/gpu.ts';
import { hasOnnxruntime, openOnnxruntime } from '../support/onnxruntime.ts';
import { GraphBuilder } from './zoo-graphs.ts';

const input = { name: 'x', dims: ['N', 3, 4, 4] };

function model(build: (g: GraphBuilder) => void): OnnxModel {
  const g = new GraphBuilder();
  g.initializers.set('yes', OnnxTensor.of('yes', [], 'bool', Uint8Array.of(1)));
  build(g);
  return g.model(17, input, 'y');
}

/** A branch: its nodes, of which the last makes its output. */
function branch(build: (g: GraphBuilder) => string): Attribute {
  const g = new GraphBuilder();
  const output = build(g);
  const value: OnnxGraph = {
    name: 'branch',
    nodes: g.nodes,
    initializers: g.initializers,
    inputs: [],
    outputs: [{ name: output, dataType: 'float32' }],
    sparseInitializers: [],
  };
  return { type: 'graph', value };
}

/** An If whose condition is true. */
function choice(g: GraphBuilder, output: string, then_branch: Attribute): string {
  const else_branch = branch((b) => b.node('Sigmoid', ['x'], `${output}/else`));
  return g.node('If', ['yes'], output, { then_branch, else_branch });
}

const refused: readonly [string, OnnxModel, RegExp][] = [
  [
    'two nodes that make one value',
    model((g) => {
      g.node('Relu', ['x'], 'y');
      g.node('Sigmoid', ['x'], 'y');
    }),
    /^the Sigmoid node that makes 'y' makes 'y', which another node makes as well\. Each value is made once/,
  ],
  [
    'one node that makes a value twice',
    model((g) => g.node('Split', ['x'], ['y', 'y'])),
    /makes 'y', which another node makes/,
  ],
  [
    "a node with an initialiser's name",
    model((g) => g.node('Add', ['x', g.node('Relu', ['x'], g.weight('c', 3, 1, 1))], 'y')),
    /makes 'c', which is an initialiser's name/,
  ],
  [
    "a node with an input's name",
    model((g) => g.node('Sigmoid', [g.node('Relu', ['x'], 'x')], 'y')),
    /makes 'x', which is an input's name/,
  ],
  [
    'a node that makes nothing',
    model((g) => {
      g.node('Relu', ['x'], []);
      g.node('Sigmoid', ['x'], 'y');
    }),
    /^a Relu node makes nothing/,
  ],
  [
    'a node whose only output has no name',
    model((g) => {
      g.node('Relu', ['x'], ['']);
      g.node('Sigmoid', ['x'], 'y');
    }),
    /^a Relu node makes nothing/,
  ],
  [
    'a value of the graph around, made again in a branch',
    model((g) => {
      g.node('Relu', ['x'], 'a');
      choice(
        g,
        'z',
        branch((b) => b.node('Add', [b.node('Sigmoid', ['x'], 'a'), 'x'], 'b')),
      );
      g.node('Add', ['a', 'z'], 'y');
    }),
    /makes 'a', which another node makes/,
  ],
];

describe('names', () => {
  it.each(refused)('%s is refused by name', (_, bad, message) => {
    expect(() => importOnnx(bad)).toThrow(message);
  });

  it.skipIf(!hasOnnxruntime).each(refused)('%s is refused by onnxruntime too', async (_, bad) => {
    await expect(openOnnxruntime(bad)).rejects.toThrow(/onnxruntime refuses/);
  });
});

describe('branches', () => {
  const nested = (depth: number): OnnxModel =>
    model((g) => {
      const within = (level: number): Attribute =>
        branch((b) => (level === 0 ? b.node('Relu', ['x'], 'relu') : choice(b, `v${level}`, within(level - 1))));
      choice(g, 'y', within(depth));
    });

  it.skipIf(!hasOnnxruntime)('within each other are what is chosen', async () => {
    const network = await expectAsOnnxruntime(nested(5), [2, 3, 4, 4], testSeed);
    expect(network.nodes.map(({ op }) => op.kind)).toContain('relu');
  });

  it('are walked once, however deep they lie', () => {
    let reads = 0;
    const counted = (node: OnnxNode): OnnxNode => {
      const attributes = new Map(
        [...node.attributes].map(([name, one]): [string, Attribute] =>
          one.type === 'graph'
            ? [name, { ...one, value: { ...one.value, nodes: one.value.nodes.map(counted) } }]
            : [name, one],
        ),
      );
      return Object.defineProperty({ ...node, attributes }, 'inputs', {
        get: () => {
          reads++;
          return node.inputs;
        },
      });
    };
    const countOf = (depth: number) => {
      reads = 0;
      const { graph, ...rest } = nested(depth);
      const network = importOnnx({ ...rest, graph: { ...graph, nodes: graph.nodes.map(counted) } });
      expect(network.nodes[0].op.kind).toBe('relu');
      return reads;
    };
    const [few, more, most] = [20, 40, 60].map(countOf);
    expect(few).toBeGreaterThan(20);
    expect(most - more).toBe(more - few);
  });

  it.skipIf(!hasOnnxruntime)('read values of the graph around them, which are not merged away', async () => {
    const read = model((g) => {
      g.node('Conv', ['x', g.weight('w', 2, 3, 3, 3)], 'c');
      const half = g.floats('half', [], [0.5]);
      choice(
        g,
        'y',
        branch((b) => b.node('Add', [b.node('Mul', ['c', half], 'm'), b.node('Relu', ['c'], 'r')], 's')),
      );
    });
    await expectAsOnnxruntime(read, [2, 3, 4, 4], testSeed);
  });
});
