/**
 * The fully connected layer's results as matrix products (../../../kernels/gemm/gemm.ts), by each way to work on one
 * (../../../graph/ops/product.ts). A weight's gradient that is stored is followed by its update, a pass of its own.
 */
import type { Algorithm, PartialAlgorithm, Work } from '../../../graph/algorithm.ts';
import { derivativeBefore, epiloguesOf, type ForwardEmitter } from '../../../graph/operation.ts';
import { byProducts, type ProductMethod } from '../../../graph/ops/product.ts';
import { rows, type Window } from '../../../graph/windows.ts';
import type { GemmShape } from '../../../kernels/gemm/gemm.ts';
import { sgdm } from '../../../kernels/sgdm/sgdm.ts';
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
  by: { readonly method: ProductMethod; readonly at: Window },
) => void;

const emits: { readonly [R in Result]: Emit<R> } = {
  forward(emit, layer, { x, weight, bias, y }, { method, at }) {
    const applied = epiloguesOf(emit);
    const { relu, epilogues } = applied;
    const w = rows(emit.value(weight), rowBytesOf(layer), at);
    const b = bias && rows(emit.value(bias), 4, at);
    const views = {
      a: x.view(),
      b: w,
      bias: b,
      aux: operandOf(applied, layer, at),
      c: columns(y, layer, at),
      epilogues,
    };
    method.emit(emit, { ...productOf('forward', layer, at), relu }, views, weight);
  },
  'input gradient'(emit, layer, { dy, weight, dx }, { method, at }) {
    const { relu, epilogues, operand } = derivativeBefore(emit);
    const w = rows(emit.value(weight), rowBytesOf(layer), at);
    const views = { a: columns(dy, layer, at), b: w, aux: operand?.view(), c: dx.view(), epilogues };
    method.emit(emit, { ...productOf('input gradient', layer, at), relu }, views, weight);
  },
  'weight gradient'(emit, layer, { dy, x, dw }, { method, at }) {
    const views = { a: columns(dy, layer, at), b: x.view(), c: rows(dw, rowBytesOf(layer), at) };
    method.emit(emit, productOf('weight gradient', layer, at), views);
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
    for (const at of weightWindows(emit.gpu, layer)) emits[result](emit, layer, operands, { method, at });
  },
});

/** Of a weight gradient no operand is the weight. */
const lasts = (result: Result, { weightLasts }: Layer) => result !== 'weight gradient' && weightLasts;

/** The update's own pass: reads the gradient, and reads and writes weight and velocity. */
const updatePass = ({ inputs, outputs }: Layer): Work => ({
  instructions: 0,
  streamedBytes: sgdm.cost({ count: inputs * outputs, mask: 1, decay_factor: 1 }).bytes,
  movedBytes: 0,
  dispatches: 1,
});

/** The weight's gradient, written to memory; whoever compiles the graph adds the update that reads it. */
export function updateAfter(method: ProductMethod): PartialAlgorithm<Layer, Operands['update'], 'update'> {
  const gradient: Algorithm<Layer, Operands['weight gradient']> = byProduct('weight gradient', method);
  return {
    name: `update-after-${method.name}`,
    makes: ['update'],
    kernels: [...gradient.kernels, sgdm],
    obstacle: gradient.obstacle,
    work: (adapter, layer) => [gradient.work(adapter, layer), updatePass(layer)].flat(),
    workspaceBytes: (adapter, layer) => gradient.workspaceBytes(adapter, layer) + layer.outputs * rowBytesOf(layer),
    emit(emit, layer, { dy, x, back }) {
      gradient.emit(emit, layer, { dy, x, dw: back.gradient(1)! });
    },
  };
}
