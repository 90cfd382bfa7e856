/**
 * The fully connected layer's input gradient. y = x w^T + bias is linear in x, so with dy = dL/dy
 *
 *   dx[n, i] (+)= sum over o of  dy[n, o] * w[o, i]
 *
 * inputs is a multiple of four. dy's rows lie `dy_row` elements apart; `accumulate` adds a further window of outputs.
 * `differentiates` 1: x is the output of a map, a ReLU unless a run says otherwise, and dx the gradient of its argument;
 * else x is not looked at.
 *
 * broadcast: as in ./forward.ts; a lane holds the sums of ITEMS items for COLUMNS vectors of inputs. One output at a
 * time: with several an accumulator is touched less often, but the text no longer fits the cache of decoded instructions.
 */
import { machineOf, profileOf } from '../../gpu/machine.ts';
import { defineKernel, type Params, perElement, type Variant } from '../kernel.ts';
import { loadOf, range } from '../rasteriser.ts';
import { fourItemsOfDy, GPU_IN_FLIGHT, GPU_ITEMS, memoryCycles, onGpu, serves } from './gpu.ts';
import { argumentGradientAt, broadcastOverItems } from './shape.ts';

const params = {
  batch: 'u32',
  inputs: 'u32',
  outputs: 'u32',
  dy_row: 'u32',
  accumulate: 'u32',
  differentiates: 'u32',
} as const;

type P = Params<typeof params>;
const COLUMNS = 2;
const tiles = (p: P, items: number, lanes: number) =>
  Math.ceil(p.batch / items) * Math.ceil(p.inputs / 4 / (lanes * COLUMNS));

const broadcast: Variant<typeof params> = {
  ...broadcastOverItems,
  workgroups: (p, { lanes, items }) => tiles(p, items, lanes),
  estimate: (p, { lanes, items }) =>
    tiles(p, items, lanes) *
    p.outputs *
    ((Math.ceil(items / lanes) / 4 + COLUMNS) * loadOf(lanes) * lanes + items * COLUMNS * 4 * 4),
  text: ({ lanes, items }, memory) => ({
    declarations: argumentGradientAt(memory),
    main: /* wgsl */ `
  let length = p.inputs / 4u;
  let tiles = (length + ${lanes * COLUMNS - 1}u) / ${lanes * COLUMNS}u;
  let n_0 = (workgroup / tiles) * ${items}u;
  if (n_0 >= p.batch) { return; }
  let first = (workgroup % tiles) * ${lanes * COLUMNS}u + lane;
${range(Math.ceil(items / lanes))
  .map((i) => `  let a${i} = p.dy_base + min(n_0 + ${i * lanes}u + lane, p.batch - 1u) * p.dy_row;`)
  .join('\n')}
${range(COLUMNS)
  .map((j) => `  let b${j} = p.w_base + min(first + ${j * lanes}u, length - 1u);`)
  .join('\n')}
${range(items)
  .flatMap((n) => range(COLUMNS).map((j) => `  var c${n}_${j} = vec4f();`))
  .join('\n')}
  for (var o = 0u; o < p.outputs; o++) {
${range(Math.ceil(items / lanes))
  .map((i) => `    let v${i} = ${memory.load('dy', `a${i} + o`)};`)
  .join('\n')}
${range(COLUMNS)
  .map((j) => `    let w${j} = ${memory.load('w', `b${j} + o * length`)};`)
  .join('\n')}
${range(items)
  .map((n) => {
    const sums = range(COLUMNS).map((j) => `c${n}_${j} += d * w${j};`);
    return `    { let d = subgroupBroadcast(v${Math.floor(n / lanes)}, ${n % lanes}u); ${sums.join(' ')} }`;
  })
  .join('\n')}
  }
  var sums = array<vec4f, ${items * COLUMNS}>(${range(items)
    .flatMap((n) => range(COLUMNS).map((j) => `c${n}_${j}`))
    .join(', ')});
  let count = min(${items}u, p.batch - n_0);
  for (var j = 0u; j < ${COLUMNS}u; j++) {
    let at = first + j * ${lanes}u;
    if (at >= length) { break; }
    for (var n = 0u; n < count; n++) {
      let place = p.dx_base + (n_0 + n) * length + at;
      var sum = argument_gradient_at(sums[n * ${COLUMNS}u + j], (n_0 + n) * length + at);
      if (p.accumulate == 1u) { sum += ${memory.load('dx', 'place')}; }
      ${memory.store('dx', 'place', 'sum')}
    }
  }`,
  }),
};

/** Lanes of a workgroup, and outputs whose dy it brings into its memory at a time. */
const LANES_ON_GPU = 256;
const OUTPUTS = 256;

/** Rows of w that a lane has on their way at a time. */
const AT_A_TIME = 4;

/** On a GPU: ./gpu.ts. */
const columns: Variant<typeof params> = {
  name: 'columns',
  configurations: GPU_ITEMS.toReversed().flatMap((items) => [4, 8, 16].map((columns) => ({ items, columns }))),
  workgroupSize: () => LANES_ON_GPU,
  inFlight: GPU_IN_FLIGHT,
  supports: (capabilities, c, p) =>
    serves(c, p) &&
    // Of a rasteriser in software's minutes of compilation, the one that shows that the text is right.
    (profileOf(capabilities).compile === 0 || c.columns === 8) &&
    4 * OUTPUTS * 4 * Math.ceil(c.items / 4) + 16 * LANES_ON_GPU <= capabilities.limits.maxWorkgroupMemory,
  workgroups: (p, { items, columns }) => Math.ceil(p.batch / items) * Math.ceil(p.inputs / 4 / columns),
  estimate(p, { items, columns }, capabilities) {
    if (!onGpu(capabilities)) return p.batch * (p.inputs / 4) * p.outputs * 200;
    const { multiprocessors } = machineOf(capabilities);
    const workgroups = Math.ceil(p.batch / items) * Math.ceil(p.inputs / 4 / columns);
    const steps = (p.outputs * columns) / LANES_ON_GPU / AT_A_TIME;
    // Rows of fewer vectors than a page of memory likes.
    const bytes = 4 * p.inputs * Math.ceil(p.batch / items) * p.outputs * (1 + 1 / columns);
    const loads = steps * Math.ceil(workgroups / multiprocessors / 4);
    return memoryCycles({ bytes, threads: workgroups * LANES_ON_GPU, loads, inFlight: GPU_IN_FLIGHT }, capabilities);
  },
  text: ({ items, columns }, memory) => {
    const fours = Math.ceil(items / 4);
    const segments = LANES_ON_GPU / columns;
    return {
      declarations: /* wgsl */ `${argumentGradientAt(memory)}
// dy of some outputs: four items a vector.
var<workgroup> slab: array<vec4f, ${OUTPUTS * fours}>;
var<workgroup> parts: array<vec4f, ${LANES_ON_GPU}>;
${fourItemsOfDy(memory)}
// Of a column, over the segments; of lanes beyond the columns nothing.
fn total(lane: u32) -> vec4f {
  var sum = vec4f();
  for (var i = lane; i < select(0u, ${LANES_ON_GPU}u, lane < ${columns}u); i += ${columns}u) { sum += parts[i]; }
  return sum;
}`,
      main: /* wgsl */ `
  let length = p.inputs / 4u;
  let tiles = (length + ${columns - 1}u) / ${columns}u;
  let n_0 = (workgroup / tiles) * ${items}u;
  if (n_0 >= p.batch) { return; }
  let segment = lane / ${columns}u;
  let at = (workgroup % tiles) * ${columns}u + lane % ${columns}u;
  let column = p.w_base + min(at, length - 1u);
${range(items)
  .map((n) => `  var c${n} = vec4f();`)
  .join('\n')}
  for (var o_0 = 0u; o_0 < p.outputs; o_0 += ${OUTPUTS}u) {
    workgroupBarrier();
    for (var i = lane; i < ${OUTPUTS * fours}u; i += ${LANES_ON_GPU}u) {
      let o = o_0 + i % ${OUTPUTS}u;
      let n = n_0 + 4u * (i / ${OUTPUTS}u);
      slab[(i % ${OUTPUTS}u) * ${fours}u + i / ${OUTPUTS}u] = four_items_of_dy(n, o);
    }
    workgroupBarrier();
    for (var i = segment; i < ${OUTPUTS}u; i += ${segments * AT_A_TIME}u) {
      // Beyond the last output dy is 0 here, and the row of w any.
${range(AT_A_TIME)
  .map(
    (r) =>
      `      let weight${r} = ${memory.load('w', `column + min(o_0 + i + ${r * segments}u, p.outputs - 1u) * length`)};`,
  )
  .join('\n')}
${range(AT_A_TIME)
  .map(
    (r) => `      {
${range(fours)
  .map((four) => `        let d${four} = slab[(i + ${r * segments}u) * ${fours}u + ${four}u];`)
  .join('\n')}
${range(items)
  .map((n) => `        c${n} += d${n >> 2}[${n & 3}] * weight${r};`)
  .join('\n')}
      }`,
  )
  .join('\n')}
    }
  }
  var totals: array<vec4f, ${items}>;
${range(items)
  .map(
    (n) => /* wgsl */ `  workgroupBarrier();
  parts[lane] = c${n};
  workgroupBarrier();
  totals[${n}] = total(lane);`,
  )
  .join('\n')}
  if (lane >= ${columns}u || at >= length) { return; }
  for (var n = 0u; n < min(${items}u, p.batch - n_0); n++) {
    let place = (n_0 + n) * length + at;
    var sum = argument_gradient_at(totals[n], place);
    if (p.accumulate == 1u) { sum += ${memory.load('dx', 'p.dx_base + place')}; }
    ${memory.store('dx', 'p.dx_base + place', 'sum')}
  }`,
    };
  },
};

export const linearInputGradient = defineKernel({
  name: 'linear/input-gradient',
  applies: 'derivative',
  params,
  bindings: {
    dy: { access: 'read', half: true },
    w: { access: 'read', type: 'vec4f', half: true },
    x: { access: 'read', type: 'vec4f', half: true },
    dx: { access: 'write', type: 'vec4f', half: true },
  },
  cost: (p, of) => ({
    flops: 2 * p.batch * p.inputs * p.outputs,
    bytes:
      p.outputs * (of.dy * p.batch + of.w * p.inputs) +
      p.batch * p.inputs * (of.dx * (1 + p.accumulate) + of.x * p.differentiates),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        (p) => (p.batch * p.inputs) / 4,
        'p.batch * (p.inputs / 4u)',
        ({ load, store }) => /* wgsl */ `
  let length = p.inputs / 4u;
  let n = index / length;
  let i = index - n * length;
  var sum = vec4f();
  for (var o = 0u; o < p.outputs; o++) { sum += ${load('dy', 'p.dy_base + n * p.dy_row + o')} * ${load('w', 'p.w_base + o * length + i')}; }
  sum = argument_gradient_at(sum, index);
  if (p.accumulate == 1u) { sum += ${load('dx', 'p.dx_base + index')}; }
  ${store('dx', 'p.dx_base + index', 'sum')}`,
        argumentGradientAt,
      ),
      estimate: (p, _, capabilities) =>
        onGpu(capabilities)
          ? memoryCycles(
              {
                bytes: 4 * p.batch * p.inputs * p.outputs,
                threads: (p.batch * p.inputs) / 4,
                loads: 2 * p.outputs,
              },
              capabilities,
            )
          : p.batch * (p.inputs / 4) * p.outputs * 60,
    },
    broadcast,
    columns,
  ],
});
