/**
 * The text in which a lane owns one vector of inputs and loops over the outputs: the update of the weight's columns and,
 * where wanted, the input gradient from what they were before. A workgroup is one subgroup.
 *
 * The lane keeps x, and the sums of dx, of the whole batch in registers, so that an output costs it one load of w and of
 * v, their stores, and its share of dy, which each lane loads for one item and hands round. More vectors of inputs a lane
 * or outputs at a time save few loads, and make the text too long for the cache of decoded instructions.
 */
import type { Capabilities, VariantText } from '../kernel.ts';
import { loadOf, range } from '../rasteriser.ts';
import { sgdmRule } from '../sgdm/sgdm.ts';
import { ARGUMENT_GRADIENT, broadcastOverItems } from './shape.ts';

interface Shape {
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
}
type Configuration = Readonly<Record<string, number>>;

/** The largest batch that registers hold. */
const LARGEST_BATCH = 16;

/** Of ten items, without the input gradient, lavapipe's compiler makes code that takes so many times as long. */
const slowness = (items: number, inputGradient: boolean) => (!inputGradient && items === 10 ? 1.7 : 1);

const subgroups = ({ inputs }: Shape, lanes: number) => Math.ceil(inputs / 4 / lanes);
const loads = (items: number, lanes: number) => range(Math.ceil(items / lanes));

const lines = (indices: readonly number[], text: (i: number) => string) => indices.map(text).join('\n');

/** What the variants of both kernels share. */
export const loopOverOutputs = (inputGradient: boolean) => ({
  ...broadcastOverItems,
  name: 'columns',
  halves: false as const,
  configurations: broadcastOverItems.configurations.filter(({ items }) => items <= LARGEST_BATCH),
  supports: ({ subgroupWidth }: Capabilities, { lanes, items }: Configuration, { batch }: Shape) =>
    lanes === subgroupWidth && batch <= items,
  workgroups: (p: Shape, { lanes }: Configuration) => subgroups(p, lanes),
  estimate: (p: Shape, { lanes, items }: Configuration) =>
    slowness(items, inputGradient) *
    subgroups(p, lanes) *
    p.outputs *
    ((loads(items, lanes).length / 4 + 4) * loadOf(lanes) * lanes + items * 4 * (inputGradient ? 6 : 2)),
  text: ({ lanes, items }: Configuration): VariantText => ({
    declarations: sgdmRule('vec4f') + (inputGradient ? ARGUMENT_GRADIENT : ''),
    main: /* wgsl */ `
  let length = p.inputs / 4u;
  if (workgroup * ${lanes}u >= length) { return; }
  let at = workgroup * ${lanes}u + lane;
  let inside = at < length;
  let column = min(at, length - 1u);
  let rate = learning_rate() * p.mask;
  let decay = weight_decay() * p.decay_factor;
  let inertia = momentum();
${lines(
  loads(items, lanes),
  (i) => `  let n${i} = ${i * lanes}u + lane;
  let a${i} = p.dy_base + min(n${i}, p.batch - 1u) * p.dy_row;`,
)}
${lines(
  range(items),
  (n) => `  let x${n} = select(vec4f(), x[p.x_base + min(${n}u, p.batch - 1u) * length + column], ${n}u < p.batch);`,
)}
${inputGradient ? lines(range(items), (n) => `  var c${n} = vec4f();`) : ''}
  for (var o = 0u; o < p.outputs; o++) {
    let place = o * length + column;
${lines(loads(items, lanes), (i) => `    let v${i} = select(0.0, dy[a${i} + o], n${i} < p.batch);`)}
    let weight = w[p.w_base + place];
    let before = v[p.v_base + place];
    var gradient = vec4f();
${lines(range(items), (n) => {
  const d = `subgroupBroadcast(v${Math.floor(n / lanes)}, ${n % lanes}u)`;
  return `    { let d = ${d}; ${inputGradient ? `c${n} += d * weight; ` : ''}gradient += d * x${n}; }`;
})}
    if (inside) {
      let velocity = next_velocity(before, weight, gradient, rate, decay, inertia);
      v[p.v_base + place] = velocity;
      w[p.w_base + place] = weight + velocity;
    }
  }
${inputGradient ? sumsStored(items) : ''}`,
  }),
});

const sumsStored = (items: number) => /* wgsl */ `  if (!inside) { return; }
  let differentiates = p.differentiates == 1u;
  var sums = array<vec4f, ${items}>(${range(items)
    .map((n) => `select(c${n}, argument_gradient(c${n}, x${n}), differentiates)`)
    .join(', ')});
  for (var n = 0u; n < p.batch; n++) {
    let place = p.dx_base + n * length + at;
    var sum = sums[n];
    if (p.accumulate == 1u) { sum += dx[place]; }
    dx[place] = sum;
  }`;
