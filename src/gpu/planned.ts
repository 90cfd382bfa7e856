/**
 * A device that computes nothing: what a graph becomes on an adapter that is not here can be seen on it, dispatch by
 * dispatch. Its buffers have sizes and no memory.
 */
import { FrostlineError } from '../errors.ts';
import { Gpu, type OpenOptions } from './device.ts';
import { machines } from './machine.ts';

/**
 * @param name one of `machines`: 'h100', 'rtx-4090', 'navi31', 'apple-m2', 'xe', 'lavapipe'
 * @param options algorithms that are forced, and precision, as for `Gpu.open`
 * @throws FrostlineError for any other
 */
export function plannedGpu(name: string, options: Pick<OpenOptions, 'algorithms' | 'precision'> = {}): Gpu {
  const known = machines.find((machine) => machine.name === name);
  if (known === undefined) {
    throw new FrostlineError(
      `No adapter is known as '${name}'. Known are ${machines.map((one) => one.name).join(', ')}.`,
    );
  }
  const [subgroupMinSize, subgroupMaxSize] = known.subgroups;
  const buffer = ({ size }: GPUBufferDescriptor) => ({ size, destroy() {} });
  const device = {
    adapterInfo: {
      device: name,
      description: 'planned',
      vendor: '',
      architecture: '',
      subgroupMinSize,
      subgroupMaxSize,
    },
    features: new Set(['subgroups', 'shader-f16']),
    limits: {
      maxStorageBufferBindingSize: known.maxBinding,
      maxBufferSize: Math.max(known.maxBinding, 2 ** 31),
      minStorageBufferOffsetAlignment: 64,
      minUniformBufferOffsetAlignment: 64,
      maxComputeWorkgroupsPerDimension: 65535,
      maxComputeInvocationsPerWorkgroup: 1024,
      maxComputeWorkgroupStorageSize: known.maxWorkgroupMemory,
    },
    addEventListener() {},
    removeEventListener() {},
    lost: new Promise<never>(() => {}),
    createBuffer: buffer,
    queue: { writeBuffer() {} },
    destroy() {},
  };
  // No plan is made of matrix units, which no machine in the table is known to have: whatever the environment asks for.
  const fixed = { tuning: false, machine: known.machine, subgroupMatrices: false } as const;
  return Gpu.from(device as unknown as GPUDevice, { ...options, ...fixed });
}
