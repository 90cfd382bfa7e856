/**
 * The fully connected layer by the kernels of ../../../kernels/linear, which read rows in vectors of four. The gradient of
 * the weight, the largest matrix of these networks, is a sum over the few items of a batch: `update-fused` makes it where
 * its update uses it, and never stores it; `one-pass` makes the input gradient on the same way over the weight.
 */
import { profileOf } from '../../../gpu/machine.ts';
import { derivativeBefore, epiloguesOf } from '../../../graph/operation.ts';
import { rows, type Window } from '../../../graph/windows.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import { linearBackward } from '../../../kernels/linear/backward.ts';
import { linearForward } from '../../../kernels/linear/forward.ts';
import { linearInputGradient } from '../../../kernels/linear/input-gradient.ts';
import { linearUpdate, linearUpdateScaled } from '../../../kernels/linear/update.ts';
import type { PartialAlgorithm, Work } from '../../algorithms/algorithm.ts';
import {
  columns,
  type Layer,
  type LayerAlgorithm,
  noWholeVectors,
  type Operands,
  operandOf,
  rowBytesOf,
  weightWindows,
} from './layer.ts';

/**
 * A rasteriser's instructions for one that the kernels' estimates count, from the processor time that layers of 4,096 inputs
 * and 1,000 outputs take on lavapipe with 1 to 300 items. A GPU's are cycles.
 */
const UNITS = { vectors: 1.4, update: 1.08, onePass: 0.7 } as const;

/** A kernel's own estimate for each window of the weight. */
const workOf =
  (unit: keyof typeof UNITS, time: (adapter: Capabilities, layer: Layer, at: Window) => number) =>
  (adapter: Capabilities, layer: Layer): Work[] =>
    weightWindows(adapter, layer).map((at) => ({
      instructions: (profileOf(adapter).unit === 'cycles' ? 1 : UNITS[unit]) * time(adapter, layer, at),
      movedBytes: 0,
      dispatches: 1,
    }));

const sizesOf = ({ batch, inputs, outputs }: Layer, { count }: Window) => ({
  batch,
  inputs,
  outputs: count,
  dy_row: outputs,
});
const backParams = (layer: Layer, at: Window) => ({
  ...sizesOf(layer, at),
  accumulate: at.first > 0 ? 1 : 0,
  differentiates: layer.differentiates ? 1 : 0,
});
const ofAny = { mask: 1, decay_factor: 1 };

export const vectorsForward: LayerAlgorithm<'forward'> = {
  name: 'vectors',
  how: 'the weight is read once, in vectors of four, for the sums of several items in registers',
  kernels: [linearForward],
  obstacle: noWholeVectors,
  work: workOf('vectors', (adapter, { batch, inputs, outputs, hasBias }, { count }) =>
    linearForward.time(adapter, { batch, inputs, outputs: count, y_row: outputs, has_bias: hasBias ? 1 : 0, relu: 0 }),
  ),
  emit(emit, layer, { x, weight, bias, y }) {
    const applied = epiloguesOf(emit);
    const { relu, epilogues } = applied;
    const { batch, inputs, outputs, hasBias } = layer;
    for (const at of weightWindows(emit.gpu, layer)) {
      const params = { batch, inputs, outputs: at.count, y_row: outputs, has_bias: hasBias ? 1 : 0, relu };
      const w = rows(emit.value(weight), rowBytesOf(layer), at);
      const b = bias === undefined ? w : rows(emit.value(bias), 4, at);
      const aux = operandOf(applied, layer, at) ?? w;
      emit.run(linearForward, params, { x: x.view(), w, bias: b, aux, y: columns(y, layer, at) }, epilogues);
    }
  },
};

export const vectorsInputGradient: LayerAlgorithm<'input gradient'> = {
  name: 'vectors',
  how: 'the weight is read once, in vectors of four, for the sums of several items in registers',
  kernels: [linearInputGradient],
  obstacle: noWholeVectors,
  work: workOf('vectors', (adapter, layer, at) => linearInputGradient.time(adapter, backParams(layer, at))),
  emit(emit, layer, { dy, x, weight, dx }) {
    const { epilogues } = derivativeBefore(emit);
    for (const at of weightWindows(emit.gpu, layer)) {
      const w = rows(emit.value(weight), rowBytesOf(layer), at);
      // Without a derivative before, x need not be kept.
      const views = { dy: columns(dy, layer, at), w, x: layer.differentiates ? x.view() : w, dx: dx.view() };
      emit.run(linearInputGradient, backParams(layer, at), views, epilogues);
    }
  },
};

export const fusedUpdate: PartialAlgorithm<Layer, Operands['update'], 'update'> = {
  name: 'update-fused',
  how: 'the gradient of a weight is summed where it updates the weight, and never written',
  makes: ['update'],
  kernels: [linearUpdate, linearUpdateScaled],
  obstacle: noWholeVectors,
  work: workOf('update', (adapter, layer, at) => linearUpdate.time(adapter, { ...sizesOf(layer, at), ...ofAny })),
  emit(emit, layer, { dy, x, weight, back }) {
    const update = back.update(1);
    const scaled = update === undefined ? back.scaledUpdate(1) : undefined;
    for (const at of weightWindows(emit.gpu, layer)) {
      const window = (storage: Parameters<typeof rows>[0]) => rows(storage, rowBytesOf(layer), at);
      const common = { dy: columns(dy, layer, at), x: x.view(), step: back.step.view() };
      if (update !== undefined) {
        const params = { ...sizesOf(layer, at), mask: update.mask, decay_factor: update.decayFactor };
        emit.run(linearUpdate, params, { ...common, w: window(emit.value(weight)), v: window(update.v) });
      }
      scaled?.later(() => {
        const params = { ...sizesOf(layer, at), mask: scaled.mask, decay_factor: scaled.decayFactor };
        const [w, v, h] = [scaled.w, scaled.v, scaled.half].map(window);
        emit.run(linearUpdateScaled, params, { ...common, scaling: scaled.scaling.view(), w, v, h });
      });
    }
  },
};

export const onePass: PartialAlgorithm<Layer, Operands['backward'], 'dx' | 'update'> = {
  name: 'one-pass',
  how: 'input gradient and update in one pass over the weight',
  makes: ['dx', 'update'],
  kernels: [linearBackward],
  obstacle: (adapter, layer) =>
    adapter.precision === 'f16' ? 'it has no text for half precision' : noWholeVectors(adapter, layer),
  work: workOf('onePass', (adapter, layer, at) => linearBackward.time(adapter, { ...backParams(layer, at), ...ofAny })),
  emit(emit, layer, { dy, x, weight, dx, back }) {
    const { v, mask, decayFactor } = back.update(1)!;
    const { epilogues } = derivativeBefore(emit);
    for (const at of weightWindows(emit.gpu, layer)) {
      const w = rows(emit.value(weight), rowBytesOf(layer), at);
      const step = { step: back.step.view(), w, v: rows(v, rowBytesOf(layer), at) };
      const params = { ...backParams(layer, at), mask, decay_factor: decayFactor };
      const views = { dy: columns(dy, layer, at), x: x.view(), ...step, dx: dx.view() };
      emit.run(linearBackward, params, views, epilogues);
    }
  },
};
