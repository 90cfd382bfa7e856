/**
 * The fully connected layer's input gradient and the update of its weight in one pass over the largest matrices of these
 * networks. y = x w^T + bias, dy = dL/dy:
 *
 *   dx[n, i] (+)= sum over o of  dy[n, o] * w[o, i],   with w as it was before its update
 *   g[o, i] = sum over n of  dy[n, o] * x[n, i]
 *   v <- momentum v - (learning_rate mask) (g + weight_decay decay_factor w),    w <- w + v
 *
 * as ./input-gradient.ts and ./update.ts have them apart, with the same shapes: inputs is a multiple of four, dy's rows
 * lie `dy_row` elements apart, `accumulate` adds a further window of outputs to dx, and `differentiates` 1 says that x is
 * the output of a map, a ReLU unless a run says otherwise, and dx the gradient of its argument.
 *
 * columns: a lane owns one vector of inputs and loops over the outputs, with all it sums in registers: ./columns.ts.
 */
import { defineKernel, perElement } from '../kernel.ts';
import { LOAD } from '../rasteriser.ts';
import { sgdmRule } from '../sgdm/sgdm.ts';
import { stepBinding } from '../step.ts';
import { loopOverOutputs } from './columns.ts';
import { memoryCycles, onGpu } from './gpu.ts';
import { argumentGradientAt } from './shape.ts';

const params = {
  batch: 'u32',
  inputs: 'u32',
  outputs: 'u32',
  dy_row: 'u32',
  accumulate: 'u32',
  differentiates: 'u32',
  mask: 'f32',
  decay_factor: 'f32',
} as const;

export const linearBackward = defineKernel({
  name: 'linear/backward',
  applies: 'derivative',
  params,
  bindings: {
    dy: { access: 'read' },
    x: { access: 'read', type: 'vec4f' },
    step: stepBinding,
    w: { access: 'write', type: 'vec4f' },
    v: { access: 'write', type: 'vec4f' },
    dx: { access: 'write', type: 'vec4f' },
  },
  cost: (p) => ({
    flops: (4 * p.batch + 6) * p.inputs * p.outputs,
    bytes: 4 * (p.batch * (p.inputs * (2 + p.accumulate) + p.outputs) + 4 * p.inputs * p.outputs),
  }),
  variants: [
    {
      // A thread owns its inputs of all items and outputs: dx is complete before it changes the first weight.
      ...perElement<typeof params>(
        (p) => p.inputs / 4,
        'p.inputs / 4u',
        /* wgsl */ `
  let length = p.inputs / 4u;
  for (var n = 0u; n < p.batch; n++) {
    var sum = vec4f();
    for (var o = 0u; o < p.outputs; o++) { sum += dy[p.dy_base + n * p.dy_row + o] * w[p.w_base + o * length + index]; }
    sum = argument_gradient_at(sum, n * length + index);
    let place = p.dx_base + n * length + index;
    if (p.accumulate == 1u) { sum += dx[place]; }
    dx[place] = sum;
  }
  let rate = learning_rate() * p.mask;
  let decay = weight_decay() * p.decay_factor;
  for (var o = 0u; o < p.outputs; o++) {
    var gradient = vec4f();
    for (var n = 0u; n < p.batch; n++) {
      gradient += dy[p.dy_base + n * p.dy_row + o] * x[p.x_base + n * length + index];
    }
    let place = o * length + index;
    let weight = w[p.w_base + place];
    let velocity = next_velocity(v[p.v_base + place], weight, gradient, rate, decay, momentum());
    v[p.v_base + place] = velocity;
    w[p.w_base + place] = weight + velocity;
  }`,
        (memory) => sgdmRule('vec4f') + argumentGradientAt(memory),
      ),
      // Few threads, each with all outputs before it, twice: loads one after another, taken for two at a time on a GPU.
      estimate: (p, _, capabilities) =>
        onGpu(capabilities)
          ? memoryCycles(
              {
                bytes: (16 + 4 * p.batch) * p.inputs * p.outputs,
                threads: p.inputs / 4,
                loads: (8 * p.batch + 4) * p.outputs,
              },
              capabilities,
            )
          : (p.inputs / 4) * p.outputs * (p.batch * 120 + 4 * LOAD),
    },
    loopOverOutputs(true),
  ],
});
