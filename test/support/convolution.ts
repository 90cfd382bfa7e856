/** One convolution through the graph, all three directions, beside its definition in double precision. */
import {
  conv2dFilterGradientReference,
  conv2dInputGradientReference,
  conv2dReference,
} from '../../src/check/reference/conv2d.ts';
import { normals } from '../../src/check/values.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { type CompiledGraph, compile } from '../../src/graph/compile.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import type { Conv2dShape } from '../../src/kernels/conv2d/shape.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import type { Random } from '../../src/random.ts';

export interface DirectionResult {
  readonly of: 'y' | 'dx' | 'dw';
  readonly found: Float32Array;
  readonly expected: Float64Array;
}

/** Runs it on normal values; the graph is the caller's to destroy. */
export async function runConvolution(
  gpu: Gpu,
  shape: Conv2dShape,
  random: Random,
): Promise<{ graph: CompiledGraph; results: readonly DirectionResult[] }> {
  const { batch, channels, height, width, filters, kernel, strides, pads, groups } = shape;
  const x = input('x', [batch, channels, height, width]);
  const ws = normals(random, (filters * channels * kernel[0] * kernel[1]) / groups);
  const biases = normals(random, filters);
  const w = new Parameter('w', [filters, channels / groups, ...kernel], ws);
  const y = conv2d(x, w, new Parameter('bias', [filters], biases), { strides, pads, groups });
  const upstream = input('upstream', y.shape);
  const graph = await compile(gpu, { loss: y, upstream, outputs: [y], gradients: [x, w] });
  const [xs, dys] = [normals(random, x.size), normals(random, y.size)];
  graph.write(x, xs);
  graph.write(upstream, dys);
  await graph.run();
  const results: readonly DirectionResult[] = [
    { of: 'y', found: await graph.read(y), expected: conv2dReference(shape, xs, ws, biases, y.size) },
    { of: 'dx', found: await graph.readGradient(x), expected: conv2dInputGradientReference(shape, dys, ws) },
    { of: 'dw', found: await graph.readGradient(w), expected: conv2dFilterGradientReference(shape, dys, xs, w.size) },
  ];
  return { graph, results };
}
