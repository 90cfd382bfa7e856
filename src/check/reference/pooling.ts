/** Pooling in float64 over an image that is really padded; derivatives scatter, where the kernels gather. */
export interface Pooling {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
  readonly output: readonly [number, number];
}

/** Calls `tap` for each place of each window; `at` is the offset in x, or -1 in the padding and -2 beyond it. */
function eachTap(p: Pooling, tap: (window: number, at: number) => void) {
  const planes = p.batch * p.channels;
  let window = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (let oy = 0; oy < p.output[0]; oy++) {
      for (let ox = 0; ox < p.output[1]; ox++, window++) {
        for (let ky = 0; ky < p.kernel[0]; ky++) {
          for (let kx = 0; kx < p.kernel[1]; kx++) {
            const y = oy * p.strides[0] + ky * p.dilations[0] - p.pads[0];
            const x = ox * p.strides[1] + kx * p.dilations[1] - p.pads[1];
            const inside = y >= 0 && x >= 0 && y < p.height && x < p.width;
            const padded = y < p.height + p.pads[2] && x < p.width + p.pads[3];
            tap(window, inside ? (plane * p.height + y) * p.width + x : padded ? -1 : -2);
          }
        }
      }
    }
  }
}

const windows = (p: Pooling) => p.batch * p.channels * p.output[0] * p.output[1];

/** Maximum of each window and the winner's offset in x; the first of equal values, the first NaN before all. */
export function maxPool(p: Pooling, x: ArrayLike<number>): { y: number[]; winner: number[] } {
  const y = new Array<number>(windows(p)).fill(Number.NEGATIVE_INFINITY);
  const winner = new Array<number>(windows(p)).fill(-1);
  eachTap(p, (window, at) => {
    if (at < 0 || Number.isNaN(y[window])) return;
    if (winner[window] === -1 || Number.isNaN(x[at]) || x[at] > y[window]) {
      y[window] = x[at];
      winner[window] = at;
    }
  });
  return { y, winner };
}

export function maxPoolBackward(p: Pooling, x: ArrayLike<number>, dy: ArrayLike<number>): number[] {
  const dx = new Array<number>(x.length).fill(0);
  maxPool(p, x).winner.forEach((at, window) => {
    dx[at] += dy[window];
  });
  return dx;
}

function divisors(p: Pooling, countIncludePad: boolean): number[] {
  const divisor = new Array<number>(windows(p)).fill(0);
  eachTap(p, (window, at) => {
    if (at >= 0 || (at === -1 && countIncludePad)) divisor[window]++;
  });
  return divisor;
}

export function averagePool(p: Pooling, x: ArrayLike<number>, countIncludePad: boolean): number[] {
  const sums = new Array<number>(windows(p)).fill(0);
  eachTap(p, (window, at) => {
    if (at >= 0) sums[window] += x[at];
  });
  return divisors(p, countIncludePad).map((divisor, window) => sums[window] / divisor);
}

export function averagePoolBackward(p: Pooling, dy: ArrayLike<number>, countIncludePad: boolean): number[] {
  const divisor = divisors(p, countIncludePad);
  const dx = new Array<number>(p.batch * p.channels * p.height * p.width).fill(0);
  eachTap(p, (window, at) => {
    if (at >= 0) dx[at] += dy[window] / divisor[window];
  });
  return dx;
}
