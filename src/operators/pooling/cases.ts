import { type Broken, broken, derivativeBefore, parameter, stale } from '../../check/broken.ts';
import { averagePoolFamily, maxPoolFamily } from '../../check/cases/pooling.ts';
import { type Choose, pair } from '../../check/choose.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { RELU_DERIVATIVE } from '../../kernels/relu/rule.ts';
import type { Random } from '../../random.ts';
import { copied, sums } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { None } from '../operator.ts';
import { count } from '../operator.ts';
import type { AveragePoolAttributes, MaxPoolAttributes } from './rule.ts';

/** Kernel, strides and pads such that every window sees a part of the image. */
function pooling(choose: Choose, random: Random, dilation: number) {
  const kernel = pair(choose, 1, 4);
  const dilations = pair(choose, 1, dilation);
  const padding = (i: 0 | 1) => choose(0, Math.max(0, Math.min(2, Math.ceil(kernel[i] / 2) - 1)));
  const pads: [number, number, number, number] = [padding(0), padding(1), padding(0), padding(1)];
  const strides = [choose(1, kernel[0]), choose(1, kernel[1])] as const;
  const [height, width] = kernel.map((size, i) => dilations[i] * (size - 1) + 1 + choose(0, 4));
  const x = normal(random, [choose(1, 5), choose(1, 5), height, width]);
  return { inputs: { x }, window: { kernel, strides, pads, ceilMode: choose(0, 1) === 1 }, dilations };
}

/** The texts that loop over a window; `inside` has none. */
const SCANNING = ['plain', 'coarsened'];

const maxPoolScan: Broken[] = [
  broken('padding one less at the top', '- p.pad_top', '- p.pad_top + 1u', ...SCANNING),
  broken("the other axis' stride", 'oy * p.stride_height', 'oy * p.stride_width', ...SCANNING),
  broken('dilation left out', 'kx * p.dilation_width', 'kx', ...SCANNING),
  broken("the window's last column left out", 'kx < p.kernel_width', 'kx + 1u < p.kernel_width', ...SCANNING),
  broken('padding may win', 'if (!found || (', 'if ((', ...SCANNING),
  broken('smallest for largest', /value > best/g, 'value < best', ...SCANNING, 'interior'),
  broken('NaN loses', /\|\| is_nan\(value\)/g, '', ...SCANNING, 'interior'),
  broken("the output's plane for the input's", '* p.height * p.width;', '* p.out_height * p.out_width;', ...SCANNING),
  parameter('vertical stride left out', 'stride_height', '1u', 'interior', 'lines'),
  broken('the last tap left out', /let better = (?![\s\S]*let better = )/g, 'let better = false && ', 'interior'),
  broken(
    "the output's width for the input's",
    'p.stride_height * p.width',
    'p.stride_height * p.out_width',
    'interior',
  ),
  broken('smallest for largest, by lines', /b(\.value)? > a/g, 'b$1 < a', 'lines'),
  broken('NaN loses, by lines', /b_nan \|\||\|\| is_nan\(b\)/g, '', 'lines'),
  broken('a column not kept', 'kept0 = c2;', '', 'lines'),
  broken('a column too near', 'at += 2u;', 'at += 1u;', 'lines'),
  broken('a row left out', 'x[plane + at + 1u * p.width]', 'x[plane + at]', 'lines'),
];

export const maxChecks: Checks<MaxPoolAttributes> = {
  bound: copied,
  families: [maxPoolFamily],
  draw(choose, random) {
    const { inputs, window, dilations } = pooling(choose, random, 2);
    return { attributes: { ...window, dilations }, inputs };
  },
  torch: 'lambda o, x: unfold(x, o, -math.inf).max(-1).values',
  mutations: {
    'maxpool/forward': [
      ...maxPoolScan,
      parameter("the ReLU's derivative left out", 'relu_before', '0u'),
      parameter("a ReLU's derivative unasked", 'relu_before', '1u'),
      broken('a winner of 0', RELU_DERIVATIVE, RELU_DERIVATIVE.replace('>', '>=')),
      broken('the last of equal values wins', /value > best/g, 'value >= best', ...SCANNING, 'interior'),
      broken('the last of equal values wins, by lines', 'b.offset < a.offset', 'b.offset > a.offset', 'lines'),
    ],
    'maxpool/inference': maxPoolScan,
    'maxpool/backward': [
      ...derivativeBefore,
      broken(
        'a window too few behind',
        '/ p.stride_height + 1u, p.out_height',
        '/ p.stride_height, p.out_height',
        ...SCANNING,
      ),
      broken('padding left out', 'min((iy + p.pad_top)', 'min((iy)', ...SCANNING),
      broken('dilation left out', '(p.kernel_width - 1u) * p.dilation_width', '(p.kernel_width - 1u)', ...SCANNING),
      broken('whoever won', 'choice[p.choice_base + o] == offset', 'true', ...SCANNING),
      broken(
        "the input's plane for the output's",
        '* p.out_height * p.out_width;',
        '* p.height * p.width;',
        ...SCANNING,
      ),
      stale('sum += dy', 'sum = dy', ...SCANNING),
      broken('sign', 'sum += dy', 'sum -= dy', ...SCANNING),
      broken('stale start', 'dx[start + i] = 0.0;', '', 'planes'),
      broken('the last of several windows alone', 'dx[place] += select', 'dx[place] = select', 'planes'),
      broken(
        'a window without a winner passes its gradient on',
        'select(dy[p.dy_base + o], 0.0, none)',
        'dy[p.dy_base + o]',
        'planes',
      ),
      broken('the last window left out', 'o < first + count', 'o + 1u < first + count', 'planes'),
      broken("the input's plane for the output's", 'index * count', 'index * p.height * p.width', 'planes'),
      broken('whoever won', 'select(winner, 0u, none)', '0u', 'planes'),
    ],
  },
};

export const averageChecks: Checks<AveragePoolAttributes> = {
  bound: sums(({ attributes: { kernel } }) => kernel[0] * kernel[1] + 5),
  families: [averagePoolFamily],
  draw(choose, random) {
    const { inputs, window } = pooling(choose, random, 1);
    return { attributes: { ...window, countIncludePad: choose(0, 1) === 1 }, inputs };
  },
  torch: "lambda o, x: average(x, {**o, 'dilations': [1, 1]})",
  mutations: {
    'avgpool/forward': [
      broken(
        'divisor: always the whole kernel',
        '(divisor_y(oy) * divisor_x(ox))',
        'f32(p.kernel_height * p.kernel_width)',
      ),
      broken('padding one less at the top', 'ky - p.pad_top', 'ky - p.pad_top + 1u'),
      broken('padding counted the other way', '== 1u', '!= 1u'),
      broken('what hangs over counts', 'before + size + after', 'before + size + after + 1u'),
      broken('padding before counts', 'max(start, before)', 'start'),
      broken("the window's last column left out", 'kx < p.kernel_width', 'kx + 1u < p.kernel_width'),
      broken("the other axis' stride", 'let iy = oy * p.stride_height', 'let iy = oy * p.stride_width'),
      stale('{ sum += x', '{ sum = x'),
    ],
    'avgpool/backward': [
      broken(
        'divisor: always the whole kernel',
        '(divisor_y(oy) * divisor_x(ox))',
        'f32(p.kernel_height * p.kernel_width)',
      ),
      broken('padding counted the other way', '== 1u', '!= 1u'),
      broken('a window too many before', 'max(iy + p.pad_top + 1u, p', 'max(iy + p.pad_top, p'),
      broken('a window too few behind', '/ p.stride_width + 1u, p.out_width', '/ p.stride_width, p.out_width'),
      broken('padding left out', 'min((iy + p.pad_top)', 'min((iy)'),
      broken("the input's plane for the output's", '* p.out_height * p.out_width;', '* p.height * p.width;'),
      stale('sum += dy', 'sum = dy'),
      broken('sign', 'sum += dy', 'sum -= dy'),
    ],
  },
};

export const globalChecks: Checks<None> = {
  bound: sums(({ inputs: [{ shape }], outputs: [places] }) => count(shape) / count(places) + 5),
  families: [averagePoolFamily],
  draw: (choose, random) => ({ attributes: {}, inputs: { x: normal(random, image(choose)) } }),
  torch: 'lambda o, x: x.mean((2, 3), keepdim=True)',
  mutations: {},
};
