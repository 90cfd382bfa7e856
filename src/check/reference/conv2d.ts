/** Float64 convolution and derivatives, written from the definition: every product is visited once. */
import type { Conv2dShape } from '../../kernels/conv2d/shape.ts';

/** Calls `visit` with the flat indices of y, x and w for every product of the convolution. */
function products(s: Conv2dShape, visit: (y: number, x: number, w: number) => void): void {
  const [kh, kw] = s.kernel;
  const oh = Math.floor((s.height + s.pads[0] + s.pads[2] - s.dilations[0] * (kh - 1) - 1) / s.strides[0]) + 1;
  const ow = Math.floor((s.width + s.pads[1] + s.pads[3] - s.dilations[1] * (kw - 1) - 1) / s.strides[1]) + 1;
  const perGroup = s.channels / s.groups;
  const filtersPerGroup = s.filters / s.groups;
  for (let n = 0; n < s.batch; n++)
    for (let f = 0; f < s.filters; f++)
      for (let oy = 0; oy < oh; oy++)
        for (let ox = 0; ox < ow; ox++)
          for (let c = 0; c < perGroup; c++)
            for (let ky = 0; ky < kh; ky++)
              for (let kx = 0; kx < kw; kx++) {
                const iy = oy * s.strides[0] - s.pads[0] + ky * s.dilations[0];
                const ix = ox * s.strides[1] - s.pads[1] + kx * s.dilations[1];
                if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
                const channel = Math.floor(f / filtersPerGroup) * perGroup + c;
                visit(
                  ((n * s.filters + f) * oh + oy) * ow + ox,
                  ((n * s.channels + channel) * s.height + iy) * s.width + ix,
                  ((f * perGroup + c) * kh + ky) * kw + kx,
                );
              }
}

type Values = ArrayLike<number>;

export function conv2dReference(s: Conv2dShape, x: Values, w: Values, bias: Values | undefined, outputs: number) {
  const plane = outputs / s.batch / s.filters;
  const y = Float64Array.from({ length: outputs }, (_, i) => bias?.[Math.floor(i / plane) % s.filters] ?? 0);
  products(s, (iy, ix, iw) => {
    y[iy] += x[ix] * w[iw];
  });
  return y;
}

export function conv2dInputGradientReference(s: Conv2dShape, dy: Values, w: Values) {
  const dx = new Float64Array(s.batch * s.channels * s.height * s.width);
  products(s, (iy, ix, iw) => {
    dx[ix] += dy[iy] * w[iw];
  });
  return dx;
}

export function conv2dFilterGradientReference(s: Conv2dShape, dy: Values, x: Values, weights: number) {
  const dw = new Float64Array(weights);
  products(s, (iy, ix, iw) => {
    dw[iw] += dy[iy] * x[ix];
  });
  return dw;
}
