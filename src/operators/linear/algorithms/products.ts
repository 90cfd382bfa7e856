/**
 * The fully connected layer's results as matrix products (../../../kernels/gemm/gemm.ts), by each way to work on one
 * (../../algorithms/product.ts). Where a weight's gradient is finished it may be used for the update.
 */
import { profileOf } from '../../../gpu/machine.ts';
import { derivativeBefore, epiloguesOf, type ForwardEmitter } from '../../../graph/operation.ts';
import { rows, type Window } from '../../../graph/windows.ts';
import type { GemmShape } from '../../../kernels/gemm/gemm.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import { sgdm } from '../../../kernels/sgdm/sgdm.ts';
import type { Algorithm, PartialAlgorithm, Work } from '../../algorithms/algorithm.ts';
import { byProducts, type ProductMethod } from '../../algorithms/product.ts';
import {
  columns,
  type Layer,
  type LayerAlgorithm,
  type Operands,
  operandOf,
  rowBytesOf,
  weightWindows,
} from './layer.ts';

type Result = 'forward' | 'input gradient' | 'weight gradient';

/** A window's share of a result. */
function productOf(result: Result, { batch, inputs, outputs, hasBias }: Layer, at: Window): GemmShape {
  const x = { row: inputs, column: 1 };
  switch (result) {
    case 'forward':
      return { m: batch, n: at.count, k: inputs, a: x, b: { row: 1, column: inputs }, cRow: outputs, bias: hasBias };
    case 'input gradient': {
      const a = { row: outputs, column: 1 };
      return { m: batch, n: inputs, k: at.count, a, b: x, cRow: inputs, accumulate: at.first > 0 };
    }
    case 'weight gradient':
      return { m: at.count, n: inputs, k: batch, a: { row: 1, column: outputs }, b: x, cRow: inputs };
  }
}

type Emit<R extends Result> = (
  emit: ForwardEmitter,
  layer: Layer,
  operands: Operands[R],
) => (method: ProductMethod, at: Window) => void;

const emits: { readonly [R in Result]: Emit<R> } = {
  forward(emit, layer, { x, weight, bias, y }) {
    const applied = epiloguesOf(emit);
    const { relu, epilogues } = applied;
    return (method, at) => {
      const w = rows(emit.value(weight), rowBytesOf(layer), at);
      const b = bias && rows(emit.value(bias), 4, at);
      const aux = operandOf(applied, layer, at);
      const views = { a: x.view(), b: w, bias: b, aux, c: columns(y, layer, at), epilogues };
      method.emit(emit, { ...productOf('forward', layer, at), relu }, views, weight);
    };
  },
  'input gradient'(emit, layer, { dy, weight, dx }) {
    const { relu, epilogues, operand } = derivativeBefore(emit);
    return (method, at) => {
      const w = rows(emit.value(weight), rowBytesOf(layer), at);
      const views = { a: columns(dy, layer, at), b: w, aux: operand?.view(), c: dx.view(), epilogues };
      method.emit(emit, { ...productOf('input gradient', layer, at), relu }, views, weight);
    };
  },
  'weight gradient'(emit, layer, { dy, x, dw }) {
    // A window has rows of its own, and all of their sums.
    const to = dw(true);
    return (method, at) => {
      const { view: c, update } = to(rowBytesOf(layer), at);
      const views = { a: columns(dy, layer, at), b: x.view(), c, epilogues: { update } };
      method.emit(emit, productOf('weight gradient', layer, at), views);
    };
  },
};

/** A result by one way to work on products. */
export const byProduct = <R extends Result>(result: R, method: ProductMethod): LayerAlgorithm<R> => ({
  ...byProducts<Layer>(
    method,
    (adapter, layer) => weightWindows(adapter, layer).map((at) => productOf(result, layer, at)),
    (layer) => lasts(result, layer),
  ),
  emit(emit, layer, operands) {
    const write = emits[result](emit, layer, operands);
    for (const at of weightWindows(emit.gpu, layer)) write(method, at);
  },
});

/** Of a weight gradient no operand is the weight. */
const lasts = (result: Result, { weightLasts }: Layer) => result !== 'weight gradient' && weightLasts;

/**
 * Weight and velocity, read and written; of halves in a pass of its own, which also reads the gradient. A rasteriser in
 * software, which updates value by value as it writes, is taken to be as long about it as by that pass.
 */
function updateWork(adapter: Capabilities, { inputs, outputs }: Layer): Work {
  const count = inputs * outputs;
  const apart = adapter.precision === 'f16' || profileOf(adapter).unit !== 'cycles';
  const pass = sgdm.cost({ count, mask: 1, decay_factor: 1 }).bytes;
  // In one with the product, no gradient is written, nor read.
  const streamedBytes = apart ? pass : pass - 8 * count;
  return { instructions: 0, streamedBytes, movedBytes: 0, dispatches: apart ? 1 : 0 };
}

/** The weight's gradient, and its update where its sums are finished. */
export function updateBy(method: ProductMethod): PartialAlgorithm<Layer, Operands['update'], 'update'> {
  const gradient: Algorithm<Layer, Operands['weight gradient']> = byProduct('weight gradient', method);
  return {
    name: `update-by-${method.name}`,
    how: `the weight's gradient by ${method.name}; its sums update the weight where they are finished`,
    makes: ['update'],
    kernels: [...gradient.kernels, sgdm],
    obstacle: gradient.obstacle,
    work: (adapter, layer) => [gradient.work(adapter, layer), updateWork(adapter, layer)].flat(),
    emit(emit, layer, { dy, x, back }) {
      gradient.emit(emit, layer, { dy, x, dw: back.destination(1)! });
    },
  };
}
