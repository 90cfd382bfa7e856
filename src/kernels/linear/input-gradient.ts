/**
 * The fully connected layer's input gradient. y = x w^T + bias is linear in x, so with dy = dL/dy
 *
 *   dx[n, i] (+)= sum over o of  dy[n, o] * w[o, i]
 *
 * inputs is a multiple of four. dy's rows lie `dy_row` elements apart; `accumulate` adds a further window of outputs.
 *
 * broadcast: as in ./forward.ts; a lane holds the sums of ITEMS items for COLUMNS vectors of inputs. Four outputs at a
 * time, so that an accumulator is touched once for four products.
 */
import { defineKernel, type Params, perElement, type Variant } from '../kernel.ts';
import { LOAD, range } from '../rasteriser.ts';
import { broadcastOverItems } from './shape.ts';

const params = {
  batch: 'u32',
  inputs: 'u32',
  outputs: 'u32',
  dy_row: 'u32',
  accumulate: 'u32',
} as const;

type P = Params<typeof params>;
const COLUMNS = 2;
const STEP = 4;
const tiles = (p: P, items: number, lanes: number) =>
  Math.ceil(p.batch / items) * Math.ceil(p.inputs / 4 / (lanes * COLUMNS));

function step(lanes: number, items: number, count: number): string {
  return [
    ...range(Math.ceil(items / lanes)).flatMap((i) =>
      range(count).map((k) => `let v${i}_${k} = dy[a${i} + o + ${k}u];`),
    ),
    ...range(count).flatMap((k) => range(COLUMNS).map((j) => `let w${k}_${j} = w[b${j} + (o + ${k}u) * length];`)),
    ...range(items).map((n) => {
      const values = range(count).map(
        (k) => `let x${k} = subgroupBroadcast(v${Math.floor(n / lanes)}_${k}, ${n % lanes}u);`,
      );
      const sums = range(COLUMNS).map(
        (j) =>
          `c${n}_${j} += ${range(count)
            .map((k) => `x${k} * w${k}_${j}`)
            .join(' + ')};`,
      );
      return `{ ${values.join(' ')} ${sums.join(' ')} }`;
    }),
  ]
    .map((line) => `    ${line}`)
    .join('\n');
}

const broadcast: Variant<typeof params> = {
  ...broadcastOverItems,
  workgroups: (p, { lanes, items }) => tiles(p, items, lanes),
  estimate: (p, { lanes, items }) =>
    tiles(p, items, lanes) *
    (p.outputs / STEP) *
    ((Math.ceil(items / lanes) + COLUMNS * STEP) * LOAD * lanes + items * COLUMNS * 4 * 11),
  text: ({ lanes, items }) => ({
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
  let whole = p.outputs / ${STEP}u * ${STEP}u;
  for (var o = 0u; o < whole; o += ${STEP}u) {
${step(lanes, items, STEP)}
  }
  for (var o = whole; o < p.outputs; o++) {
${step(lanes, items, 1)}
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
      var sum = sums[n * ${COLUMNS}u + j];
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
    dx: { access: 'write', type: 'vec4f' },
  },
  cost: (p) => ({
    flops: 2 * p.batch * p.inputs * p.outputs,
    bytes: 4 * (p.outputs * (p.batch + p.inputs) + p.batch * p.inputs * (1 + p.accumulate)),
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
  if (p.accumulate == 1u) { sum += dx[p.dx_base + index]; }
  dx[p.dx_base + index] = sum;`,
      ),
      estimate: (p) => p.batch * (p.inputs / 4) * p.outputs * 60,
    },
    broadcast,
  ],
});
