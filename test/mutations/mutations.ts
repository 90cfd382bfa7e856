/**
 * What is broken in each kernel. Beside these, `generalMutations` apply to every one. A mutation that changes no result
 * (a window visited in vain, `<` for `<=` where the values are equal) is none and does not stand here.
 */
import type { Kernel } from '../../src/kernels/kernel.ts';
import type { Mutation } from './mutate.ts';

const broken = (name: string, find: string | RegExp, replace: string, ...variants: string[]): Mutation => ({
  name,
  find,
  replace,
  ...(variants.length > 0 ? { variants } : {}),
});

/** Every reading of a parameter, in any text: independent of how a variant is written. */
const parameter = (name: string, field: string, replace: string, ...variants: string[]) =>
  broken(name, new RegExp(`\\bp\\.${field}\\b`, 'g'), replace, ...variants);

/** Each view's offset left out, and the last thread of a plain text left idle. */
export function generalMutations(kernel: Kernel): Mutation[] {
  const offsets = Object.keys(kernel.bindings).map((name) =>
    parameter(`offset of the view ${name} left out`, `${name}_base`, '0u'),
  );
  const [first] = kernel.variants;
  const guarded = /if \(index >= (.*)\) \{ return; \}/g;
  return [...offsets, broken('the last thread idle', guarded, 'if (index + 1u >= $1) { return; }', first.name)];
}

const stale = (find: string, replace: string, ...variants: string[]) =>
  broken('stale accumulator', find, replace, ...variants);

/** SwiftShader's exp makes a number of NaN; elsewhere infinity less infinity is NaN enough. */
const whereExpLosesNan = { adapter: 'embedded' };

/** The texts that loop over a window; `inside` has none. */
const SCANNING = ['plain', 'several'];

const maxPoolScan: Mutation[] = [
  broken('padding one less at the top', '- p.pad_top', '- p.pad_top + 1u', ...SCANNING),
  broken("the other axis' stride", 'oy * p.stride_height', 'oy * p.stride_width', ...SCANNING),
  broken('dilation left out', 'kx * p.dilation_width', 'kx', ...SCANNING),
  broken("the window's last column left out", 'kx < p.kernel_width', 'kx + 1u < p.kernel_width', ...SCANNING),
  broken('padding may win', 'if (!found || (', 'if ((', ...SCANNING),
  broken('smallest for largest', /value > best/g, 'value < best'),
  broken('NaN loses', /\|\| is_nan\(value\)/g, ''),
  broken("the output's plane for the input's", '* p.height * p.width;', '* p.out_height * p.out_width;', ...SCANNING),
  parameter('vertical stride left out', 'stride_height', '1u', 'inside'),
  broken('the last tap left out', /let better = (?![\s\S]*let better = )/g, 'let better = false && ', 'inside'),
  broken("the output's width for the input's", 'p.stride_height * p.width', 'p.stride_height * p.out_width', 'inside'),
];

const binaryText = (symbol: string, wrong: string): Mutation[] => [
  broken('another operator', `left ${symbol} right`, `left ${wrong} right`),
  broken('a for b', 'let right = b[p.b_base', 'let right = left + 0.0 * b[p.b_base'),
  broken('operands exchanged in their strides', 'at.i5 * p.b_5', 'at.i5 * p.a_5'),
  broken('the first axis left out', 'at.i0 * p.a_0', '0u'),
  broken("an inner axis' coordinate for another's", 'at.i3 * p.b_3', 'at.i2 * p.b_3'),
  broken('a broadcast axis read along', 'q4 - q3 * p.y_3', 'q4'),
];

const rowText: Mutation[] = [
  broken('the rows of another axis', 'outer * p.columns * p.stride', 'outer * p.stride'),
  broken('stride left out within the row', '+ (row - outer * p.stride)', ''),
];

const dropoutText: Mutation[] = [
  broken('kept and dropped exchanged', 'keep(index));', '!keep(index));'),
  broken('scale left out', ' * p.scale', ''),
  broken("the window's place in the batch left out", 'p.first + index', 'index'),
  broken("the layer's stream left out", ', p.stream)', ', 0u)'),
  broken('the step left out of the draw', 'seed(), step_number()', 'seed(), 0u'),
  broken('another constant in the generator', '2891336453u', '2891336455u'),
];

const sgdmText: Mutation[] = [
  broken('sign of the step', '- learning_rate()', '+ learning_rate()'),
  broken('momentum left out', 'momentum() * v[', '0.0 * v['),
  broken('weight decay left out', '+ weight_decay() * p.decay_factor * weight', ''),
  broken('decay of what has none', ' * p.decay_factor', ''),
  broken('sign of the decay', '+ weight_decay()', '- weight_decay()'),
  broken('mask left out', ' * rate_mask * gradient', ' * gradient'),
  broken('what is frozen is updated', 'if (rate_mask == 0.0) { return; }', ''),
  broken('velocity not kept', '] = velocity;', '] = gradient;'),
  broken('gradient for velocity', 'weight + velocity', 'weight + gradient'),
];

export const mutations: Readonly<Record<string, readonly Mutation[]>> = {
  contraction: [
    broken('sign of every product', /(?<![\w.])a\[/g, '-a['),
    parameter('sign of the padding', 'y_0', '(-p.y_0)'),
    parameter('padding one too large', 'x_0', '(p.x_0 - 1)'),
    parameter('group left out of A', 'a_group', '0u'),
    parameter('group left out of B', 'b_group', '0u'),
    parameter('group left out of C', 'c_group', '0u'),
    parameter('last term of the inner sum left out', 'r', '(p.r - 1u)'),
    parameter('last row of the window left out', 'u', '(p.u - 1u)'),
    parameter('window one row beyond the image', 'height', '(p.height + 1u)'),
    parameter('window one column beyond the image', 'line', '(p.line + 1u)'),
    parameter('vertical step left out', 'y_step', '1'),
    parameter('horizontal dilation left out', 'x_v', '1'),
    parameter('spread left out', 'y_spread', '1u'),
    parameter("item's place in C left out", 'c_item', '0u'),
    broken('group left out of the bias', /g \* p\.rows \+ m/g, 'm'),
    broken('stale accumulator', /p\.accumulate == 1u/g, 'true'),
    broken('accumulation lost', /p\.accumulate == 1u/g, 'false'),
  ],
  'add/accumulate': [
    broken('sign', '+= a[', '-= a['),
    broken('accumulation lost', '+= a[', '= a['),
    broken('neighbour', 'p.a_base + index', 'p.a_base + index + 1u'),
    broken('twice', '+= a[', '+= 2.0 * a['),
  ],
  'fill/constant': [
    broken('sign', '= p.value', '= -p.value'),
    stale('= p.value', '+= p.value'),
    broken('zero', '= p.value', '= 0.0'),
    broken('neighbour', 'p.y_base + index', 'p.y_base + index + 1u'),
  ],
  'bias/forward': [
    broken('sign', '] + b[', '] - b['),
    broken('no channels', ' % p.channels', ''),
    broken('element for channel', '(index / p.plane)', 'index'),
    broken('bias of the first channel', '+ (index / p.plane) % p.channels', ''),
    stale('y[p.y_base + index] = ', 'y[p.y_base + index] += '),
  ],
  'bias/gradient': [
    stale('sum += image', 'sum = image', 'plain'),
    broken('last element left out', 'i < p.plane;', 'i + 1u < p.plane;'),
    broken('last item left out', 'n < p.batch', 'n + 1u < p.batch'),
    broken('wrong channel', 'n * p.channels +', 'n +'),
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
    broken('sign', /\+= dy/g, '-= dy'),
    broken('reduction one step short', 'half > 0u', 'half > 1u', 'workgroup'),
    broken('reduction begins one step late', /var half = \d+u/g, 'var half = 16u', 'workgroup'),
  ],
  'affine/forward': [
    broken('sign of the shift', '+ shift[', '- shift['),
    broken('scale left out', '* scale[p.scale_base + channel * p.scale_step]', ''),
    broken('one scale for all channels', ' + channel * p.scale_step', ''),
    broken('one shift for all channels', ' + channel * p.shift_step', ''),
    broken('no channels', ' % p.channels', ''),
  ],
  'affine/backward': [
    broken('sign', '= dy[', '= -dy['),
    broken('scale left out', ' * scale[p.scale_base + channel * p.scale_step]', ''),
    broken('one scale for all channels', ' + channel * p.scale_step', ''),
    broken('divided by the scale', '* scale[', '/ scale['),
    stale('index] = dy[', 'index] += dy['),
  ],
  'relu/forward': [
    broken('sign of the comparison', 'value < 0.0', 'value > 0.0'),
    broken('a leak', 'select(value, 0.0,', 'select(value, 0.01 * value,'),
    broken('NaN hidden', 'select(value, 0.0, value < 0.0)', 'select(0.0, value, value > 0.0)'),
    broken('cut off at 6', 'select(value, 0.0,', 'select(min(value, 6.0), 0.0,'),
    broken('neighbour', 'p.x_base + index', 'p.x_base + index + 1u'),
  ],
  'relu/backward': [
    broken('gradient at 0', '> 0.0', '>= 0.0'),
    broken('sign of the comparison', '> 0.0', '< 0.0'),
    broken('everything passes', 'y[p.y_base + index] > 0.0', 'true'),
    broken('y for dy', 'dy[p.dy_base + index]', 'y[p.y_base + index]'),
    broken('neighbour', 'p.y_base + index', 'p.y_base + index + 1u'),
  ],
  'clip/forward': [
    broken('no lower bound', 'value < p.low', 'false'),
    broken('no upper bound', 'raised > p.high', 'false'),
    broken('crossing bounds: the lower one wins', 'raised > p.high', 'value > p.high'),
    broken('NaN hidden', 'select(value, p.low, value < p.low)', 'select(p.low, value, value >= p.low)'),
    broken('sign of the lower bound', 'select(value, p.low,', 'select(value, -p.low,'),
  ],
  'clip/backward': [
    broken('nothing at the lower bound', '>= p.low', '> p.low'),
    broken('nothing at the upper bound', '<= p.high', '< p.high'),
    broken('everything passes', '&& value <= p.high', '|| value <= p.high'),
    broken('one outside', 'select(0.0,', 'select(1.0,'),
    broken('x for dy', 'dy[p.dy_base + index]', 'value'),
  ],
  'concat/copy': [
    parameter("the source's offset left out", 'x_offset', '0u'),
    parameter("the target's offset left out", 'y_offset', '0u'),
    parameter('rows of the target for those of the source', 'x_stride', 'p.y_stride'),
    broken('remainder by the stride', 'index % p.length', 'index % p.x_stride'),
    stale('+ i] = x[', '+ i] += x['),
  ],
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
  'maxpool/forward': [...maxPoolScan, broken('the last of equal values wins', /value > best/g, 'value >= best')],
  'maxpool/inference': maxPoolScan,
  'maxpool/backward': [
    broken(
      'a window too few behind',
      '/ p.stride_height + 1u, p.out_height',
      '/ p.stride_height, p.out_height',
      ...SCANNING,
    ),
    broken('padding left out', 'min((iy + p.pad_top)', 'min((iy)', ...SCANNING),
    broken('dilation left out', '(p.kernel_width - 1u) * p.dilation_width', '(p.kernel_width - 1u)', ...SCANNING),
    broken('whoever won', 'choice[p.choice_base + o] == offset', 'true', ...SCANNING),
    broken("the input's plane for the output's", '* p.out_height * p.out_width;', '* p.height * p.width;', ...SCANNING),
    stale('sum += dy', 'sum = dy', ...SCANNING),
    broken('sign', 'sum += dy', 'sum -= dy', ...SCANNING),
    broken('stale start', 'dx[start + i] = 0.0;', '', 'planes'),
    broken('the last of several windows alone', 'dx[place] += dy', 'dx[place] = dy', 'planes'),
    broken('the last window left out', 'o < first + count', 'o + 1u < first + count', 'planes'),
    broken("the input's plane for the output's", 'index * count', 'index * p.height * p.width', 'planes'),
    broken('whoever won', 'start + choice[p.choice_base + o]', 'start', 'planes'),
  ],
  'conv2d/pad': [
    broken('padding above left out', ' - u32(p.top)', ''),
    broken('one column too far left', '- u32(p.left)', '- u32(p.left) + 1u'),
    broken('a line too many', 'iy < p.height', 'iy <= p.height'),
    broken('what lies beside the line', 'ix < vec4u(p.width)', 'ix <= vec4u(p.width)'),
    broken("another item's lines", 'item * p.height', 'p.height'),
    broken('the first of four for all', 'vec4u(0u, 1u, 2u, 3u)', 'vec4u(0u)'),
  ],
  'conv2d/pack': [
    broken('taps not turned', 'p.flip == 1u', 'false'),
    broken('always turned', 'p.flip == 1u', 'true'),
    broken('group left out', ' + g * p.group', ''),
    broken('beyond the last row', 'm < p.rows)', 'true)'),
    broken('last tap left out', 't < p.taps', 't + 1u < p.taps'),
    parameter('row and column exchanged', 'row', 'p.column'),
  ],
  'conv2d/strips': [
    parameter('last channel left out', 'channels', '(p.channels - 1u)', 'plain'),
    broken('last channel left out', 'c < p.channels', 'c + 1u < p.channels'),
    broken('last line of the kernel left out', 'ky < p.kernel_height', 'ky + 1u < p.kernel_height'),
    parameter('vertical stride left out', 'stride_y', '1u'),
    broken(
      'group left out of the bias',
      /bias\[p\.bias_base \+ (g \* p\.rows \+ m_0 \+ m|filter_index)\]/g,
      'bias[p.bias_base + 0u]',
    ),
    broken('bias left out', 'p.has_bias == 1u', 'false'),
    broken('group left out of the image', /item \* p\.groups \+ g\) \* p\.channels/g, 'item * p.groups) * p.channels'),
    broken('group left out of the weights', /\(g \* blocks \+/g, '(0u * blocks +'),
    broken("the last tap's weight twice", /x0 \* vec4f/g, 'x0 * 2.0 * vec4f', 'strips'),
    broken('stale accumulator', /(c0_0) \+=/g, '$1 =', 'strips'),
    broken(
      'strips that overlap',
      /\(place - line \* per_line\) \* (\d+)u/g,
      '(place - line * per_line) * ($1u - 1u)',
      'strips',
    ),
    broken('a row too many', /min\((\d+)u, p\.rows - m_0\)/g, '$1u', 'strips'),
  ],
  'conv2d/strips-filter-gradient': [
    broken('last item left out', 'n < p.items', 'n + 1u < p.items'),
    broken('last line left out', 'oy < p.lines', 'oy + 1u < p.lines'),
    parameter('vertical stride left out', 'stride_y', '1u'),
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
    broken('group left out of the image', /n \* p\.groups \+ g\)/g, 'n * p.groups)', 'plain'),
    broken('group left out of the image', /\(g \* p\.channels \+ /g, '(', 'strips'),
    broken('sign', /x0 \*/g, '-x0 *', 'strips'),
    broken('stale accumulator', /(c0_0_0) \+=/g, '$1 =', 'strips'),
    broken('a row too many', /min\((\d+)u, p\.rows - m_0\)/g, '$1u', 'strips'),
  ],
  'linear/forward': [
    broken('bias left out', 'p.has_bias == 1u', 'false'),
    broken("the first output's bias", 'p.bias_base + o', 'p.bias_base'),
    broken('last inputs left out', 'i < length', 'i + 1u < length'),
    parameter('rows of y one too near', 'y_row', 'p.outputs'),
    broken('stale accumulator', /(sum|c0) \+=/g, '$1 ='),
    broken('sign', /c0 \+=/g, 'c0 -=', 'broadcast'),
    broken('another item', /, 0u\)\[?/g, ', 1u)', 'broadcast'),
  ],
  'linear/input-gradient': [
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
    broken('last output left out', 'o < p.outputs', 'o + 1u < p.outputs'),
    parameter('rows of dy one too near', 'dy_row', 'p.outputs'),
    broken('stale accumulator', /(sum|c0_0) \+=/g, '$1 ='),
    broken('sign', /x0 \*/g, '-x0 *', 'broadcast'),
  ],
  'linear/update': [
    broken('last item left out', 'n < p.batch', 'n + 1u < p.batch'),
    parameter('rows of dy one too near', 'dy_row', 'p.outputs'),
    broken('sign of the step', /- (learning_rate\(\) \* p\.mask \* gradient|rate \*)/g, '+ $1'),
    parameter('mask left out', 'mask', '1.0'),
    broken('momentum left out', /(inertia|momentum\(\)) \* v/g, '0.0 * v'),
    parameter('decay of what has none', 'decay_factor', '0.0'),
    broken('velocity not kept', '] = velocity;', '] = vec4f();'),
    broken('gradient for velocity', 'weight + velocity', 'weight - velocity'),
    broken('stale accumulator', /(gradient|c0_0) \+= (dy\[|d )/g, '$1 = $2'),
  ],
  'lrn/forward': [
    broken('window one short', 'channel + ahead + 1u', 'channel + ahead', 'plain'),
    broken('window one late', 'max(channel, behind) - behind', 'max(channel, behind) - behind + 1u', 'plain'),
    broken('even sizes mirrored', 'let ahead = p.size / 2u', 'let ahead = (p.size - 1u) / 2u', 'plain'),
    broken("another channel's value", /= x\d+ \* power/g, '= x0 * power', 'sliding'),
    broken('stale register', /\n {4}x\d+ = 0\.0;/g, '', 'sliding'),
    broken('alpha not divided by the size', /p\.alpha \/ (f32\(p\.size\)|\d+\.0)/g, 'p.alpha'),
    broken('bias left out', 'p.bias + ', ''),
    broken('sum of values, not of squares', /(value|x\d+) \* \1/g, '$1'),
    broken('another power', '-p.beta', '-p.beta - 0.01'),
    broken('three quarters wrong', 'root * sqrt(root)', 'root * root'),
  ],
  'lrn/backward': [
    broken('window one short', 'channel + behind + 1u', 'channel + behind', 'plain'),
    broken('even sizes not mirrored', 'max(channel, ahead) - ahead', 'max(channel, behind) - behind', 'plain'),
    broken('stale accumulator', /\n {4}t\d+ = 0\.0;/g, '', 'sliding'),
    broken('stale register', /\n {4}x\d+ = 0\.0;/g, '', 'sliding'),
    broken('factor 2 left out', '2.0 * p.alpha * p.beta', 'p.alpha * p.beta'),
    broken('sign of what goes through the neighbours', /- (2\.0 \* p\.alpha|factor)/g, '+ $1'),
    broken('one power of s missing', /(power\(s\)|x\d+) \/ s;/g, '$1;'),
    broken('bias left out', 'p.bias + ', ''),
    broken('another power', '-p.beta)', '-p.beta - 0.01)'),
  ],
  'dropout/forward': dropoutText,
  'dropout/backward': dropoutText,
  'sgdm/update': sgdmText,
  'sgdm/masked': sgdmText,
  'softmax/forward': [
    ...rowText,
    broken('maximum not subtracted', 'exp(x[from_x + j * p.stride] - largest)', 'exp(x[from_x + j * p.stride])'),
    broken('last column not in the sum', '    sum += power;', '    if (j + 1u < p.columns) { sum += power; }'),
    { ...broken('infinite maximum hidden', ' + poison(largest)', ''), ...whereExpLosesNan },
    broken('last column not normalised', 'y[k] = y[k] / sum', 'if (j + 1u < p.columns) { y[k] /= sum; } y[k] += 0.0'),
    stale('sum += power', 'sum = power'),
  ],
  'softmax/backward': [
    ...rowText,
    broken('sign of the mean', '- dot)', '+ dot)'),
    broken('mean left out', ' - dot)', ')'),
    broken('y left out', '= y[p.y_base + k] * (', '= ('),
    broken('stride left out', /row \+ j \* p\.stride/g, 'row + j'),
    stale('dot += dy', 'dot = dy'),
  ],
  'log-softmax/forward': [
    ...rowText,
    broken('maximum not subtracted', 'exp(x[from_x + j * p.stride] - largest)', 'exp(x[from_x + j * p.stride])'),
    broken('maximum subtracted twice', '- largest) - shift', '- 2.0 * largest) - shift'),
    broken('sign of the logarithm', '- shift', '+ shift'),
    { ...broken('infinite maximum hidden', ' + poison(largest)', ''), ...whereExpLosesNan },
    stale('sum += exp', 'sum = exp'),
  ],
  'log-softmax/backward': [
    ...rowText,
    broken('sign', '- exp(', '+ exp('),
    broken('logarithm taken for the probability', 'exp(y[p.y_base + k])', 'y[p.y_base + k]'),
    broken('last column not in the sum', 'j < p.columns; j++) { sum', 'j + 1u < p.columns; j++) { sum'),
    stale('sum += dy', 'sum = dy'),
  ],
  'binary/add': binaryText('+', '-'),
  'binary/subtract': binaryText('-', '+'),
  'binary/multiply': binaryText('*', '+'),
  'binary/divide': binaryText('/', '*'),
  'binary/broadcast-gradient': [
    broken('last repetition left out', 'r < p.repeats', 'r + 1u < p.repeats'),
    parameter('scale left out', 'scale', '1.0'),
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
    broken('the same element again', 'first + again.i0', 'first + 0u * again.i0'),
    stale('sum += g', 'sum = g'),
  ],
  'transpose/forward': [
    broken('an axis left out', 'at.i5 * p.x_5', '0u'),
    broken('two axes exchanged', 'at.i4 * p.x_4', 'at.i3 * p.x_4'),
    parameter('strides exchanged', 'x_3', 'p.x_2'),
    broken('not transposed', 'x[p.x_base + at.i0', 'x[p.x_base + index + 0u * at.i0'),
    broken('an extent left out', 'q2 - q1 * p.y_1', 'q2'),
  ],
  'pad/forward': [
    broken('padding before left out', ' - p.before', ''),
    broken('one too far', '- p.before', '- p.before + 1'),
    broken('edge taken for a constant', 'p.mode == 1u', 'false'),
    broken('reflection repeats the edge', 'k = 2 * last - k', 'k = 2 * last + 1 - k'),
    broken('last of the line padded', 'k <= last)', 'k < last)'),
    broken("the output's lines for the input's", '* p.size + u32(k)', '* p.padded + u32(k)'),
    parameter('value left out', 'value', '0.0'),
  ],
  'pad/backward': [
    broken('padding before left out', 'k + p.before', 'k'),
    broken('repetitions before left out', 'j < min(own, end)', 'j < 0'),
    broken('repetitions behind left out', 'var j = max(own + 1, 0)', 'var j = end'),
    broken('reflection before left out', 'left >= 0 &&', 'false &&'),
    broken('the edge reflected', 'k < last && right', 'right'),
    broken('reflection one short', 'p.before + 2 * last - k', 'p.before + 2 * last - k - 1'),
    broken("the input's lines for the output's", '* p.padded * p.inner', '* p.size * p.inner'),
    broken('stale accumulator', 'sum = dy[', 'sum += dx[p.dx_base + index] + dy['),
  ],
  'softmax-loss/forward': [
    broken('maximum not subtracted', 'exp(logits[row + i] - largest)', 'exp(logits[row + i])'),
    broken('sign of the loss', '= log(sum) + (largest', '= -log(sum) + (largest'),
    broken('loss of the first class', 'row + labels[p.labels_base + index]', 'row'),
    broken('maximum left out of the loss', '(largest - logits', '(-logits'),
    { ...broken('infinite maximum hidden in the loss', ']]) + spoiled;', ']]);'), ...whereExpLosesNan },
    broken('last column not in the sum', '    sum += power;', '    if (i + 1u < p.columns) { sum += power; }'),
    stale('sum += power', 'sum = power'),
  ],
  'softmax-loss/mean': [
    broken('last row left out', 'n < p.rows', 'n + 1u < p.rows'),
    broken('mean over rows, not weights', 'weighted / weights', 'weighted / f32(p.rows)'),
    broken('weights left out', 'weight * losses', 'losses'),
    broken('weight of the row, not of its class', 'labels[p.labels_base + n]', 'n'),
    stale('weighted += ', 'weighted = '),
    broken('sum of weights lost', '= weights;', '= 1.0;'),
  ],
  'softmax-loss/backward': [
    broken('sign', '- is_label)', '+ is_label)'),
    broken('label left out', ' - is_label)', ')'),
    broken('upstream left out', 'upstream[p.upstream_base] * ', ''),
    broken('sum of weights left out', ' / weight_sum[p.weight_sum_base]', ''),
    broken('weight of the column', 'p.class_weights_base + label', 'p.class_weights_base + index % p.columns'),
    broken('label of another row', 'index / p.columns', '(index + 1u) / p.columns'),
  ],
  'correct-count/predict': [
    broken('the last of equal values', 'value > best', 'value >= best'),
    broken('smallest for largest', 'value > best', 'value < best'),
    broken('NaN hidden', ' || is_nan(value)', ''),
    broken('last column left out', 'i < p.columns', 'i + 1u < p.columns'),
    broken('best not kept', 'best = value;', ''),
  ],
  'correct-count/count': [
    broken('wrong ones counted', '] == labels', '] != labels'),
    broken('last row left out', 'n < p.rows', 'n + 1u < p.rows'),
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
    broken('neighbour', 'p.labels_base + n', 'p.labels_base + n + 1u'),
  ],
  'augment/warp': [
    broken('transform of the first image', '6u * n', '0u'),
    broken(
      'x and y of the image exchanged',
      'mix_exact(upper, lower, at_y - top)',
      'mix_exact(upper, lower, at_x - left)',
    ),
    broken('nearest, not bilinear', 'mix_exact(upper, lower, at_y - top)', 'upper'),
    broken('edge repeated, not filled', 'row < 0 || ', ''),
    broken('red and blue', 'p.bgr == 1u', 'p.bgr == 0u'),
    broken('scale left out', '(value * p.scale - vec3f(p.mean_0', '(value - vec3f(p.mean_0'),
    broken("the output's image for the source's", 'source[p.source_base + n]', 'n'),
    broken("one channel's deviation for all", 'p.std_0, p.std_1, p.std_2', 'p.std_0, p.std_0, p.std_2'),
  ],
  'roofline/copy': [
    broken('sign', '= x[', '= -x['),
    stale('] = x[', '] += x['),
    broken('neighbour', /p\.x_base \+ (index|at)/g, 'p.x_base + $1 + 1u'),
    broken('one place too far each time', 'at += 64u', 'at += 65u', 'several'),
    broken('the last element of a workgroup left out', /min\(first \+ (\d+)u/g, 'min(first + $1u - 1u', 'several'),
  ],
  'roofline/multiply-add': [
    broken('a round too few', 'round < p.rounds', 'round + 1u < p.rounds'),
    broken('sign of the addend', /\* x \+ y_add/g, '* x - y_add'),
    broken('one place of four', 'vec4f(1.0));', 'vec4f(1.0, 1.0, 1.0, 0.0));'),
    broken('first chain left out', 'dot(c0 + ', 'dot('),
    broken('addend for factor', 'factors[p.factors_base]', 'factors[p.factors_base + 1u]'),
  ],
};
