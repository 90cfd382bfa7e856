/**
 * The contraction as a problem: its parameters, what follows from them, and the text that all of its variants share. The
 * formula stands in ./contraction.ts.
 */
import type { Params } from '../kernel.ts';
import type { Memory } from '../memory.ts';

export const contractionParams = {
  groups: 'u32',
  parts: 'u32',
  /** values of k = (i U + u) V + v in a part, the last one's may be fewer; U V I where parts is 1 */
  part_depth: 'u32',
  /** M, and N = items * plane */
  rows: 'u32',
  columns: 'u32',
  plane: 'u32',
  width: 'u32',
  /** U, V, I */
  u: 'u32',
  v: 'u32',
  inner: 'u32',
  a_group: 'u32',
  a_row: 'u32',
  a_u: 'i32',
  a_v: 'i32',
  a_inner: 'u32',
  b_group: 'u32',
  b_item: 'u32',
  b_inner: 'u32',
  b_line: 'u32',
  y_step: 'i32',
  y_u: 'i32',
  y_0: 'i32',
  x_step: 'i32',
  x_v: 'i32',
  x_0: 'i32',
  height: 'u32',
  line: 'u32',
  y_spread: 'u32',
  x_spread: 'u32',
  c_group: 'u32',
  c_part: 'u32',
  c_row: 'u32',
  c_item: 'u32',
  /** 0 none, 1 bias[g rows + m], 2 bias[q] */
  bias_mode: 'u32',
  accumulate: 'u32',
  /** `RELU`: 1, C = max(the sum with its bias, 0), not with accumulate; 2, the sum is 0 unless aux > 0 at C's place */
  relu: 'u32',
} as const;

export type ContractionParams = Params<typeof contractionParams>;

/** Terms of a sum. */
export const depthOf = ({ u, v, inner }: Pick<ContractionParams, 'u' | 'v' | 'inner'>) => u * v * inner;

/** Which text of the bounds a case needs. */
export function boundsOf(p: ContractionParams): 0 | 1 | 2 {
  if (p.y_spread > 1 || p.x_spread > 1) return 2;
  const lines = p.plane / p.width;
  const inside = (step: number, count: number, stepInner: number, inner: number, start: number, limit: number) => {
    const ends = [0, step * (count - 1)].flatMap((a) => [0, stepInner * (inner - 1)].map((b) => start + a + b));
    return Math.min(...ends) >= 0 && Math.max(...ends) < limit;
  };
  const whole =
    inside(p.y_step, lines, p.y_u, p.u, p.y_0, p.height) && inside(p.x_step, p.width, p.x_v, p.v, p.x_0, p.line);
  return whole ? 0 : 1;
}

/** The bias of a sum, in the text of every variant and of the second pass over parts. */
export const biasText = (memory: Memory) => /* wgsl */ `
fn bias_of(g: u32, m: u32, item: u32) -> f32 {
  switch (p.bias_mode) {
    case 1u: { return ${memory.load('bias', 'p.bias_base + g * p.rows + m')}; }
    case 2u: { return ${memory.load('bias', 'p.bias_base + item')}; }
    default: { return 0.0; }
  }
}`;

/** Writes the variable `sum` of g, m and an item at `place`. */
export const storeSum = (memory: Memory, place: string, item: string) => /* wgsl */ `
  let rest = ${place};
  for (var i = 0u; i < differentiated(1u); i++) { sum = derivative(sum, operand_at(rest)); }
  let channel = g * p.rows + m;
  ${storeValue(memory, 'p.c_base + rest', { sum: 'sum', bias: `bias_of(g, m, ${item})`, at: 'rest, channel' })}`;

/**
 * Writes an expression with what the run applies to it.
 * @param at the place in C without its base, and the channel
 */
const storeValue = (
  { store, add, updates }: Memory,
  place: string,
  { sum, bias, at }: { readonly sum: string; readonly bias: string; readonly at: string },
): string => {
  const written = store('c', place, `activated(combined(${sum} + ${bias}, ${at}))`);
  return updates('c')
    ? written
    : /* wgsl */ `if (p.accumulate == 1u) { ${add('c', place, `combined(${sum}, ${at})`)} }
  else { ${written} }`;
};

/** Divides j into item and place. */
export const COLUMN_OF = /* wgsl */ `
struct Column { item: u32, rest: u32, y: u32, x: u32 }
fn column(j: u32) -> Column {
  let item = j / p.plane;
  let rest = j - item * p.plane;
  let y = rest / p.width;
  return Column(item, rest, y, rest - y * p.width);
}
`;
/** Where a group of a part begins in each matrix: in A and B in vectors of so many values. */
export const groupText = (vector: 1 | 4 = 1) => /* wgsl */ `  let part = group / p.groups;
  let g = group - part * p.groups;
  let a_start = p.a_base + g * ${vector === 1 ? 'p.a_group' : `(p.a_group / ${vector}u)`};
  let b_start = p.b_base + g * ${vector === 1 ? 'p.b_group' : `(p.b_group / ${vector}u)`};
  let c_start = g * p.c_group + part * p.c_part;`;

/** Tiles of so many rows and columns, of all parts and groups. */
export const tilesOf = (p: ContractionParams, rows: number, columns: number) =>
  p.parts * p.groups * Math.ceil(p.rows / rows) * Math.ceil(p.columns / columns);
