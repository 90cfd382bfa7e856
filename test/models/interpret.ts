/** A plain float64 interpreter of networks for inference, straight from the operations' definitions. */

import * as tensors from '../../src/check/reference/tensors.ts';
import {
  type LegacyOp,
  type Network,
  type Node,
  operatorsOf,
  outputsOf,
  type Pads,
  type Pair,
  rolesOf,
} from '../../src/models/network.ts';
import { inferShapes } from '../../src/models/shapes.ts';

type Values = Float64Array;

export function interpret(network: Network, inputs: Record<string, ArrayLike<number>>, batch: number): Values[] {
  const shapes = inferShapes(network, batch);
  const values = new Map<string, Values>(Object.entries(inputs).map(([name, x]) => [name, Float64Array.from(x)]));
  for (const node of network.nodes) {
    const [x, other] = node.inputs.map((name) => values.get(name)!);
    const [from, to] = [shapes.get(node.inputs[0])!, shapes.get(node.output)!];
    const operands = node.inputs.map((name) => [values.get(name)!, shapes.get(name)!] as const);
    const operator = operatorsOf(network).operatorOf(node.op);
    if (operator === undefined) {
      values.set(node.output, severalInputs(node, operands, to) ?? run(network, node, x, other, from, to));
      continue;
    }
    const roles = Object.entries(rolesOf(node)).map(([role, name]) => [role, network.parameters.get(name)!] as const);
    const outputs = outputsOf(node);
    const made = operator.reference({
      attributes: node.op,
      inputs: node.inputs.map((name) => ({ name, shape: shapes.get(name)! })),
      parameters: Object.fromEntries(roles.map(([role, { shape }]) => [role, { name: role, shape }])),
      values: operands.map(([one]) => one),
      weights: Object.fromEntries(roles.map(([role, { data }]) => [role, data])),
      batch,
      outputs: outputs.map((name) => shapes.get(name)!),
    });
    outputs.forEach((name, i) => {
      values.set(name, Float64Array.from(made[i]));
    });
  }
  return network.outputs.map((name) => values.get(name)!);
}

/** The operations of several activations; undefined for all others. */
function severalInputs({ op }: Node, operands: readonly (readonly [Values, number[]])[], to: number[]) {
  switch (op.kind) {
    case 'add':
    case 'subtract':
    case 'multiply':
    case 'divide':
      return Float64Array.from(tensors.binary(op.kind, to, operands[0], operands[1]));
    case 'concat': {
      const axis = (op.axis ?? 0) + 1;
      return Float64Array.from({ length: tensors.sizeOf(to) }, (_, i) => {
        const at = tensors.coordinates(to, i);
        let part = 0;
        while (at[axis] >= operands[part][1][axis]) at[axis] -= operands[part++][1][axis];
        const [values, shape] = operands[part];
        return values[at.reduce((place, k, d) => place * shape[d] + k, 0)];
      });
    }
    default:
      return undefined;
  }
}

function run(network: Network, node: Node, x: Values, other: Values, from: number[], to: number[]): Values {
  const op = node.op as LegacyOp;
  const parameter = (name: string | undefined) => (name === undefined ? undefined : network.parameters.get(name)!);
  const [batch] = from;
  switch (op.kind) {
    case 'add':
    case 'subtract':
    case 'multiply':
    case 'divide':
    case 'concat':
      throw new Error('read above');
    case 'matMul': {
      const [rows, inner] = from.slice(-2);
      const columns = to.at(-1)!;
      const weight = parameter(node.weight);
      const bias = parameter(node.bias)?.data;
      return Float64Array.from({ length: tensors.sizeOf(to) }, (_, i) => {
        const [matrix, row, column] = [Math.floor(i / columns / rows), Math.floor(i / columns), i % columns];
        let sum = bias?.[column] ?? 0;
        for (let k = 0; k < inner; k++) {
          const b = weight ? weight.data[column * inner + k] : other[(matrix * inner + k) * columns + column];
          sum += x[row * inner + k] * b;
        }
        return sum;
      });
    }
    case 'transpose':
      return Float64Array.from(tensors.transpose(from, [0, ...op.perm.map((axis) => axis + 1)], x));
    case 'pad': {
      const lines = op.before.map((count, i) => tensors.paddedLine(from[i + 1], count, op.after[i], op.mode));
      return Float64Array.from({ length: tensors.sizeOf(to) }, (_, i) => {
        const at = tensors.coordinates(to, i).map((k, axis) => (axis === 0 ? k : lines[axis - 1][k]));
        return at.includes(-1) ? op.value : x[at.reduce((place, k, axis) => place * from[axis] + k, 0)];
      });
    }
    case 'identity':
    case 'flatten':
    case 'reshape':
    case 'dropout':
      return x;
    case 'clip':
      return x.map((value) => Math.min(Math.max(value, op.low), op.high));
    case 'softmax':
    case 'logSoftmax': {
      const [first, end] = op.axes ?? [0, from.length - 1];
      const rowShape = from.map((size, axis) => (axis > first && axis <= end ? 1 : size));
      const row = tensors.reads(from, rowShape);
      const largest = new Array<number>(x.length).fill(Number.NEGATIVE_INFINITY);
      const sums = new Array<number>(x.length).fill(0);
      x.forEach((value, i) => {
        largest[row[i]] = Math.max(largest[row[i]], value);
      });
      x.forEach((value, i) => {
        sums[row[i]] += Math.exp(value - largest[row[i]]);
      });
      const logs = x.map((value, i) => value - largest[row[i]] - Math.log(sums[row[i]]));
      return op.kind === 'softmax' ? logs.map(Math.exp) : logs;
    }
    case 'linear': {
      const [weight, bias] = [parameter(node.weight)!, parameter(node.bias)?.data];
      const [out, into] = weight.shape;
      const { data } = weight;
      const y = new Float64Array(batch * out);
      for (let n = 0; n < batch; n++) {
        for (let o = 0; o < out; o++) {
          let sum = bias?.[o] ?? 0;
          for (let i = 0; i < into; i++) sum += x[n * into + i] * data[o * into + i];
          y[n * out + o] = sum;
        }
      }
      return y;
    }
    case 'maxPool':
      return windows(op, from, to, (n, c, cells) =>
        Math.max(...cells.map(({ row, column }) => x[((n * from[1] + c) * from[2] + row) * from[3] + column])),
      );
    case 'averagePool':
      return windows({ ...op, dilations: [1, 1] }, from, to, (n, c, cells, padded) => {
        const sum = cells.reduce(
          (s, { row, column }) => s + x[((n * from[1] + c) * from[2] + row) * from[3] + column],
          0,
        );
        return sum / (op.countIncludePad ? padded : cells.length);
      });
    case 'globalAveragePool': {
      const area = from[2] * from[3];
      return Float64Array.from({ length: batch * from[1] }, (_, i) =>
        x.subarray(i * area, (i + 1) * area).reduce((sum, value) => sum + value / area, 0),
      );
    }
    case 'lrn': {
      const [, channels, height, width] = from;
      const area = height * width;
      return x.map((value, i) => {
        const c = Math.floor(i / area) % channels;
        let sum = 0;
        for (let d = -Math.floor((op.size - 1) / 2); d <= Math.ceil((op.size - 1) / 2); d++) {
          if (c + d >= 0 && c + d < channels) sum += x[i + d * area] ** 2;
        }
        return value / (op.bias + (op.alpha / op.size) * sum) ** op.beta;
      });
    }
  }
}

interface Cell {
  row: number;
  column: number;
  tap: number;
}

/** Calls `value` for every output with the cells of its window that lie inside, and how many lie inside or in padding. */
function windows(
  op: { kernel: Pair; strides: Pair; pads: Pads; dilations: Pair },
  from: number[],
  [batch, channels, height, width]: number[],
  value: (n: number, c: number, cells: Cell[], padded: number) => number,
): Values {
  const y = new Float64Array(batch * channels * height * width);
  let i = 0;
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      for (let oy = 0; oy < height; oy++) {
        for (let ox = 0; ox < width; ox++) {
          const cells: Cell[] = [];
          let padded = 0;
          for (let ky = 0; ky < op.kernel[0]; ky++) {
            for (let kx = 0; kx < op.kernel[1]; kx++) {
              const row = oy * op.strides[0] - op.pads[0] + ky * op.dilations[0];
              const column = ox * op.strides[1] - op.pads[1] + kx * op.dilations[1];
              if (row < from[2] + op.pads[2] && column < from[3] + op.pads[3]) padded++;
              if (row < 0 || column < 0 || row >= from[2] || column >= from[3]) continue;
              cells.push({ row, column, tap: ky * op.kernel[1] + kx });
            }
          }
          y[i++] = value(n, c, cells, padded);
        }
      }
    }
  }
  return y;
}
