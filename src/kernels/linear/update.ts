/**
 * The fully connected layer's weight gradient and its update in one: the gradient of the largest matrices of these
 * networks is a sum over the few items of a batch, made where it is used and never written to memory.
 *
 *   g[o, i] = sum over n of  dy[n, o] * x[n, i]
 *   v <- momentum v - (learning_rate mask) (g + weight_decay decay_factor w),    w <- w + v
 *
 * as ../sgdm/sgdm.ts has it, with one mask above 0 for the whole parameter. inputs is a multiple of four; dy's rows lie
 * `dy_row` elements apart.
 *
 * `linear/update-scaled` is the same of a gradient that is the loss scale times too large (../loss-scale): it takes the
 * scale off the sum, changes nothing where the step is skipped, keeps the velocity `VELOCITY_SCALE` times as large, and writes
 * the new weight a second time, as halves.
 *
 * broadcast: a workgroup is one subgroup; each lane holds ROWS outputs of COLUMNS vectors of inputs.
 * columns: for small batches, whose x fits registers: ./columns.ts.
 */
import { defineKernel, type Params, perElement, type Variant } from '../kernel.ts';
import { scalingBinding, scalingFunctions, VELOCITY_SCALE } from '../loss-scale/state.ts';
import type { Memory } from '../memory.ts';
import { LANES, LOAD, loadOf, range } from '../rasteriser.ts';
import { sgdmRule } from '../sgdm/sgdm.ts';
import { stepBinding } from '../step.ts';
import { loopOverOutputs } from './columns.ts';
import { fourItemsOfDy, GPU_IN_FLIGHT, GPU_ITEMS, memoryCycles, onGpu, serves } from './gpu.ts';

const params = {
  batch: 'u32',
  inputs: 'u32',
  outputs: 'u32',
  dy_row: 'u32',
  mask: 'f32',
  decay_factor: 'f32',
} as const;

type P = Params<typeof params>;
const ROWS = 16;
const COLUMNS = 2;
const tiles = (p: P, lanes: number) => Math.ceil(p.outputs / ROWS) * Math.ceil(p.inputs / 4 / (lanes * COLUMNS));

/** What the two kernels differ in. */
interface Rule {
  readonly declarations: string;
  /** the velocity before, and what keeps the new one */
  velocity(memory: Memory, place: string): string;
  keep(memory: Memory, place: string): string;
  /** the condition under which values are written, beside `inside` */
  written(inside: string): string;
  gradient(sum: string): string;
  /** writes the new weight as halves, too */
  second(memory: Memory, place: string): string;
}
const exact: Rule = {
  declarations: sgdmRule('vec4f'),
  velocity: ({ load }, place) => load('v', place),
  keep: ({ store }, place) => store('v', place, 'velocity'),
  written: (inside) => inside,
  gradient: (sum) => sum,
  second: () => '',
};
const scaled: Rule = {
  declarations: sgdmRule('vec4f') + scalingFunctions,
  velocity: ({ load }, place) => `(${load('v', place)} / ${VELOCITY_SCALE}.0)`,
  keep: ({ store }, place) => store('v', place, `${VELOCITY_SCALE}.0 * velocity`),
  written: (inside) => `${inside} && !skipped()`,
  gradient: (sum) => `${sum} * unscale()`,
  second: ({ store }, place) => ` ${store('h', `p.h_base + ${place}`, 'weight + velocity')}`,
};

const broadcast = (rule: Rule): Variant<typeof params> => ({
  name: 'broadcast',
  subgroups: true,
  configurations: LANES.map((lanes) => ({ lanes })),
  workgroupSize: ({ lanes }) => lanes,
  supports: ({ subgroupWidth }, { lanes }) => lanes === subgroupWidth,
  workgroups: (p, { lanes }) => tiles(p, lanes),
  estimate: (p, { lanes }) =>
    tiles(p, lanes) *
    (p.batch * ((ROWS / lanes / 2 + COLUMNS) * loadOf(lanes) * lanes + ROWS * COLUMNS * 4 * 5) +
      // Through an array, in a loop: half as much again.
      ROWS * COLUMNS * 6 * loadOf(lanes) * lanes),
  text: ({ lanes }, memory) => ({
    declarations: rule.declarations,
    main: /* wgsl */ `
  let length = p.inputs / 4u;
  let tiles = (length + ${lanes * COLUMNS - 1}u) / ${lanes * COLUMNS}u;
  let o_0 = (workgroup / tiles) * ${ROWS}u;
  if (o_0 >= p.outputs) { return; }
  let first = (workgroup % tiles) * ${lanes * COLUMNS}u + lane;
${range(ROWS / lanes)
  .map((i) => `  let a${i} = p.dy_base + min(o_0 + ${i * lanes}u + lane, p.outputs - 1u);`)
  .join('\n')}
${range(COLUMNS)
  .map((j) => `  let b${j} = p.x_base + min(first + ${j * lanes}u, length - 1u);`)
  .join('\n')}
${range(ROWS)
  .flatMap((m) => range(COLUMNS).map((j) => `  var c${m}_${j} = vec4f();`))
  .join('\n')}
  for (var n = 0u; n < p.batch; n++) {
${range(ROWS / lanes)
  .map((i) => `    let v${i} = ${memory.load('dy', `a${i} + n * p.dy_row`)};`)
  .join('\n')}
${range(COLUMNS)
  .map((j) => `    let x${j} = ${memory.load('x', `b${j} + n * length`)};`)
  .join('\n')}
${range(ROWS)
  .map((m) => {
    const sums = range(COLUMNS).map((j) => `c${m}_${j} += d * x${j};`);
    return `    { let d = subgroupBroadcast(v${Math.floor(m / lanes)}, ${m % lanes}u); ${sums.join(' ')} }`;
  })
  .join('\n')}
  }
  var sums = array<vec4f, ${ROWS * COLUMNS}>(${range(ROWS)
    .flatMap((m) => range(COLUMNS).map((j) => `c${m}_${j}`))
    .join(', ')});
  let rate = learning_rate() * p.mask;
  let decay = weight_decay() * p.decay_factor;
  let inertia = momentum();
  let count = ${rule === exact ? '' : 'select(0u, '}min(${ROWS}u, p.outputs - o_0)${rule === exact ? '' : ', !skipped())'};
  for (var j = 0u; j < ${COLUMNS}u; j++) {
    let at = first + j * ${lanes}u;
    if (at >= length) { break; }
    for (var m = 0u; m < count; m++) {
      let place = (o_0 + m) * length + at;
      let weight = w[p.w_base + place];
      let velocity = next_velocity(${rule.velocity(memory, 'p.v_base + place')}, weight, ${rule.gradient(`sums[m * ${COLUMNS}u + j]`)}, rate, decay, inertia);
      ${rule.keep(memory, 'p.v_base + place')}
      w[p.w_base + place] = weight + velocity;${rule.second(memory, 'place')}
    }
  }`,
  }),
});

/** Lanes of a workgroup, outputs that it updates, and of these so many at a time. */
const LANES_ON_GPU = 128;
const OUTPUTS = 16;
const AT_A_TIME = 4;

/** On a GPU: ./gpu.ts. */
const rowTiles = (p: P) => Math.ceil(p.outputs / OUTPUTS) * Math.ceil(p.inputs / 4 / LANES_ON_GPU);
const rows = (rule: Rule): Variant<typeof params> => ({
  name: 'rows',
  configurations: GPU_ITEMS.toReversed().map((items) => ({ items })),
  workgroupSize: () => LANES_ON_GPU,
  inFlight: GPU_IN_FLIGHT,
  supports: (_, c, p) => serves(c, p) && p.batch <= c.items,
  workgroups: rowTiles,
  estimate: (p, _, capabilities) =>
    onGpu(capabilities)
      ? memoryCycles(
          {
            bytes: 16 * p.inputs * p.outputs,
            threads: rowTiles(p) * LANES_ON_GPU,
            loads: OUTPUTS,
            inFlight: GPU_IN_FLIGHT,
          },
          capabilities,
        )
      : p.outputs * (p.inputs / 4) * (p.batch * 60 + 8 * LOAD) * 2,
  text: ({ items }, memory) => {
    const fours = Math.ceil(items / 4);
    return {
      declarations: /* wgsl */ `${rule.declarations}
// dy of the outputs: four items a vector.
var<workgroup> slab: array<vec4f, ${OUTPUTS * fours}>;
${fourItemsOfDy(memory)}`,
      main: /* wgsl */ `
  let length = p.inputs / 4u;
  let tiles = (length + ${LANES_ON_GPU - 1}u) / ${LANES_ON_GPU}u;
  let o_0 = (workgroup / tiles) * ${OUTPUTS}u;
  if (o_0 >= p.outputs) { return; }
  for (var i = lane; i < ${OUTPUTS * fours}u; i += ${LANES_ON_GPU}u) {
    let o = o_0 + i / ${fours}u;
    let n = 4u * (i % ${fours}u);
    slab[i] = four_items_of_dy(n, o);
  }
  workgroupBarrier();
  let column = (workgroup % tiles) * ${LANES_ON_GPU}u + lane;
  if (column >= length) { return; }
  let rate = learning_rate() * p.mask;
  let decay = weight_decay() * p.decay_factor;
  let inertia = momentum();
${range(items)
  .map((n) => `  let x${n} = ${memory.load('x', `p.x_base + min(${n}u, p.batch - 1u) * length + column`)};`)
  .join('\n')}
  for (var i = 0u; i < ${OUTPUTS}u; i += ${AT_A_TIME}u) {
    // All loads first: stores keep later ones from being moved before them.
${range(AT_A_TIME)
  .map(
    (r) => `    let place${r} = min(o_0 + i + ${r}u, p.outputs - 1u) * length + column;
    let weight${r} = w[p.w_base + place${r}]; let velocity${r} = ${rule.velocity(memory, `p.v_base + place${r}`)};`,
  )
  .join('\n')}
${range(AT_A_TIME)
  .map(
    (r) => `    if (${rule.written(`o_0 + i + ${r}u < p.outputs`)}) {
      let weight = weight${r};
      var gradient = vec4f();
${range(fours)
  .map((four) => `      let d${four} = slab[(i + ${r}u) * ${fours}u + ${four}u];`)
  .join('\n')}
${range(items)
  .map((n) => `      { let d = d${n >> 2}[${n & 3}]; gradient += d * x${n}; }`)
  .join('\n')}
      let velocity = next_velocity(velocity${r}, weight, ${rule.gradient('gradient')}, rate, decay, inertia);
      ${rule.keep(memory, `p.v_base + place${r}`)}
      w[p.w_base + place${r}] = weight + velocity;${rule.second(memory, `place${r}`)}
    }`,
  )
  .join('\n')}
  }`,
    };
  },
});

/** One thread a vector of the weight. */
const plain = (rule: Rule): Variant<typeof params> => ({
  ...perElement<typeof params>(
    (p) => p.outputs * (p.inputs / 4),
    rule === exact ? 'p.outputs * (p.inputs / 4u)' : 'select(p.outputs * (p.inputs / 4u), 0u, skipped())',
    (memory) => /* wgsl */ `
  let length = p.inputs / 4u;
  let o = index / length;
  let i = index - o * length;
  var gradient = vec4f();
  for (var n = 0u; n < p.batch; n++) { gradient += ${memory.load('dy', 'p.dy_base + n * p.dy_row + o')} * ${memory.load('x', 'p.x_base + n * length + i')}; }
  let weight = w[p.w_base + index];
  let rate = learning_rate() * p.mask;
  let decay = weight_decay() * p.decay_factor;
  let velocity = next_velocity(${rule.velocity(memory, 'p.v_base + index')}, weight, ${rule.gradient('gradient')}, rate, decay, momentum());
  ${rule.keep(memory, 'p.v_base + index')}
  w[p.w_base + index] = weight + velocity;${rule.second(memory, 'index')}`,
    rule.declarations,
  ),
  estimate: (p, _, capabilities) =>
    onGpu(capabilities)
      ? memoryCycles(
          {
            bytes: (16 + 2 * p.batch) * p.inputs * p.outputs,
            threads: p.outputs * (p.inputs / 4),
            loads: p.batch,
          },
          capabilities,
        )
      : p.outputs * (p.inputs / 4) * (p.batch * 60 + 4 * LOAD),
});

const operands = {
  dy: { access: 'read', half: true },
  x: { access: 'read', type: 'vec4f', half: true },
  step: stepBinding,
} as const;
const vectors = { access: 'write', type: 'vec4f' } as const;

/** @param ofWeights bytes of a weight that are read and written */
const costOf = (p: P, of: { readonly dy: number; readonly x: number }, ofWeights: number) => ({
  flops: (2 * p.batch + 6) * p.inputs * p.outputs,
  bytes: p.batch * (of.x * p.inputs + of.dy * p.outputs) + ofWeights * p.inputs * p.outputs,
});

export const linearUpdate = defineKernel({
  name: 'linear/update',
  params,
  bindings: { ...operands, w: vectors, v: vectors },
  cost: (p, of) => costOf(p, of, 16),
  variants: [plain(exact), broadcast(exact), loopOverOutputs(false), rows(exact)],
});

export const linearUpdateScaled = defineKernel({
  name: 'linear/update-scaled',
  params,
  bindings: {
    ...operands,
    scaling: scalingBinding,
    w: vectors,
    v: { ...vectors, half: true },
    h: { ...vectors, half: true },
  },
  cost: (p, of) => costOf(p, of, 8 + 2 * of.v + of.h),
  variants: [plain(scaled), broadcast(scaled), rows(scaled)],
});
