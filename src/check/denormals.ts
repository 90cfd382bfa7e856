/** What an adapter makes of denormals: WGSL lets it keep them or take them for 0, in operands and in results. */
import type { Gpu } from '../gpu/device.ts';
import { affineForward } from '../kernels/affine/affine.ts';
import { runCases } from './run-cases.ts';

export interface Denormals {
  /** whether a denormal operand counts: 2^-140 times 2^20 is not 0 */
  readonly read: boolean;
  /** whether a denormal result stays: 2^-120 times 2^-20 is not 0 */
  readonly written: boolean;
}

export async function probeDenormals(gpu: Gpu): Promise<Denormals> {
  const product = async (x: number, scale: number) => {
    const testCase = {
      name: 'a product',
      kernel: affineForward,
      params: { batch: 1, channels: 1, plane: 1, scale_step: 0, shift_step: 0 },
      inputs: { x: Float32Array.of(x), scale: Float32Array.of(scale), shift: Float32Array.of(0) },
      outputs: { y: 1 },
    };
    const [{ words }] = await runCases(gpu, [{ testCase, choice: { variant: 'plain', configuration: {} } }]);
    return new Float32Array(words['y'].buffer)[0];
  };
  return {
    read: (await product(2 ** -140, 2 ** 20)) !== 0,
    written: (await product(2 ** -120, 2 ** -20)) !== 0,
  };
}
