/** The fully connected layer in float64, from its sums: y[n, o] = b[o] + sum over i of x[n, i] w[o, i]. */
type Values = ArrayLike<number>;

export interface LinearShape {
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  /** from one row of y or dy to the next: there may be more between the outputs of two items */
  readonly row: number;
}

/** Elements from the first of y or dy to the last. */
export const lengthOf = ({ batch, outputs, row }: LinearShape) => (batch - 1) * row + outputs;

function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}

/** @param y what lies between the rows, and stays; @param finish makes the output of a sum: of output o, at its place in y */
export function linear(
  { batch, inputs, outputs, row }: LinearShape,
  x: Values,
  w: Values,
  y: Values,
  finish: (sum: number, o: number, at: number) => number,
): Float64Array {
  const filled = Float64Array.from(y);
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outputs; o++) {
      const at = n * row + o;
      const total = sum(inputs, (i) => x[n * inputs + i] * w[o * inputs + i]);
      filled[at] = finish(total, o, at);
    }
  return filled;
}

export const inputGradient = ({ batch, inputs, outputs, row }: LinearShape, dy: Values, w: Values) =>
  Float64Array.from({ length: batch * inputs }, (_, at) =>
    sum(outputs, (o) => dy[Math.floor(at / inputs) * row + o] * w[o * inputs + (at % inputs)]),
  );

export const weightGradient = ({ batch, inputs, outputs, row }: LinearShape, dy: Values, x: Values) =>
  Float64Array.from({ length: outputs * inputs }, (_, at) =>
    sum(batch, (n) => dy[n * row + Math.floor(at / inputs)] * x[n * inputs + (at % inputs)]),
  );
