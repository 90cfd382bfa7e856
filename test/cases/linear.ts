import { linearForward } from '../../src/kernels/linear/forward.ts';
import { linearInputGradient } from '../../src/kernels/linear/input-gradient.ts';
import { linearUpdate } from '../../src/kernels/linear/update.ts';
import { packStep } from '../../src/kernels/step.ts';
import { type KernelCase, normals, Random } from './case.ts';

/** Batches around the tiles of items, odd counts of outputs, rows of y and dy longer than the window of outputs. */
export function linearCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const shapes = [
    [1, 4, 1],
    [8, 32, 32],
    [10, 68, 37],
    [17, 12, 130],
    [33, 132, 19],
    ...Array.from({ length: 6 }, () => [1 + random.integer(40), 4 * (1 + random.integer(40)), 1 + random.integer(90)]),
  ];
  return shapes.flatMap(([batch, inputs, outputs]): KernelCase[] => {
    const name = `x=[${batch},${inputs}] w=[${outputs},${inputs}]`;
    const row = outputs + random.integer(5);
    const length = (batch - 1) * row + outputs;
    const x = normals(random, batch * inputs);
    const w = normals(random, outputs * inputs);
    const bias = normals(random, outputs);
    const dy = normals(random, length);
    const before = normals(random, x.length);
    const v = normals(random, w.length);
    const sum = (count: number, term: (i: number) => number) => {
      let total = 0;
      for (let i = 0; i < count; i++) total += term(i);
      return total;
    };
    const forward = (hasBias: boolean): KernelCase => {
      const untouched = normals(random, length);
      return {
        name: `linear/forward ${name} bias ${hasBias}`,
        kernel: linearForward,
        params: { batch, inputs, outputs, y_row: row, has_bias: hasBias ? 1 : 0 },
        inputs: { x, w, bias },
        outputs: { y: untouched },
        reference: () => {
          const y = Float64Array.from(untouched);
          for (let n = 0; n < batch; n++)
            for (let o = 0; o < outputs; o++)
              y[n * row + o] = (hasBias ? bias[o] : 0) + sum(inputs, (i) => x[n * inputs + i] * w[o * inputs + i]);
          return { y };
        },
      };
    };
    const inputGradient = (accumulate: number): KernelCase => ({
      name: `linear/input-gradient ${name} accumulate ${accumulate}`,
      kernel: linearInputGradient,
      params: { batch, inputs, outputs, dy_row: row, accumulate },
      inputs: { dy, w },
      outputs: { dx: accumulate ? before : x.length },
      reference: () => ({
        dx: Float64Array.from(x, (_, at) => {
          const n = Math.floor(at / inputs);
          const gradient = sum(outputs, (o) => dy[n * row + o] * w[o * inputs + (at % inputs)]);
          return gradient + accumulate * before[at];
        }),
      }),
    });
    const [rate, momentum, decay, mask, factor] = [0.05, 0.9, 0.01, 10, 1];
    const velocity = (at: number) => {
      const o = Math.floor(at / inputs);
      const gradient = sum(batch, (n) => dy[n * row + o] * x[n * inputs + (at % inputs)]);
      return momentum * v[at] - rate * mask * (gradient + decay * factor * w[at]);
    };
    return [
      forward(true),
      forward(false),
      inputGradient(0),
      inputGradient(1),
      {
        name: `linear/update ${name}`,
        kernel: linearUpdate,
        params: { batch, inputs, outputs, dy_row: row, mask, decay_factor: factor },
        inputs: { dy, x, step: packStep({ learningRate: rate, momentum, weightDecay: decay, step: 3, seed: 1 }) },
        outputs: { w, v },
        reference: () => ({
          w: Float64Array.from(w, (value, at) => value + velocity(at)),
          v: Float64Array.from(v, (_, at) => velocity(at)),
        }),
      },
    ];
  });
}
