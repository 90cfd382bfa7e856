/** Dawn's null backend, which checks WGSL and pipelines without a driver. */
import { createInstance, type Instance } from '../../src/gpu/node.ts';

/** Collected while threads of it compile, an instance takes the process down. */
const held: Instance[] = [];

/** @param flags more of them, as for `createInstance` */
export async function nullAdapter(...flags: string[]): Promise<GPUAdapter> {
  const instance = createInstance(['backend=null', ...flags]);
  held.push(instance);
  return (await instance.gpu.requestAdapter())!;
}
