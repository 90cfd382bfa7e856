/** A plain float64 interpreter of networks for inference, straight from the operations' definitions. */
import type { Network, Node, Pads, Pair } from '../../src/models/network.ts';
import { inferShapes } from '../../src/models/shapes.ts';

type Values = Float64Array;

export function interpret(network: Network, inputs: Record<string, ArrayLike<number>>, batch: number): Values[] {
  const shapes = inferShapes(network, batch);
  const values = new Map<string, Values>(Object.entries(inputs).map(([name, x]) => [name, Float64Array.from(x)]));
  for (const node of network.nodes) {
    const [x, other] = node.inputs.map((name) => values.get(name)!);
    const [from, to] = [shapes.get(node.inputs[0])!, shapes.get(node.output)!];
    if (node.op.kind === 'concat') {
      values.set(
        node.output,
        joined(
          node.inputs.map((name) => values.get(name)!),
          batch,
        ),
      );
      continue;
    }
    values.set(node.output, run(network, node, x, other, from, to));
  }
  return network.outputs.map((name) => values.get(name)!);
}

function joined(parts: readonly Values[], batch: number): Values {
  const items = Array.from({ length: batch }, (_, n) =>
    parts.flatMap((part) => Array.from(part.subarray((n * part.length) / batch, ((n + 1) * part.length) / batch))),
  );
  return Float64Array.from(items.flat());
}

function run(network: Network, node: Node, x: Values, other: Values, from: number[], to: number[]): Values {
  const { op } = node;
  const parameter = (name: string | undefined) => (name === undefined ? undefined : network.parameters.get(name)!);
  const [batch] = from;
  const perImage = x.length / batch;
  switch (op.kind) {
    case 'concat':
      throw new Error('read above');
    case 'identity':
    case 'flatten':
    case 'reshape':
    case 'dropout':
      return x;
    case 'relu':
      return x.map((value) => Math.max(value, 0));
    case 'clip':
      return x.map((value) => Math.min(Math.max(value, op.low), op.high));
    case 'add':
      return x.map((value, i) => value + other[i]);
    case 'affine': {
      const at = (values: readonly number[], i: number) =>
        values[Math.floor(((i % perImage) * values.length) / perImage)];
      return x.map((value, i) => value * at(op.scale, i) + at(op.shift, i));
    }
    case 'softmax': {
      const y = new Float64Array(x.length);
      for (let n = 0; n < batch; n++) {
        const row = x.subarray(n * perImage, (n + 1) * perImage);
        const powers = row.map((value) => Math.exp(value - Math.max(...row)));
        const sum = powers.reduce((a, b) => a + b);
        y.set(
          powers.map((power) => power / sum),
          n * perImage,
        );
      }
      return y;
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
    case 'conv2d': {
      const [weight, bias] = [parameter(node.weight)!, parameter(node.bias)?.data];
      const [out, perGroup, ...kernel] = weight.shape;
      const { data } = weight;
      const filtersPerGroup = out / op.groups;
      return windows({ ...op, kernel: kernel as unknown as Pair }, from, to, (n, o, cells) => {
        let sum = bias?.[o] ?? 0;
        for (let c = 0; c < perGroup; c++) {
          const channel = Math.floor(o / filtersPerGroup) * perGroup + c;
          for (const { row, column, tap } of cells) {
            const at = ((n * from[1] + channel) * from[2] + row) * from[3] + column;
            sum += x[at] * data[(o * perGroup + c) * kernel[0] * kernel[1] + tap];
          }
        }
        return sum;
      });
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
