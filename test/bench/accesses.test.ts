/** Sectors and bank conflicts of kernels whose numbers can be told by hand. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AccessReport, countAccesses } from '../../src/bench/analysis/accesses.ts';
import { instrument } from '../../src/bench/analysis/instrument.ts';
import { planDispatches } from '../../src/bench/plan.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { defineKernel, type KernelDispatch, type VariantText } from '../../src/kernels/kernel.ts';
import { alexnetSmall } from '../../src/models/tables.ts';

describe('accesses', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.open();
  });
  afterAll(() => gpu.destroy());

  async function count(
    text: VariantText,
    { threads = 64, type = 'f32' as 'f32' | 'vec4f' } = {},
  ): Promise<AccessReport> {
    const kernel = defineKernel({
      name: 'test/accesses',
      params: { stride: 'u32' },
      bindings: { x: { access: 'read', type }, y: { access: 'write' } },
      cost: () => ({ flops: 0, bytes: 0 }),
      variants: [
        {
          name: 'plain',
          configurations: [{}],
          workgroupSize: () => threads,
          workgroups: () => 5,
          text: () => text,
        },
      ],
    });
    const views = { x: gpu.storage('x', 2 ** 16).view(), y: gpu.storage('y', 2 ** 16).view() };
    return countAccesses(gpu, kernel.dispatch(gpu, { stride: 3 }, views));
  }
  const rowOf = ({ rows }: AccessReport, array: string, kind: string) =>
    rows.find((row) => row.array === array && row.kind === kind);

  it('counts the sectors of a warp: neighbours 4, a stride of two 8, a line each 32, one for all 1', async () => {
    for (const [index, touched] of [
      ['index', 4],
      ['index * 2u', 8],
      ['index * 64u', 32],
      ['workgroup', 1],
      // A run that begins in the middle of a sector.
      ['index + 3u', 5],
    ] as const) {
      const report = await count({ main: `  y[index] = x[${index}];` });
      expect([index, rowOf(report, 'x', 'load')]).toMatchObject([index, { accesses: 2, sectors: { touched } }]);
      expect(rowOf(report, 'y', 'store')).toMatchObject({ bytes: 4, sectors: { touched: 4, fewest: 4 } });
      expect(report.groups).toEqual([0, 2, 4]);
    }
  });

  it('counts vectors, their components, updates, and what only some lanes do, some more often', async () => {
    const report = await count(
      {
        main: '  if (lane % 2u == 0u) { for (var i = 0u; i < lane % 5u; i++) { y[index] += x[index].y + x[64u + i][3]; } }',
      },
      { type: 'vec4f' },
    );
    // The even lanes of a warp, 16, go 0 to 4 times; one component of each vector, 16 bytes apart: every other sector.
    expect(rowOf(report, 'y', 'update')).toMatchObject({ accesses: 8 });
    expect(rowOf(report, 'x', 'load')).toMatchObject({ bytes: 4, accesses: 16 });
    const whole = await count({ main: '  y[index] = dot(x[index], x[index + 64u]);' }, { type: 'vec4f' });
    expect(rowOf(whole, 'x', 'load')).toMatchObject({ bytes: 16, accesses: 4, sectors: { touched: 16, fewest: 16 } });
  });

  it('counts halves and components of vectors of halves by their two bytes', () => {
    const text = (access: string) => `enable f16;
struct Params { x_base: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4h>;
@group(0) @binding(2) var<storage, read_write> y: array<f16>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup_id: vec3u, @builtin(num_workgroups) workgroup_count: vec3u) {
  let workgroup = workgroup_id.x + workgroup_id.y * workgroup_count.x;
  y[workgroup] = ${access};
}
`;
    const accesses = (access: string) => instrument(text(access), [0]).accesses;
    expect(accesses('x[3].z')).toMatchObject([
      { array: 'y', bytes: 2, stride: 2, offset: 0 },
      { array: 'x', bytes: 2, stride: 8, offset: 4 },
    ]);
    expect(accesses('dot(x[3], x[4])')[1]).toMatchObject({ array: 'x', bytes: 8, stride: 8, offset: 0 });
  });

  it('counts the turns of workgroup memory: a stride of 2 two, of 32 thirty-two, of 33 one, one word for all one', async () => {
    for (const [index, taken] of [
      ['lane', 1],
      ['lane * 2u', 2],
      ['lane * 32u', 32],
      ['lane * 33u', 1],
      ['5u', 1],
    ] as const) {
      const report = await count(
        { declarations: 'var<workgroup> slab: array<f32, 2048>;', main: `  y[index] = slab[${index}];` },
        { threads: 32 },
      );
      expect([index, rowOf(report, 'slab', 'load')]).toMatchObject([index, { turns: { taken, fewest: 1 } }]);
    }
  });

  it('takes neighbouring words loaded one behind the other for the vector that they are', async () => {
    const loads = (first: string) =>
      count({
        declarations: 'var<workgroup> slab: array<f32, 1024>;\nvar<workgroup> square: array<array<f32, 32>, 32>;',
        main: `  let at = ${first};
  let four = vec4f(slab[at], slab[at + 1u], slab[at + 2u], slab[at + 3u]);
  square[lane % 32u][lane / 32u] = four.x;
  workgroupBarrier();
  y[index] = dot(four, four) + square[lane / 32u][lane % 32u];`,
      });
    const aligned = await loads('lane * 4u');
    expect(rowOf(aligned, 'slab', 'load')).toMatchObject({ bytes: 16, accesses: 2, turns: { taken: 4, fewest: 4 } });
    // A column of a square is in one bank, a row in all.
    expect(rowOf(aligned, 'square', 'store')).toMatchObject({ turns: { taken: 32 } });
    expect(rowOf(aligned, 'square', 'load')).toMatchObject({ turns: { taken: 1 } });
    expect(rowOf(await loads('lane * 5u'), 'slab', 'load')).toMatchObject({ bytes: 4, accesses: 8 });
  });

  it('refuses a text in which a local name hides an array', async () => {
    await expect(count({ main: '  var x = array<f32, 2>(1.0, 2.0);\n  y[index] = x[lane % 2u];' })).rejects.toThrow(
      'a local name hides the array x',
    );
  });

  it('reads the texts of every adapter that can be planned for, a rasteriser with subgroups among them', async () => {
    const found = new Map<string, KernelDispatch>();
    for (const name of ['lavapipe', 'xe']) {
      for (const one of planDispatches(plannedGpu(name), alexnetSmall({ classes: 10 }), 2, 'none')) {
        found.set(`${one.kernel.name} ${one.choice.variant}`, one);
      }
    }
    expect(found.size).toBeGreaterThan(20);
    for (const [text, one] of found) {
      const { rows } = await countAccesses(gpu, one);
      expect(rows.length, text).toBeGreaterThan(0);
    }
  });
});
