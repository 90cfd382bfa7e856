/**
 * Softmax over each row of x. Rows of `columns` values, `stride` apart: x is [rows / stride, columns, stride], so that any
 * axis of a tensor can be the one that is normalised.
 *
 *   y[i] = exp(x[i] - m) / sum over j of exp(x[j] - m),   m = max over j of x[j]
 *
 * The shift by m cancels; it keeps every exponent at or below 0, so nothing overflows and the sum is at least 1. A NaN or
 * an infinite maximum makes the whole row NaN.
 *
 * Derivative: dy[j]/dx[i] = y[j] ([i = j] - y[i]), so  dx[i] = y[i] (dy[i] - sum over j of dy[j] y[j]).
 */
import { profileOf } from '../../gpu/machine.ts';
import { defineKernel, elementwise, type Params, type Variant } from '../kernel.ts';
import { largerFunction, poisonFunction } from '../nan.ts';

export const softmaxParams = { rows: 'u32', columns: 'u32', stride: 'u32' } as const;

/** So many operations an element, and so many bytes read and written. */
export const softmaxCost = ({ rows, columns }: Params<typeof softmaxParams>, flops: number, bytes: number) => ({
  flops: flops * rows * columns,
  bytes: bytes * rows * columns,
});

/** WGSL: where a row begins. */
export const rowStart = /* wgsl */ `
fn row_start(row: u32) -> u32 {
  let outer = row / p.stride;
  return outer * p.columns * p.stride + (row - outer * p.stride);
}`;

const LANES = 64;

/** Workgroups at most; they take rows in turn. */
const GROUPS = 192;

/** On a GPU, of few long rows: the lanes of a workgroup take a row together, and add in the order of the lanes. */
const workgroup: Variant<typeof softmaxParams> = {
  name: 'workgroup',
  configurations: [{ lanes: LANES }],
  workgroupSize: () => LANES,
  workgroups: ({ rows }) => Math.min(rows, GROUPS),
  // In the unit of `elementwise`: elements of which each counts 1.
  estimate: ({ rows, columns }, _, capabilities) =>
    profileOf(capabilities).overlaps && columns >= 2 * LANES ? rows / 2 : Number.MAX_VALUE,
  text: (_, { load, store }) => ({
    declarations: /* wgsl */ `${rowStart}${largerFunction}${poisonFunction}
var<workgroup> found: array<f32, ${LANES}>;`,
    main: /* wgsl */ `
  // A folded dispatch may hold more workgroups than are asked for: they have no row.
  for (var row = select(p.rows, workgroup, workgroup < ${GROUPS}u); row < p.rows; row += ${GROUPS}u) {
    let from_x = p.x_base + row_start(row);
    let from_y = p.y_base + row_start(row);
    var own = ${load('x', 'from_x')};
    for (var j = lane; j < p.columns; j += ${LANES}u) { own = larger(own, ${load('x', 'from_x + j * p.stride')}); }
    workgroupBarrier();
    found[lane] = own;
    workgroupBarrier();
    var largest = found[0];
    for (var i = 1u; i < ${LANES}u; i++) { largest = larger(largest, found[i]); }
    workgroupBarrier();
    own = 0.0;
    for (var j = lane; j < p.columns; j += ${LANES}u) { own += exp(${load('x', 'from_x + j * p.stride')} - largest); }
    found[lane] = own;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < ${LANES}u; i++) { sum += found[i]; }
    for (var j = lane; j < p.columns; j += ${LANES}u) {
      ${store(
        'y',
        'from_y + j * p.stride',
        `exp(${load('x', 'from_x + j * p.stride')} - largest) / sum + poison(largest)`,
      )}
    }
  }`,
  }),
};

export const softmaxForward = defineKernel({
  name: 'softmax/forward',
  params: softmaxParams,
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: (p, of) => softmaxCost(p, 5, of.x + of.y),
  variants: [
    ...elementwise<typeof softmaxParams>(
      ({ rows }) => rows,
      'p.rows',
      ({ load, store, halves }) => {
        const power = (j: string) => `exp(${load('x', `from_x + ${j} * p.stride`)} - largest)`;
        // Powers wait in y for their sum; halves would round them, so there they are made again.
        const waits = !halves.has('y');
        return /* wgsl */ `
  let from_x = p.x_base + row_start(index);
  let from_y = p.y_base + row_start(index);
  var largest = ${load('x', 'from_x')};
  for (var j = 1u; j < p.columns; j++) { largest = larger(largest, ${load('x', 'from_x + j * p.stride')}); }
  var sum = 0.0;
  for (var j = 0u; j < p.columns; j++) {
    let power = ${power('j')};${
      waits
        ? /* wgsl */ `
    y[from_y + j * p.stride] = power;`
        : ''
    }
    sum += power;
  }
  for (var j = 0u; j < p.columns; j++) {
    let k = from_y + j * p.stride;
    ${store('y', 'k', `${waits ? 'y[k]' : power('j')} / sum + poison(largest)`)}
  }`;
      },
      rowStart + largerFunction + poisonFunction,
    ),
    workgroup,
  ],
});

export const softmaxBackward = defineKernel({
  name: 'softmax/backward',
  params: softmaxParams,
  bindings: {
    y: { access: 'read', half: true },
    dy: { access: 'read', half: true },
    dx: { access: 'write', half: true },
  },
  cost: (p, of) => softmaxCost(p, 4, of.y + of.dy + of.dx),
  variants: elementwise(
    ({ rows }) => rows,
    'p.rows',
    ({ load, store }) => /* wgsl */ `
  let row = row_start(index);
  var dot = 0.0;
  for (var j = 0u; j < p.columns; j++) {
    let k = row + j * p.stride;
    dot += ${load('dy', 'p.dy_base + k')} * ${load('y', 'p.y_base + k')};
  }
  for (var j = 0u; j < p.columns; j++) {
    let k = row + j * p.stride;
    ${store('dx', 'p.dx_base + k', `${load('y', 'p.y_base + k')} * (${load('dy', 'p.dy_base + k')} - dot)`)}
  }`,
    rowStart,
  ),
});
