/** What a multiprocessor holds, by counts that can be made by hand. */
import { expect, it } from 'vitest';
import { occupancyOf, workgroupMemoryOf } from '../../src/bench/occupancy.ts';
import { planDispatches } from '../../src/bench/plan.ts';
import { machineNamed } from '../../src/gpu/machine.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { defineKernel, type KernelDispatch } from '../../src/kernels/kernel.ts';
import { alexnet } from '../../src/models/tables.ts';

it('counts the workgroup memory that a text declares, and names a type that it does not know', () => {
  const text = `// var<workgroup> not: array<f32, 1000>;
var<workgroup> slab: array<vec4f, 64u>;
var<workgroup> square: array<array<f32, 33>, 32>;
var<workgroup> halves: array<f16, 10>;
var<workgroup> lines: array<vec3<u32>, 2>;
var<workgroup> total: atomic<u32>;
var<storage, read> x: array<f32, 9>;`;
  expect(workgroupMemoryOf(text)).toBe(64 * 16 + 33 * 32 * 4 + 20 + 2 * 16 + 4);
  expect(() => workgroupMemoryOf('var<workgroup> one: Pair;')).toThrow(/of the type Pair is not known/);
});

/** A run of 1000 workgroups of so many threads, each with so many floats of workgroup memory. */
function runOf(adapter: string, threads: number, floats: number) {
  const gpu = plannedGpu(adapter);
  const kernel = defineKernel({
    name: 'test/occupancy',
    params: { count: 'u32' },
    bindings: { y: { access: 'write' } },
    cost: () => ({ flops: 1, bytes: 4 }),
    variants: [
      {
        name: 'plain',
        configurations: [{}],
        workgroupSize: () => threads,
        workgroups: () => 1000,
        text: () => ({
          declarations: floats > 0 ? `var<workgroup> slab: array<f32, ${floats}>;` : '',
          main: '  y[index] = 1.0;',
        }),
      },
    ],
  });
  const dispatch = kernel.dispatch(gpu, { count: 1 }, { y: gpu.storage('y', 4096).view() }) as KernelDispatch;
  const { held, waves } = occupancyOf(dispatch, gpu, gpu.machine ?? machineNamed(gpu.name)!);
  return { held, waves };
}

it.each([
  // 2048 threads, 228 KiB, 32 workgroups; 132 multiprocessors.
  ['h100', 256, 0, 8, 1],
  ['h100', 64, 0, 32, 1],
  ['h100', 32, 0, 32, 1],
  ['h100', 256, 8192, 7, 2],
  ['h100', 256, 12288, 4, 2],
  // 1536 threads, 100 KiB, 24 workgroups; 128 multiprocessors.
  ['rtx-4090', 256, 0, 6, 2],
  ['rtx-4090', 256, 8192, 3, 3],
  // 1024 threads and 64 KiB; 96 of them.
  ['navi31', 256, 8192, 2, 6],
  // One of the largest workgroups at least, whatever it holds.
  ['apple-m2', 256, 8192, 1, 100],
  ['xe', 1024, 0, 1, 84],
  ['lavapipe', 64, 0, 1, 500],
])('%s holds, of %d threads with %d floats, %d workgroups: %d rounds', (adapter, threads, floats, held, waves) => {
  expect(runOf(adapter, threads, floats)).toEqual({ held, waves });
});

it('knows the workgroup memory of all that a step runs', () => {
  for (const precision of ['f32', 'f16'] as const) {
    for (const { source } of planDispatches(plannedGpu('h100', { precision }), alexnet(), 10, 'none')) {
      expect(workgroupMemoryOf(source)).toBeLessThanOrEqual(48 * 1024);
    }
  }
});
