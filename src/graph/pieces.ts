/**
 * Operations that are smooth only piece by piece (ReLU, clipping, max pooling) are, on each piece, a choice of elements
 * with a scale and a shift:
 *
 *   y[o] = scale[o] x[from[o]] + shift[o]
 *
 * The record of a point names the piece on which it lies. Two points of one record have no kink between them, and the
 * function on the piece alone has no kinks at all: a step of any length shows its derivative.
 */

export interface Pieces {
  readonly from: Uint32Array<ArrayBuffer>;
  readonly scale: Float32Array<ArrayBuffer>;
  readonly shift: Float32Array<ArrayBuffer>;
  /** 1 where the point lies on the border of pieces: there is no derivative, whatever backward gives */
  readonly border: Uint8Array<ArrayBuffer>;
}

/** What an operation that reads one tensor says of its pieces. */
export interface PieceWise {
  /** how many parts of x and y, of equal size and in order, do not depend on each other: elements, images */
  readonly rows: number;
  /** the piece on which these values of input 0 lie */
  record(x: Float32Array): Pieces;
}

/** Of a map of single values: scale and shift of the piece of each, and whether it lies on a border. */
export function mapPieces(
  size: number,
  piece: (x: number) => { readonly scale: number; readonly shift?: number; readonly border: boolean },
): PieceWise {
  return {
    rows: size,
    record(x) {
      const pieces = empty(size);
      for (let i = 0; i < size; i++) {
        const { scale, shift = 0, border } = piece(x[i]);
        pieces.from[i] = i;
        pieces.scale[i] = scale;
        pieces.shift[i] = shift;
        pieces.border[i] = Number(border);
      }
      return pieces;
    },
  };
}

/** For `size` outputs: each a copy of element 0. */
export function empty(size: number): Pieces {
  return {
    from: new Uint32Array(size),
    scale: new Float32Array(size).fill(1),
    shift: new Float32Array(size),
    border: new Uint8Array(size),
  };
}
