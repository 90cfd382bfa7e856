/**
 * A matrix product beside the multiply-add ceiling. The two take turns, and the share is the median over the rounds: on
 * a machine whose clock or other work drifts, a ceiling of some minutes ago says little of a product of now.
 */
import type { Gpu } from '../gpu/device.ts';
import { Program } from '../gpu/program.ts';
import { PassTimer } from '../gpu/timer.ts';
import { compile } from '../graph/compile.ts';
import { buildNetwork, parametersOf } from '../models/build.ts';
import { workOf } from './peers/work.ts';
import { measureMultiplyAdd } from './roofline.ts';
import { median } from './statistics.ts';

export interface ProductShare {
  /** of one product: medians, and the share of the ceiling of its own round */
  readonly milliseconds: number;
  readonly gflops: number;
  readonly share: number;
}

/** @param extent rows, columns and depth of the product; packing both operands is timed with it */
export async function measureProductShare(gpu: Gpu, extent: number, rounds: number): Promise<ProductShare> {
  const { network, x } = workOf({ network: 'gemm', batch: extent, direction: 'forward' });
  const parameters = parametersOf(network);
  const { inputs, outputs } = buildNetwork(network, { batch: extent, parameters });
  const graph = await compile(gpu, { outputs, keepPacked: false });
  const timer = PassTimer.on(gpu);
  const program = await Program.prepare(gpu, graph.dispatches);
  const time = async () => {
    const start = performance.now();
    program.submit(timer);
    if (timer !== undefined) return timer.milliseconds();
    await gpu.idle();
    return performance.now() - start;
  };
  try {
    graph.write(inputs.get(network.inputs[0].name)!, x());
    await graph.run();
    const times: number[] = [];
    const shares: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const ceiling = await measureMultiplyAdd(gpu, { samples: 1, seconds: 0 });
      const milliseconds = await time();
      times.push(milliseconds);
      shares.push((2 * extent ** 3) / milliseconds / 1e6 / ceiling);
    }
    gpu.check();
    const milliseconds = median(times);
    return { milliseconds, gflops: (2 * extent ** 3) / milliseconds / 1e6, share: median(shares) };
  } finally {
    program.destroy();
    timer?.destroy();
    graph.destroy();
    for (const parameter of parameters.values()) parameter.release(gpu);
  }
}
