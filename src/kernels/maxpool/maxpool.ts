/**
 * Max pooling: x [batch, channels, height, width] -> y [batch, channels, out_height, out_width].
 *
 *   y[n, c, oy, ox] = max over ky, kx of  x[n, c, oy s - p + ky d, ox s - p + kx d]
 *
 * over the taps inside the image: padding never wins (it is -infinity), and windows may hang over the end (ceil mode:
 * the output size comes from `poolOutput`). Of equal values the first in row-major order wins, as in PyTorch; so does
 * the first NaN, since a NaN must reach the loss.
 *
 * Derivative: with w(o) the input that won window o, y_o = x_{w(o)} and so
 *
 *   dL/dx_i = sum over o with w(o) = i of  dL/dy_o
 *
 * Where x is the output of a ReLU, backward can give the gradient of its argument: a window whose winner is not above 0
 * passes nothing on, and forward notes that in place of the winner. The derivative of another map is applied to what backward
 * writes, from the map's output x.
 *
 * Forward keeps w(o) in `choice`, the winner's offset within its plane. Backward turns the sum around: each input
 * visits the windows that can cover it, those with  o s - p <= i <= o s - p + (k - 1) d,  in rising order. No atomics,
 * and the same bits every time.
 */
import { profileOf } from '../../gpu/machine.ts';
import { defineKernel, elementwise, type Params, type Variant } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { isNanFunction } from '../nan.ts';
import { type PoolShape, poolInputs, poolOutputs, poolParams, poolSchema } from '../pooling.ts';

const params = { ...poolSchema, dilation_height: 'u32', dilation_width: 'u32' } as const;

/** What all three kernels are told; those for training are told of the map before, too. */
export function maxPoolParams(shape: PoolShape): Params<typeof params> {
  const [dilationHeight, dilationWidth] = shape.dilations ?? [1, 1];
  return { ...poolParams(shape), dilation_height: dilationHeight, dilation_width: dilationWidth };
}

const scan = ({ load, store }: Memory) => /* wgsl */ `
  let ox = index % p.out_width;
  let row = index / p.out_width;
  let oy = row % p.out_height;
  let plane = p.x_base + (row / p.out_height) * p.height * p.width;
  var best = 0.0;
  var winner = 0u;
  var found = false;
  for (var ky = 0u; ky < p.kernel_height; ky++) {
    // A tap above or left of the image wraps round to a huge number, so one comparison serves both ends.
    let iy = oy * p.stride_height + ky * p.dilation_height - p.pad_top;
    if (iy >= p.height) { continue; }
    for (var kx = 0u; kx < p.kernel_width; kx++) {
      let ix = ox * p.stride_width + kx * p.dilation_width - p.pad_left;
      if (ix >= p.width) { continue; }
      let offset = iy * p.width + ix;
      let value = ${load('x', 'plane + offset')};
      if (!found || (!is_nan(best) && (value > best || is_nan(value)))) {
        best = value;
        winner = offset;
        found = true;
      }
    }
  }
  ${store('y', 'p.y_base + index', 'best')}`;

/** What `choice` holds for a window that passes no gradient on: no offset is that large. */
const NONE = '0xffffffffu';

/** The winner's place, or none where the derivative of the ReLU that made x is to be applied. */
const chosen = /* wgsl */ `
fn chosen(best: f32, winner: u32) -> u32 { return select(${NONE}, winner, p.relu_before == 0u || derivative(1.0, best) > 0.0); }`;

const keep = '\n  choice[p.choice_base + index] = chosen(best, winner);';
const guard = 'p.batch * p.channels * p.out_height * p.out_width';

const forwardCost = (p: Params<typeof params>, bytesOfInput: number, bytesOfOutput: number) => ({
  flops: poolOutputs(p) * p.kernel_height * p.kernel_width,
  bytes: bytesOfInput * poolInputs(p) + bytesOfOutput * poolOutputs(p),
});

/** Kernels for which a text without loops exists. */
const KERNELS = [2, 3];

/**
 * The same for windows that lie inside the image whole, of a known size: no bounds, no loops, no branches, which cost a
 * software rasteriser a mask on every value.
 */
function interior(rest: string, declarations: string): Variant<typeof params> {
  const of = (kernel: number) => {
    const taps = Array.from({ length: kernel * kernel }, (_, t) => [Math.floor(t / kernel), t % kernel]);
    const [, coarsened] = elementwise<typeof params>(
      poolOutputs,
      guard,
      ({ load, store }) => /* wgsl */ `
  let row = index / p.out_width;
  let ox = index - row * p.out_width;
  let image = row / p.out_height;
  let oy = row - image * p.out_height;
  let plane = p.x_base + image * p.height * p.width;
  let first = oy * p.stride_height * p.width + ox * p.stride_width;
  var best = ${load('x', 'plane + first')};
  var winner = first;
${taps
  .slice(1)
  .map(
    ([ky, kx]) => `  {
    let offset = first + ${ky}u * p.width + ${kx}u;
    let value = ${load('x', 'plane + offset')};
    let better = !is_nan(best) && (value > best || is_nan(value));
    best = select(best, value, better);
    winner = select(winner, offset, better);
  }`,
  )
  .join('\n')}
  ${store('y', 'p.y_base + index', 'best')}${rest}`,
      declarations,
    );
    return coarsened;
  };
  const coarsened = of(KERNELS[0]);
  return {
    ...coarsened,
    name: 'interior',
    configurations: KERNELS.flatMap((kernel) => [64, 1].map((elements) => ({ kernel, elements }))),
    supports: (_, { kernel }, p) =>
      p.kernel_height === kernel &&
      p.kernel_width === kernel &&
      p.dilation_height === 1 &&
      p.dilation_width === 1 &&
      p.pad_top === 0 &&
      p.pad_left === 0 &&
      (p.out_height - 1) * p.stride_height + kernel <= p.height &&
      (p.out_width - 1) * p.stride_width + kernel <= p.width,
    estimate: (p, configuration, capabilities) => coarsened.estimate!(p, configuration, capabilities) / 2,
    text: ({ kernel, elements }, memory) => of(kernel).text({ elements }, memory),
  };
}

/** Kernels and strides for which a text by lines exists: those of the networks in use. */
const LINES = [
  [2, 2],
  [3, 2],
] as const;

/** What a window's or a column's best is, by whether its place is kept. */
const BEST = {
  value: {
    type: 'f32',
    tap: (at: string, { load }: Memory) => load('x', `plane + ${at}`),
    stored: ({ store }: Memory) => store('y', 'p.y_base + start + ox', 'best'),
    first: /* wgsl */ `
// The larger of two, or the NaN.
fn first(a: f32, b: f32) -> f32 { return select(a, b, b > a || is_nan(b)); }`,
  },
  place: {
    type: 'Best',
    tap: (at: string, { load }: Memory) => `Best(${load('x', `plane + ${at}`)}, ${at})`,
    stored: ({ store }: Memory) =>
      `${store('y', 'p.y_base + start + ox', 'best.value')} choice[p.choice_base + start + ox] = chosen(best.value, best.offset);`,
    first: /* wgsl */ `
struct Best { value: f32, offset: u32 }
// The larger of two, or the NaN; where neither is more, the one that comes first.
fn first(a: Best, b: Best) -> Best {
  let a_nan = is_nan(a.value);
  let b_nan = is_nan(b.value);
  let equal = (a_nan && b_nan) || a.value == b.value;
  let takes = select(!a_nan && (b_nan || b.value > a.value), b.offset < a.offset, equal);
  return Best(select(a.value, b.value, takes), select(a.offset, b.offset, takes));
}`,
  },
} as const;

/**
 * One thread a line of outputs, without bounds as `interior`: a column of the image that two windows share is looked at
 * once, and a line's place is divided out once. Neighbouring threads are far apart in memory: not where loads coalesce.
 */
function lines(
  interior: Variant<typeof params>,
  { type, tap, stored, first }: (typeof BEST)['value' | 'place'],
  declarations: string,
): Variant<typeof params> {
  const threads = (p: Params<typeof params>) => p.batch * p.channels * p.out_height;
  return {
    ...interior,
    name: 'lines',
    configurations: LINES.map(([kernel, stride]) => ({ kernel, stride })),
    supports: (capabilities, configuration, p) =>
      !profileOf(capabilities).coalesces &&
      p.stride_width === configuration['stride'] &&
      interior.supports!(capabilities, configuration, p),
    workgroups: (p) => Math.ceil(threads(p) / 64),
    estimate: (p, _, capabilities) => interior.estimate!(p, interior.configurations[0], capabilities) / 2,
    text: ({ kernel, stride }, memory) => {
      const columns = Array.from({ length: kernel }, (_, i) => i);
      const shared = kernel - stride;
      const place = (row: number) => (row === 0 ? 'at' : `at + ${row}u * p.width`);
      const chain = (values: readonly string[]) => values.reduce((best, value) => `first(${best}, ${value})`);
      return {
        declarations: /* wgsl */ `${declarations}${first}
fn column(plane: u32, at: u32) -> ${type} {
  return ${chain(columns.map((row) => tap(place(row), memory)))};
}`,
        main: /* wgsl */ `
  if (index >= p.batch * p.channels * p.out_height) { return; }
  let image = index / p.out_height;
  let plane = p.x_base + image * p.height * p.width;
  var at = (index - image * p.out_height) * p.stride_height * p.width;
${columns
  .slice(0, shared)
  .map((i) => `  var kept${i} = column(plane, at + ${i}u);`)
  .join('\n')}
  let start = index * p.out_width;
  for (var ox = 0u; ox < p.out_width; ox++) {
${columns.map((i) => `    let c${i} = ${i < shared ? `kept${i}` : `column(plane, at + ${i}u)`};`).join('\n')}
    let best = ${chain(columns.map((i) => `c${i}`))};
    ${stored(memory)}
${columns
  .slice(0, shared)
  .map((i) => `    kept${i} = c${stride + i};`)
  .join('\n')}
    at += ${stride}u;
  }`,
      };
    },
  };
}

/** The variants of both: `rest` writes more than y. */
const variantsOf = (rest: string, best: keyof typeof BEST, declarations: string) => {
  const whole = interior(rest, declarations);
  return [
    ...elementwise<typeof params>(poolOutputs, guard, (memory) => scan(memory) + rest, declarations),
    whole,
    lines(whole, BEST[best], declarations),
  ] as const;
};

/** `relu_before` 1: x is the output of a ReLU whose derivative backward is to apply */
const forwardParams = { ...params, relu_before: 'u32' } as const;
const kept = {
  x: { access: 'read', half: true },
  y: { access: 'write', half: true },
  choice: { access: 'write', type: 'u32' },
} as const;

/** For training: also writes which input won. */
export const maxPoolForward = defineKernel<typeof forwardParams, typeof kept>({
  name: 'maxpool/forward',
  applies: 'derivative',
  params: forwardParams,
  bindings: kept,
  cost: (p, of) => forwardCost(p, of.x, of.y + of.choice),
  variants: variantsOf(keep, 'place', isNanFunction + chosen),
});

/** Where no derivative is wanted. */
export const maxPoolInference = defineKernel({
  name: 'maxpool/inference',
  params,
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: (p, of) => forwardCost(p, of.x, of.y),
  // `winner` is not kept; compilers drop it.
  variants: variantsOf('', 'value', isNanFunction),
});

/** `differentiates` 1: dx is the gradient of the argument of the map that made `aux`, that is x; else aux is not looked at */
const backwardParams = { ...params, differentiates: 'u32' } as const;
const gradients = {
  dy: { access: 'read', half: true },
  choice: { access: 'read', type: 'u32' },
  aux: { access: 'read', half: true },
  dx: { access: 'write', half: true },
} as const;

/** Accesses of an input that gathers, and of one whose plane is scattered to, as measured on a software rasteriser. */
const GATHERED = 1;
const SCATTERED = 0.1;

/**
 * One thread a plane, which no other thread writes: it can be scattered to, window after window, in the same order of
 * additions. A tenth of the work, but no neighbours that share a line of memory and few threads: not for GPUs.
 */
const planes: Variant<typeof backwardParams> = {
  name: 'planes',
  halves: false,
  configurations: [{ threads: 8 }],
  workgroupSize: ({ threads }) => threads,
  supports: (capabilities) => !profileOf(capabilities).coalesces,
  workgroups: (p, { threads }) => Math.ceil((p.batch * p.channels) / threads),
  estimate: (p) => (SCATTERED / GATHERED) * (poolInputs(p) / 4) * Math.max(1, 32 / (p.batch * p.channels)),
  text: () => ({
    main: /* wgsl */ `
  if (index >= p.batch * p.channels) { return; }
  let start = p.dx_base + index * p.height * p.width;
  for (var i = 0u; i < p.height * p.width; i++) { dx[start + i] = 0.0; }
  let count = p.out_height * p.out_width;
  let first = index * count;
  for (var o = first; o < first + count; o++) {
    // Where no input gets the gradient, the first gets a zero: cheaper than a branch.
    let winner = choice[p.choice_base + o];
    let none = winner == ${NONE};
    let place = start + select(winner, 0u, none);
    dx[place] += select(dy[p.dy_base + o], 0.0, none);
  }
  let outputs = p.aux_base + index * p.height * p.width;
  for (var i = 0u; i < p.differentiates * p.height * p.width; i++) {
    dx[start + i] = derivative(dx[start + i], aux[outputs + i]);
  }`,
  }),
};

export const maxPoolBackward = defineKernel<typeof backwardParams, typeof gradients>({
  name: 'maxpool/backward',
  applies: 'derivative',
  params: backwardParams,
  bindings: gradients,
  cost: (p, of) => ({
    flops: poolOutputs(p),
    bytes: (of.dy + of.choice) * poolOutputs(p) + (of.dx + of.aux * p.differentiates) * poolInputs(p),
  }),
  variants: [
    ...elementwise<typeof backwardParams>(
      poolInputs,
      'p.batch * p.channels * p.height * p.width',
      ({ load, store }) => /* wgsl */ `
  let ix = index % p.width;
  let row = index / p.width;
  let iy = row % p.height;
  let offset = iy * p.width + ix;
  let plane = (row / p.height) * p.out_height * p.out_width;
  // The first window that reaches this far and the end of those that begin before it.
  let reach_y = (p.kernel_height - 1u) * p.dilation_height;
  let reach_x = (p.kernel_width - 1u) * p.dilation_width;
  let first_y = (max(iy + p.pad_top, reach_y) - reach_y + p.stride_height - 1u) / p.stride_height;
  let first_x = (max(ix + p.pad_left, reach_x) - reach_x + p.stride_width - 1u) / p.stride_width;
  let end_y = min((iy + p.pad_top) / p.stride_height + 1u, p.out_height);
  let end_x = min((ix + p.pad_left) / p.stride_width + 1u, p.out_width);
  var sum = 0.0;
  for (var oy = first_y; oy < end_y; oy++) {
    for (var ox = first_x; ox < end_x; ox++) {
      let o = plane + oy * p.out_width + ox;
      if (choice[p.choice_base + o] == offset) { sum += ${load('dy', 'p.dy_base + o')}; }
    }
  }
  if (p.differentiates == 1u) { sum = derivative(sum, ${load('aux', 'p.aux_base + index')}); }
  ${store('dx', 'p.dx_base + index', 'sum')}`,
    ),
    planes,
  ],
});
