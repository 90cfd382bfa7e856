/**
 * The fully connected layer: x [batch, inputs], w [outputs, inputs], bias [outputs], inputs a multiple of four,
 *
 *   y[n, o] = bias[o] + sum over i of  x[n, i] * w[o, i]
 *
 * y's rows lie `y_row` elements apart: windows of a large weight write their columns of one y.
 *
 * broadcast: a workgroup is one subgroup; each lane holds the sums of ITEMS items for COLUMNS outputs of its own. Four
 * inputs at a time: each weight is loaded once, by the lane that needs it, each x by one lane that hands it round.
 */
import { machineOf, profileOf } from '../../gpu/machine.ts';
import { defineKernel, type Params, perElement, type Variant } from '../kernel.ts';
import { countBefore, loadOf, range } from '../rasteriser.ts';
import { GPU_IN_FLIGHT, GPU_ITEMS, memoryCycles, onGpu, serves } from './gpu.ts';
import { broadcastOverItems } from './shape.ts';

const params = {
  batch: 'u32',
  inputs: 'u32',
  outputs: 'u32',
  y_row: 'u32',
  has_bias: 'u32',
  /** 1: y = max(the sum with its bias, 0) */
  relu: 'u32',
} as const;

type P = Params<typeof params>;

const COLUMNS = 4;
const tiles = (p: P, items: number, lanes: number) =>
  Math.ceil(p.batch / items) * Math.ceil(p.outputs / (lanes * COLUMNS));

const broadcast: Variant<typeof params> = {
  ...broadcastOverItems,
  workgroups: (p, { lanes, items }) => tiles(p, items, lanes),
  estimate: (p, { lanes, items }) =>
    tiles(p, items, lanes) *
    (p.inputs / 4) *
    ((Math.ceil(items / lanes) + COLUMNS) * loadOf(lanes) * lanes + items * COLUMNS * 11),
  text: ({ lanes, items }, memory) => ({
    main: /* wgsl */ `
  let tiles = (p.outputs + ${lanes * COLUMNS - 1}u) / ${lanes * COLUMNS}u;
  let n_0 = (workgroup / tiles) * ${items}u;
  if (n_0 >= p.batch) { return; }
  let first = (workgroup % tiles) * ${lanes * COLUMNS}u + lane;
  let length = p.inputs / 4u;
${range(Math.ceil(items / lanes))
  .map((i) => `  let a${i} = p.x_base + min(n_0 + ${i * lanes}u + lane, p.batch - 1u) * length;`)
  .join('\n')}
${range(COLUMNS)
  .map((j) => `  let b${j} = p.w_base + min(first + ${j * lanes}u, p.outputs - 1u) * length;`)
  .join('\n')}
${range(items)
  .map((n) => `  var c${n} = vec4f();`)
  .join('\n')}
  for (var i = 0u; i < length; i++) {
${range(Math.ceil(items / lanes))
  .map((i) => `    let v${i} = ${memory.load('x', `a${i} + i`)};`)
  .join('\n')}
${range(COLUMNS)
  .map((j) => `    let w${j} = ${memory.load('w', `b${j} + i`)};`)
  .join('\n')}
${range(items)
  .map((n) => {
    const value = (k: number) => `subgroupBroadcast(v${Math.floor(n / lanes)}[${k}], ${n % lanes}u)`;
    const terms = range(4).map(
      (k) =>
        `${value(k)} * vec4f(${range(COLUMNS)
          .map((j) => `w${j}[${k}]`)
          .join(', ')})`,
    );
    return `    c${n} += ${terms.join(' + ')};`;
  })
  .join('\n')}
  }
  var sums = array<vec4f, ${items}>(${range(items)
    .map((n) => `c${n}`)
    .join(', ')});
  let count = ${countBefore('p.batch', 'n_0', items)};
  for (var j = 0u; j < ${COLUMNS}u; j++) {
    let o = first + j * ${lanes}u;
    if (o >= p.outputs) { break; }
    var offset = 0.0;
    if (p.has_bias == 1u) { offset = ${memory.load('bias', 'p.bias_base + o')}; }
    for (var n = 0u; n < count; n++) { ${memory.store('y', 'p.y_base + (n_0 + n) * p.y_row + o', 'activated(combined(sums[n][j] + offset, (n_0 + n) * p.y_row + o, o))')} }
  }`,
  }),
};

/** Lanes of a workgroup, and of an item's sums in its memory: one more, so that items lie in banks of their own. */
const LANES_ON_GPU = 64;
const LINE = LANES_ON_GPU + 1;

/** On a GPU: ./gpu.ts. */
const rows: Variant<typeof params> = {
  name: 'rows',
  configurations: GPU_ITEMS.toReversed().flatMap((items) => [4, 8].map((rows) => ({ items, rows }))),
  workgroupSize: () => LANES_ON_GPU,
  inFlight: GPU_IN_FLIGHT,
  supports: (capabilities, c, p) =>
    serves(c, p) &&
    (profileOf(capabilities).compile === 0 || c.rows === 4) &&
    16 * c.items * LINE <= capabilities.limits.maxWorkgroupMemory,
  workgroups: (p, { items, rows }) => Math.ceil(p.batch / items) * Math.ceil(p.outputs / rows),
  estimate(p, { items, rows }, capabilities) {
    if (!onGpu(capabilities)) return p.batch * p.outputs * (p.inputs / 4) * 200;
    const { multiprocessors } = machineOf(capabilities);
    const workgroups = Math.ceil(p.batch / items) * Math.ceil(p.outputs / rows);
    // x comes from the cache, for each workgroup anew: at some three times memory's rate.
    const bytes = 4 * p.inputs * Math.ceil(p.batch / items) * p.outputs + (16 * p.inputs * items * workgroups) / 12;
    const steps = p.inputs / 4 / LANES_ON_GPU;
    const loads = steps * Math.ceil(workgroups / multiprocessors / 16);
    return memoryCycles({ bytes, threads: workgroups * LANES_ON_GPU, loads, inFlight: GPU_IN_FLIGHT }, capabilities);
  },
  text: ({ items, rows }, memory) => ({
    declarations: /* wgsl */ `
var<workgroup> parts: array<vec4f, ${items * LINE}>;`,
    main: /* wgsl */ `
  let tiles = (p.outputs + ${rows - 1}u) / ${rows}u;
  let n_0 = (workgroup / tiles) * ${items}u;
  if (n_0 >= p.batch) { return; }
  let o_0 = (workgroup % tiles) * ${rows}u;
  let length = p.inputs / 4u;
${range(items)
  .map((n) => `  let a${n} = p.x_base + min(n_0 + ${n}u, p.batch - 1u) * length;`)
  .join('\n')}
${range(rows)
  .map((o) => `  let b${o} = p.w_base + min(o_0 + ${o}u, p.outputs - 1u) * length;`)
  .join('\n')}
${range(items)
  .flatMap((n) => range(rows / 4).map((o) => `  var c${n}_${o} = vec4f();`))
  .join('\n')}
  for (var i = lane; i < length; i += ${LANES_ON_GPU}u) {
${range(rows)
  .map((o) => `    let w${o} = ${memory.load('w', `b${o} + i`)};`)
  .join('\n')}
${range(items)
  .map((n) => {
    const sums = range(rows / 4).map(
      (four) =>
        `c${n}_${four} += vec4f(${range(4)
          .map((o) => `dot(x${n}, w${4 * four + o})`)
          .join(', ')});`,
    );
    return `    let x${n} = ${memory.load('x', `a${n} + i`)}; ${sums.join(' ')}`;
  })
  .join('\n')}
  }
${range(rows / 4)
  .map(
    (four) => /* wgsl */ `  workgroupBarrier();
${range(items)
  .map((n) => `  parts[${n * LINE}u + lane] = c${n}_${four};`)
  .join('\n')}
  workgroupBarrier();
  for (var at = lane; at < ${4 * items}u; at += ${LANES_ON_GPU}u) {
    var sum = 0.0;
    for (var l = 0u; l < ${LANES_ON_GPU}u; l++) { sum += parts[(at / 4u) * ${LINE}u + l][at % 4u]; }
    let n = n_0 + at / 4u;
    let o = o_0 + ${4 * four}u + at % 4u;
    if (n < p.batch && o < p.outputs) {
      let offset = select(0.0, ${memory.load('bias', 'p.bias_base + o')}, p.has_bias == 1u);
      ${memory.store('y', 'p.y_base + n * p.y_row + o', 'activated(combined(sum + offset, n * p.y_row + o, o))')}
    }
  }`,
  )
  .join('\n')}`,
  }),
};

export const linearForward = defineKernel({
  name: 'linear/forward',
  applies: 'epilogue',
  params,
  bindings: {
    x: { access: 'read', type: 'vec4f', half: true },
    w: { access: 'read', type: 'vec4f', half: true },
    bias: { access: 'read', half: true },
    aux: { access: 'read', half: true },
    y: { access: 'write', half: true },
  },
  cost: (p, of) => ({
    flops: 2 * p.batch * p.inputs * p.outputs,
    bytes: p.inputs * (of.x * p.batch + of.w * p.outputs) + of.y * p.batch * p.outputs,
  }),
  variants: [
    {
      ...perElement<typeof params>(
        (p) => p.batch * p.outputs,
        'p.batch * p.outputs',
        ({ load, store }) => /* wgsl */ `
  let o = index % p.outputs;
  let n = index / p.outputs;
  let length = p.inputs / 4u;
  var sum = 0.0;
  for (var i = 0u; i < length; i++) { sum += dot(${load('x', 'p.x_base + n * length + i')}, ${load('w', 'p.w_base + o * length + i')}); }
  ${store('y', 'p.y_base + n * p.y_row + o', `activated(combined(sum + select(0.0, ${load('bias', 'p.bias_base + o')}, p.has_bias == 1u), n * p.y_row + o, o))`)}`,
      ),
      estimate: (p, _, capabilities) =>
        onGpu(capabilities)
          ? memoryCycles(
              { bytes: 64 * p.inputs * p.outputs, threads: p.batch * p.outputs, loads: 2 * p.inputs },
              capabilities,
            )
          : p.batch * p.outputs * (p.inputs / 4) * 80,
    },
    broadcast,
    rows,
  ],
});
