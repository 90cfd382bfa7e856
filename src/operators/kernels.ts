import { sharedKernels } from '../kernels/index.ts';
import type { Kernel } from '../kernels/kernel.ts';
import { ours } from './registry.ts';

/** Every kernel by its name: for `frostline kernels show`, tests and benchmarks. */
export const allKernels: ReadonlyMap<string, Kernel> = new Map(
  [...ours.all.flatMap(({ kernels }) => kernels), ...sharedKernels].map((kernel) => [kernel.name, kernel]),
);
