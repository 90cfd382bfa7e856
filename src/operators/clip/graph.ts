/** Clipping as an operation of tensors; the mathematics stands in ../../kernels/clip/clip.ts. */
import { mapValues } from '../../graph/map.ts';
import { mapPieces } from '../../graph/pieces.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { clipBackward, clipForward } from '../../kernels/clip/clip.ts';
import { shapesOf } from '../operator.ts';
import { rule } from './rule.ts';

/** y = min(max(x, low), high); a bound may be infinite. */
export function clip(x: Tensor, low: number, high: number, name = 'clip'): Tensor {
  shapesOf(name, rule, { low, high }, [x]);
  return mapValues(x, {
    operation: 'clip',
    name,
    params: { low, high },
    pieces: mapPieces(x.size, pieceOf(Math.fround(low), Math.fround(high))),
    forward: clipForward,
    backward: clipBackward,
    epilogue: { name: `clip ${low} ${high}`, wgsl: expression(low, high), derivativeOf: 'input' },
  });
}

const pieceOf = (low: number, high: number) => (value: number) => {
  const outside = value < low || value > high;
  return {
    scale: outside ? 0 : 1,
    shift: outside ? (value < low ? low : high) : 0,
    border: value === low || value === high,
  };
};

/** As the kernel does it, NaN by its bits (kernels/nan.ts); WGSL has no literal of infinity. */
function expression(low: number, high: number): string {
  const bounded = (value: string, bound: number, sign: '<' | '>') =>
    Number.isFinite(bound)
      ? `select(${value}, f32(${Math.fround(bound)}), ${value} ${sign} f32(${Math.fround(bound)}))`
      : value;
  return `select(${bounded(bounded('value', low, '<'), high, '>')}, value, (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u)`;
}
