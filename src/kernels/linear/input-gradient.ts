/**
 * The fully connected layer's input gradient. y = x w^T + bias is linear in x, so with dy = dL/dy
 *
 *   dx[n, i] (+)= sum over o of  dy[n, o] * w[o, i]
 *
 * inputs is a multiple of four. dy's rows lie `dy_row` elements apart; `accumulate` adds a further window of outputs.
 * `relu_before` 1: x is the output of a ReLU, and dx the gradient of its argument, 0 unless x > 0; else x is not looked at.
 *
 * broadcast: as in ./forward.ts; a lane holds the sums of ITEMS items for COLUMNS vectors of inputs. One output at a
 * time: with several an accumulator is touched less often, but the text no longer fits the cache of decoded instructions.
 */
import { defineKernel, type Params, perElement, type Variant } from '../kernel.ts';
import { LOAD, range } from '../rasteriser.ts';
import { BEFORE_RELU, broadcastOverItems } from './shape.ts';

const params = {
  batch: 'u32',
  inputs: 'u32',
  outputs: 'u32',
  dy_row: 'u32',
  accumulate: 'u32',
  relu_before: 'u32',
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
    ((Math.ceil(items / lanes) / 4 + COLUMNS) * LOAD * lanes + items * COLUMNS * 4 * 4),
  text: ({ lanes, items }) => ({
    declarations: BEFORE_RELU,
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
  .map((i) => `    let v${i} = dy[a${i} + o];`)
  .join('\n')}
${range(COLUMNS)
  .map((j) => `    let w${j} = w[b${j} + o * length];`)
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
      var sum = before_relu(sums[n * ${COLUMNS}u + j], (n_0 + n) * length + at);
      if (p.accumulate == 1u) { sum += dx[place]; }
      dx[place] = sum;
    }
  }`,
  }),
};

export const linearInputGradient = defineKernel({
  name: 'linear/input-gradient',
  params,
  bindings: {
    dy: { access: 'read' },
    w: { access: 'read', type: 'vec4f' },
    x: { access: 'read', type: 'vec4f' },
    dx: { access: 'write', type: 'vec4f' },
  },
  cost: (p) => ({
    flops: 2 * p.batch * p.inputs * p.outputs,
    bytes: 4 * (p.outputs * (p.batch + p.inputs) + p.batch * p.inputs * (1 + p.accumulate + p.relu_before)),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        (p) => (p.batch * p.inputs) / 4,
        'p.batch * (p.inputs / 4u)',
        /* wgsl */ `
  let length = p.inputs / 4u;
  let n = index / length;
  let i = index - n * length;
  var sum = vec4f();
  for (var o = 0u; o < p.outputs; o++) { sum += dy[p.dy_base + n * p.dy_row + o] * w[p.w_base + o * length + i]; }
  sum = before_relu(sum, index);
  if (p.accumulate == 1u) { sum += dx[p.dx_base + index]; }
  dx[p.dx_base + index] = sum;`,
        BEFORE_RELU,
      ),
      estimate: (p) => p.batch * (p.inputs / 4) * p.outputs * 60,
    },
    broadcast,
  ],
});
