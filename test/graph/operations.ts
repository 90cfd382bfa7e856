/** Runs a case of an operation on a device: the values, and the vector-Jacobian product for every float input. */

import type { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import type { OperationCase } from '../../src/graph/operation-case.ts';
import { input, type Tensor } from '../../src/graph/tensor.ts';
import { Random } from '../../src/random.ts';

export interface Outcome {
  readonly y: Float32Array;
  readonly gradients: Readonly<Record<string, Float32Array>>;
  readonly v: Float32Array;
}

export const SEED = 77;

/** @throws where a second run of the same program gives other bytes */
export async function runOperation(gpu: Gpu, { inputs, build, operation }: OperationCase): Promise<Outcome> {
  const tensors: Record<string, Tensor> = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, values }]) => [
      name,
      input(name, shape, values instanceof Uint32Array ? 'u32' : 'f32'),
    ]),
  );
  const output = build(tensors);
  const upstream = input('v', output.shape);
  const gradients = Object.values(tensors).filter(({ type }) => type === 'f32');
  const graph = await compile(gpu, { loss: output, upstream, outputs: [output], gradients });
  try {
    const random = new Random(SEED);
    const v = Float32Array.from({ length: output.size }, () => random.normal());
    graph.write(upstream, v);
    graph.setStep({ learningRate: 0, momentum: 0, weightDecay: 0, step: 3, seed: SEED });
    for (const [name, tensor] of Object.entries(tensors)) graph.write(tensor, inputs[name].values);
    const runs: Float32Array[][] = [];
    for (let run = 0; run < 2; run++) {
      await graph.run();
      const values = [await graph.read(output)];
      for (const tensor of gradients) values.push(await graph.readGradient(tensor));
      runs.push(values);
    }
    runs[0].forEach((values, i) => {
      if (!Buffer.from(values.buffer).equals(Buffer.from(runs[1][i].buffer))) {
        throw new Error(
          `${operation}: two runs differ in ${i === 0 ? 'the values' : `the gradient of ${gradients[i - 1].name}`}`,
        );
      }
    });
    const [y, ...found] = runs[0];
    return { y, v, gradients: Object.fromEntries(gradients.map(({ name }, i) => [name, found[i]])) };
  } finally {
    graph.destroy();
  }
}
