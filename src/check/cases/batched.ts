import { type ContractionParams, contraction, inOnePart, noWindow } from '../../kernels/contraction/contraction.ts';
import { planSplit } from '../../kernels/contraction/split.ts';
import { RELU, type Relu } from '../../kernels/relu/rule.ts';
import { activationOf } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { drawParts, fittingBatch } from '../choose.ts';
import { sumsOf } from '../expected.ts';
import { valuesOf } from '../values.ts';

/** Products whose operands come in whole vectors of four: counts are in vectors. */
interface Shape {
  readonly groups: number;
  readonly rows: number;
  /** B's columns: items of planes, one value wide where `plane` is 0 */
  readonly items: number;
  readonly plane: number;
  readonly inner: number;
  /** where rows (of B: columns) lie one beside the other, in place of the sum's terms */
  readonly a: 'rows' | 'k';
  readonly b: 'rows' | 'k';
  /** vectors between the lines of both operands, values between the rows of C */
  readonly gap: number;
  readonly accumulate: boolean;
  readonly relu: Relu;
  readonly bias: 0 | 1 | 2;
}

type Values = ArrayLike<number>;
const LAYOUTS = ['rows', 'k'] as const;
const RELUS = Object.values(RELU);
const BIASES = [0, 1, 2] as const;

const small: Shape = {
  ...{ groups: 1, rows: 1, items: 1, plane: 0, inner: 1, a: 'rows', b: 'rows' },
  ...{ gap: 0, accumulate: false, relu: RELU.none, bias: 0 },
};

/** Values between one line of an operand and the next. */
const lineOf = (vectors: number, gap: number) => 4 * (vectors + gap);

function paramsOf(s: Shape): ContractionParams {
  const rows = 4 * s.rows;
  const inner = 4 * s.inner;
  const plane = Math.max(1, 4 * s.plane);
  const columns = s.plane === 0 ? 4 * s.items : s.items * plane;
  const lineA = s.a === 'rows' ? lineOf(s.rows, s.gap) : lineOf(s.inner, s.gap);
  const lineB = s.b === 'k' ? lineOf(s.inner, s.gap) : lineOf(s.plane === 0 ? s.items : s.plane, s.gap);
  const c_row = columns + s.gap;
  // A plane is two lines where it can be, as an image that is read without a window.
  const lines = s.plane > 1 ? 2 : 1;
  return {
    ...noWindow,
    ...(s.plane > 0 && {
      ...{ plane, width: plane / lines, height: lines, line: plane / lines },
      ...{ b_line: plane / lines, y_step: 1, x_step: 1 },
    }),
    groups: s.groups,
    rows,
    columns,
    inner,
    a_group: lineA * (s.a === 'rows' ? inner : rows),
    a_row: s.a === 'rows' ? 1 : lineA,
    a_inner: s.a === 'rows' ? lineA : 1,
    b_group: s.plane === 0 ? lineB * (s.b === 'rows' ? inner : columns) : lineB * inner * s.items,
    b_item: s.plane === 0 ? (s.b === 'rows' ? 1 : lineB) : lineB * inner,
    b_inner: s.b === 'rows' ? lineB : 1,
    c_group: rows * c_row,
    c_row,
    c_item: plane,
    bias_mode: s.bias,
    accumulate: s.accumulate ? 1 : 0,
    relu: s.relu,
    ...inOnePart({ ...noWindow, inner }),
  };
}

/** sum over k of A[g, m, k] B[g, j, k], for k from `from` up to `end`. */
function sumOf(p: ContractionParams, [a, b]: readonly [Values, Values], at: number[], from: number, end: number) {
  const [g, m, j] = at;
  const item = Math.floor(j / p.plane);
  let sum = 0;
  for (let k = from; k < end; k++) {
    const inB = g * p.b_group + item * p.b_item + (j % p.plane) + k * p.b_inner;
    sum += a[g * p.a_group + m * p.a_row + k * p.a_inner] * b[inB];
  }
  return sum;
}

/** Matrix products in groups, or of planes without a window: what Winograd's products and 1 x 1 convolutions are. */
export const batchedFamily = defineFamily<Shape>({
  names: ['gemm/batched'],
  examples: [
    small,
    // A tile of 64 and a bit of it, along either side, in each layout; and more than one slab.
    { ...small, rows: 17, items: 9, inner: 5 },
    { ...small, rows: 17, items: 18, inner: 5, a: 'k', b: 'k', gap: 1, relu: RELU.before, bias: 2 },
    { ...small, rows: 5, items: 19, inner: 9, a: 'k', bias: 1, relu: RELU.after },
    { ...small, rows: 18, items: 3, inner: 3, b: 'k', accumulate: true },
    { ...small, groups: 3, rows: 3, items: 3, plane: 6, inner: 3, bias: 1 },
  ],
  shape(choose) {
    const plane = choose(0, 2) === 2 ? choose(1, 6) : 0;
    const accumulate = choose(0, 1) === 1;
    const relu = RELUS[choose(0, 2)];
    const rows = choose(0, 4) === 4 ? choose(15, 18) : choose(1, 6);
    const items = plane > 0 ? choose(1, 4) : choose(0, 4) === 4 ? choose(15, 18) : choose(1, 6);
    return {
      groups: fittingBatch(choose(1, 3), 16 * rows * items * Math.max(1, plane)),
      rows,
      items,
      plane,
      inner: choose(1, 7),
      a: LAYOUTS[choose(0, 1)],
      b: plane > 0 ? 'rows' : LAYOUTS[choose(0, 1)],
      gap: choose(0, 2),
      accumulate,
      relu: accumulate && relu === RELU.after ? RELU.none : relu,
      bias: accumulate ? 0 : BIASES[choose(0, 2)],
    };
  },
  cases(shape, kind, random): KernelCase[] {
    const whole = paramsOf(shape);
    const { groups, rows, columns, inner, plane, c_group, c_row, relu } = whole;
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const [a, b] = [values(groups * whole.a_group), values(groups * whole.b_group)];
    const bias = values(Math.max(groups * rows, columns / plane));
    const start = values(groups * c_group);
    const aux = relu === RELU.before ? activationOf(random, start.length) : undefined;
    const product = (a: Values, b: Values, bias: Values, start: Values) => {
      const c = Float64Array.from(start);
      for (let g = 0; g < groups; g++)
        for (let m = 0; m < rows; m++)
          for (let j = 0; j < columns; j++) {
            const place = g * c_group + m * c_row + j;
            const kept = aux === undefined || aux.output[place] > 0;
            let sum = kept ? sumOf(whole, [a, b], [g, m, j], 0, inner) : 0;
            if (shape.bias === 1) sum += bias[g * rows + m];
            if (shape.bias === 2) sum += bias[Math.floor(j / plane)];
            if (shape.accumulate) sum += start[place];
            c[place] = relu === RELU.after ? Math.max(sum, 0) : sum;
          }
      return c;
    };
    const description =
      `${groups} of m=${rows} n=${columns} k=${inner} A along ${shape.a}, B along ${shape.b}, gap ${shape.gap}` +
      `${plane > 1 ? `, planes of ${plane}` : ''}${shape.accumulate ? ', accumulated' : ''}` +
      `${['', ', relu', ', after relu'][relu]}${['', ', bias of rows', ', bias of items'][shape.bias]}`;
    const outputs = groups * rows * columns;
    const parts = drawParts(random, inner / 4, outputs);
    const split = planSplit(whole, inner / parts);
    const inParts = (a: Values, b: Values) =>
      Float64Array.from({ length: parts * outputs }, (_, at) => {
        const [part, g, m] = [
          Math.floor(at / outputs),
          Math.floor(at / rows / columns) % groups,
          Math.floor(at / columns),
        ];
        const from = (part * inner) / parts;
        return sumOf(whole, [a, b], [g, m % rows, at % columns], from, from + inner / parts);
      });
    const others = { bias, aux: aux?.output ?? bias };
    return [
      {
        name: 'gemm/batched',
        description,
        kernel: contraction,
        params: whole,
        inputs: { a, b, ...others },
        outputs: { c: start },
        reference: () => ({ c: sumsOf((...v) => product(v[0], v[1], v[2], v[3]), [a, b, bias, start], inner + 1) }),
      },
      {
        name: 'gemm/batched',
        description: `${description}, in ${parts} parts`,
        kernel: contraction,
        params: split.run,
        inputs: { a, b, ...others },
        outputs: { c: parts * outputs },
        reference: () => ({ c: sumsOf(inParts, [a, b], inner / parts) }),
      },
    ];
  },
});
