/**
 * What AMD's compiler makes of the variants that GPUs run, on f32 and on halves, with no GPU at hand: none spills, and each
 * loads no more from workgroup memory than it states.
 */
import { describe, expect, it } from 'vitest';
import { machineCode, missingForMachineCode } from '../../src/bench/analysis/machine-code.ts';
import { workgroupMemoryOf } from '../../src/bench/occupancy.ts';
import { planDispatches } from '../../src/bench/plan.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import type { Precision } from '../../src/gpu/storage.ts';
import { choiceText, type KernelDispatch } from '../../src/kernels/kernel.ts';
import { alexnet } from '../../src/models/tables.ts';

const missing = missingForMachineCode();

/** One dispatch of each variant and configuration, whichever way it takes at edges and loads its operands. */
function variantsOf(adapter: string, precision: Precision): Map<string, KernelDispatch> {
  const found = new Map<string, KernelDispatch>();
  for (const dispatch of planDispatches(plannedGpu(adapter, { precision }), alexnet({ classes: 2 }), 10, 'none')) {
    const { bounds: _, a_inner: __, b_inner: ___, ...configuration } = dispatch.choice.configuration;
    const texts = dispatch.source.includes('enable f16;') ? 'of halves' : 'of f32';
    found.set(`${dispatch.kernel.name} ${choiceText({ ...dispatch.choice, configuration })} ${texts}`, dispatch);
  }
  return found;
}

const variants = new Map([...variantsOf('navi31', 'f32'), ...variantsOf('navi31', 'f16')]);

const statedBy = ({ kernel, choice }: KernelDispatch) =>
  kernel.variants.find(({ name }) => name === choice.variant)?.multiplyAddsPerLoad?.(choice.configuration) ?? 0;

describe.skipIf(missing !== undefined)(`machine code${missing === undefined ? '' : ` (missing: ${missing})`}`, () => {
  it.each([...variants].map(([name, dispatch]) => ({ name, dispatch })))(
    'of $name neither spills nor loads more than it states',
    ({ dispatch }) => {
      const { spilled, scratch, subgroups, multiplyAddsPerLoad, workgroupMemory } = machineCode(dispatch.source);
      expect({ spilled, scratch }).toEqual({ spilled: 0, scratch: 0 });
      // The hardware gives it in pieces of 512 bytes.
      expect(512 * Math.ceil(workgroupMemoryOf(dispatch.source) / 512)).toBe(workgroupMemory);
      // Subgroups of a SIMD hide each other's latencies.
      expect(subgroups).toBeGreaterThanOrEqual(4);
      expect(multiplyAddsPerLoad).toBeGreaterThanOrEqual(statedBy(dispatch));
    },
  );

  it('is looked at where tiles state 16 multiply-adds a load', () => {
    expect(Math.max(...[...variants.values()].map(statedBy))).toBe(16);
  });

  it('tells a kernel that spills, and one that loads too much', () => {
    const spills = machineCode(/* wgsl */ `
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(1024) fn main(@builtin(local_invocation_index) lane: u32) {
  var sums: array<f32, 512>;
  for (var i = 0u; i < 512u; i++) { sums[i] = x[lane + i * 1024u]; }
  for (var j = 0u; j < 512u; j++) {
    for (var i = 0u; i < 512u; i++) { sums[i] = fma(sums[(i * 7u + j) % 512u], x[j], sums[i]); }
  }
  for (var i = 0u; i < 512u; i++) { x[lane + i * 1024u] = sums[i]; }
}`);
    expect(spills.scratch + spills.spilled).toBeGreaterThan(0);
    const loads = machineCode(/* wgsl */ `
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
var<workgroup> slab: array<f32, 1024>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {
  for (var i = lane; i < 1024u; i += 64u) { slab[i] = x[i]; }
  workgroupBarrier();
  var sum = 0.0;
  for (var k = 0u; k < u32(x[0u]); k++) { sum = fma(slab[(k * 3u + lane) % 1024u], slab[(k + lane * 5u) % 1024u], sum); }
  x[lane] = sum;
}`);
    expect(loads.multiplyAddsPerLoad).toBeLessThan(1);
  });
});
