/**
 * What is broken in each kernel. Beside these, `generalMutations` apply to every one. A mutation that changes no result
 * (a window visited in vain, `<` for `<=` where the values are equal) is none and does not stand here.
 */
import { broken, parameter, stale } from '../../src/check/broken.ts';
import type { Kernel } from '../../src/kernels/kernel.ts';
import { RELU_DERIVATIVE } from '../../src/kernels/relu/rule.ts';
import { operatorMutations } from '../../src/operators/all.ts';
import type { Mutation } from './mutate.ts';

/** Each view's offset left out, and the last thread of a plain text left idle. */
export function generalMutations(kernel: Kernel): Mutation[] {
  const offsets = Object.keys(kernel.bindings).map((name) =>
    parameter(`offset of the view ${name} left out`, `${name}_base`, '0u'),
  );
  const [first] = kernel.variants;
  const guarded = /if \(index >= (.*)\) \{ return; \}/g;
  return [...offsets, broken('the last thread idle', guarded, 'if (index + 1u >= $1) { return; }', first.name)];
}

/** SwiftShader's exp makes a number of NaN; elsewhere infinity less infinity is NaN enough. */
const whereExpLosesNan = { adapter: 'embedded' };

const softmaxLoss: Mutation[] = [
  broken('maximum not subtracted', /exp\(logits\[start \+ i\] - largest\)/g, 'exp(logits[start + i])'),
  broken('sign of the loss', '= weight * (log(sum)', '= weight * (-log(sum)'),
  broken('loss of the first class', 'logits[start + label]', 'logits[start]'),
  broken('maximum left out of the loss', '(largest - logits[start + label]', '(-logits[start + label]'),
  { ...broken('infinite maximum hidden in the loss', ']) + spoiled);', ']));'), ...whereExpLosesNan },
  broken('last column not in the sum', '{ sum += exp', '{ if (i + 1u == p.columns) { break; } sum += exp'),
  stale('sum += exp', 'sum = exp'),
  broken('weight of the row, not of its class', 'class_weights_base + label]', 'class_weights_base + n % p.columns]'),
  parameter('labels of the first rows', 'first', '0u'),
  broken('weights of the window alone', 'n < p.batch', 'n < p.rows'),
  parameter('the sum of weights taken unknown', 'summed', '1u'),
  broken('mean over rows, not weights', /(loss|losses_of_part) \/ weights/g, '$1 / f32(p.batch)'),
  broken('smoothing left out of the loss', 'return (1.0 - p.smoothing) * loss + share * spread', 'return loss'),
  broken('the label in full beside the others', 'return (1.0 - p.smoothing) * loss', 'return loss'),
  broken('smoothing of each class in full', 'p.smoothing / f32(p.columns)', 'p.smoothing'),
  broken('other classes unweighted', 'spread += weight_i *', 'spread +='),
  broken('the label for all classes', '(largest - logits[start + i]))', '(largest - logits[start + label]))'),
  broken('last row left out', 'n < end', 'n + 1u < end', 'plain'),
  broken('last row left out', 'if (index < p.rows) { loss', 'if (index + 1u < p.rows) { loss', 'workgroup'),
  stale('loss += weighted', 'loss = weighted', 'plain'),
];

/** Where the derivative of a ReLU is applied by the place; `variants` that have texts of their own for it ask nothing. */
const auxText = (...asking: string[]): Mutation[] => [
  broken("the ReLU's derivative left out", 'p.relu == 2u', 'false', ...asking),
  broken("a ReLU's derivative unasked", 'p.relu == 2u', 'true', ...asking),
  broken('what the ReLU cut off passes', RELU_DERIVATIVE, RELU_DERIVATIVE.replace('>', '>=')),
  broken('the operand of the place before', '[p.aux_base + index]', '[p.aux_base + max(index, 1u) - 1u]'),
];

const updateText: Mutation[] = [
  broken('sign of the step', '- rate *', '+ rate *'),
  broken('momentum left out', 'inertia * velocity', '0.0 * velocity'),
  broken('weight decay left out', ' + decay * weight', ''),
  broken('decay of what has none', ' * p.decay_factor', ''),
  broken('sign of the decay', '+ decay * weight', '- decay * weight'),
  broken('velocity not kept', '] = velocity;', '] = weight;'),
  broken('gradient for velocity', 'weight + velocity', 'weight - velocity'),
];

const sgdmText: Mutation[] = [
  ...updateText,
  broken('mask left out', 'learning_rate() * rate_mask', 'learning_rate()'),
  broken('what is frozen is updated', 'if (rate_mask == 0.0) { return; }', ''),
];

/** Of updates by a gradient with a loss scale. */
const scalingText: Mutation[] = [
  broken('the scale left in', ' * unscale()', ''),
  broken("the next step's scale", /scaling_base \+ 3u/g, 'scaling_base + 0u'),
  broken('updated in spite of an overflow', '> 0.0; }\nfn unscale', '> 1.0; }\nfn unscale'),
];

const scaledText: Mutation[] = [
  ...updateText.filter(({ name }) => name !== 'velocity not kept'),
  broken('velocity not kept', '4096.0 * velocity', '4096.0 * weight'),
  broken('velocity kept as it is', '4096.0 * velocity', 'velocity'),
  broken('mask left out', 'learning_rate() * p.mask', 'learning_rate()'),
  ...scalingText,
];

const channelSumText: Mutation[] = [
  stale('sum += image', 'sum = image', 'plain'),
  broken('last element left out', 'i < p.plane;', 'i + 1u < p.plane;'),
  broken('last item left out', 'n < p.batch', 'n + 1u < p.batch'),
  broken('wrong channel', 'n * p.channels +', 'n +'),
  broken('sign', /\+= dy/g, '-= dy'),
  broken('reduction one step short', 'half > 0u', 'half > 1u', 'workgroup'),
  broken('reduction begins one step late', /var half = \d+u/g, 'var half = 16u', 'workgroup'),
];

const adamText: Mutation[] = [
  broken('sign of the step', 'weight - learning_rate()', 'weight + learning_rate()'),
  broken('mean of what was left out', 'momentum() * m[', '0.0 * m['),
  broken('square of what was left out', 'beta_2() * v[', '0.0 * v['),
  broken('the gradient in full', 'rest_1() * decayed;', 'decayed;'),
  broken('the gradient, not its square', 'rest_2() * decayed * decayed', 'rest_2() * decayed'),
  broken('betas exchanged', 'beta_2() * v[', 'momentum() * v['),
  broken('decay left out of the gradient', '+ weight_decay() * p.decay_factor * weight', ''),
  broken('decay of what has none', ' * p.decay_factor', ''),
  broken('decay not taken off the weight', ' + weight_decay() * p.shrink * weight', ''),
  broken('sign of what the weight loses', '(ratio + weight_decay()', '(ratio - weight_decay()'),
  broken('first correction left out', 'correction_1() * mean', 'mean'),
  broken('second correction left out', 'correction_2() * sqrt(square)', 'sqrt(square)'),
  broken('no root', 'sqrt(square)', 'square'),
  broken(
    'epsilon below the root',
    'correction_2() * sqrt(square) + epsilon()',
    'correction_2() * sqrt(square + epsilon())',
  ),
  broken('mask left out', ' * rate_mask * (ratio', ' * (ratio'),
  broken('what is frozen is updated', 'if (rate_mask == 0.0) { return; }', ''),
  broken('mean not kept', '] = mean;', '] = decayed;'),
  broken('square not kept', '] = square;', '] = decayed * decayed;'),
];

/** The variants of the contraction that see B through a window. */
const windowed = ['plain', 'registers', 'broadcast', 'tiled'];

export const mutations: Readonly<Record<string, readonly Mutation[]>> = {
  ...(operatorMutations as Record<string, readonly Mutation[]>),
  contraction: [
    broken('sign of every product', /(?<![\w.])a\[/g, '-a['),
    parameter('sign of the padding', 'y_0', '(-p.y_0)', ...windowed),
    parameter('padding one too large', 'x_0', '(p.x_0 - 1)', ...windowed),
    parameter('group left out of A', 'a_group', '0u'),
    parameter('group left out of B', 'b_group', '0u'),
    parameter('group left out of C', 'c_group', '0u'),
    // The other variants take a sum as a whole.
    broken('the first part for all', 'part * p.part_depth', '0u', 'plain', 'tiled', 'vectors'),
    parameter('a part one term too long', 'part_depth', '(p.part_depth + 1u)', 'plain', 'tiled', 'vectors'),
    parameter('part left out of C', 'c_part', '0u', 'plain', 'tiled', 'vectors'),
    broken('rows beyond the last tile read the tile before', 'p.rows - 4u', 'p.rows - 8u', 'vectors'),
    broken('slabs multiplied before they are all there', '    workgroupBarrier();\n  }', '  }', 'vectors'),
    parameter('last term of the inner sum left out', 'inner', '(p.inner - 1u)'),
    parameter('last row of the window left out', 'u', '(p.u - 1u)', ...windowed),
    parameter('window one row beyond the image', 'height', '(p.height + 1u)', ...windowed),
    parameter('window one column beyond the image', 'line', '(p.line + 1u)', ...windowed),
    parameter('vertical step left out', 'y_step', '1', ...windowed),
    parameter('horizontal dilation left out', 'x_v', '1', ...windowed),
    parameter('spread left out', 'y_spread', '1u', ...windowed),
    parameter("item's place in C left out", 'c_item', '0u'),
    broken('group left out of the bias', /g \* p\.rows \+ m/g, 'm'),
    broken('stale accumulator', /p\.accumulate == 1u/g, 'true'),
    broken('accumulation lost', /p\.accumulate == 1u/g, 'false'),
    parameter('ReLU left out', 'relu', '0u'),
    parameter('ReLU unasked', 'relu', '1u'),
    ...auxText(),
  ],
  'contraction/sum': [
    broken('last part left out', 'part < p.parts', 'part + 1u < p.parts'),
    stale('sum += sums', 'sum = sums'),
    broken('the first part for all', 'part * size', '0u'),
    broken('bias left out', 'p.bias_mode', '0u'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    parameter('ReLU left out', 'relu', '0u'),
    parameter('ReLU unasked', 'relu', '1u'),
    parameter('group left out of C', 'c_group', '0u'),
    parameter('rows of C one too near', 'c_row', 'p.columns'),
    parameter("item's place in C left out", 'c_item', '0u'),
    ...auxText(),
  ],
  'gemm/packed': [
    ...auxText(),
    broken('sign', /\+ (x\d) \*/g, '- $1 *', 'broadcast'),
    stale('sum += a', 'sum = a', 'plain'),
    stale('(c0_0 + x0', '(x0', 'broadcast'),
    broken('a step beyond the depth', /k \+ 1u < p\.depth/g, 'true', 'broadcast'),
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
    broken('bias left out', 'p.has_bias == 1u', 'false'),
    parameter('ReLU left out', 'relu', '0u'),
    parameter('rows of C one too near', 'c_row', 'p.columns'),
    broken('last step left out', /k < p\.depth/g, 'k + 1u < p.depth'),
    broken('a column too many', 'n >= p.columns', 'false', 'broadcast'),
    broken('one block for all', 'i / tile)', '0u)', 'plain'),
    broken('the first panel of A for all', /m_blocks \+ m_block\)/g, 'm_blocks)', 'broadcast'),
  ],
  'gemm/packed-batch': [
    broken('sign', /\+(=?) (x\d|a\[)/g, '-$1 $2'),
    stale('sum += a', 'sum = a', 'plain'),
    stale('(c0_0 + x0', '(x0', 'broadcast'),
    broken('a step beyond the depth', /k \+ 1u < p\.depth/g, 'true', 'broadcast'),
    broken('last step left out', /k < p\.depth/g, 'k + 1u < p.depth'),
    broken('one block for all', 'i / tile)', '0u)', 'plain'),
    broken('the first product for all', /\(e \* (m_|n_)?blocks/g, '(0u * $1blocks'),
  ],
  'conv2d/phases': [
    broken('padding above left out', ' - p.top', ''),
    broken('padding on the left left out', 'b - p.left', 'b'),
    broken('a line too many', 'y < p.height', 'y <= p.height'),
    broken('what lies beside the line', /at < (end|p\.width)/g, 'at <= $1'),
    broken('the first phase of lines for all', 'stride_y + a', 'stride_y'),
    broken('the next column for that a stride on', /(at \+=|j \*) p\.stride_x/g, '$1 1u'),
    broken("another plane's lines", 'plane * p.height', 'p.height'),
  ],
  'conv2d/phases-backward': [
    broken('padding above left out', ' + p.top', ''),
    parameter('padding on the left left out', 'left', '0u'),
    broken('a line too many', 'i < p.lines', 'i <= p.lines'),
    broken('what no window reaches', /j < (end|p\.columns)/g, 'j <= $1'),
    broken('the first phase of lines for all', 'stride_y + a', 'stride_y'),
    broken('phases not told apart', /(\+ )b( \* size|\) \* p\.lines)/g, '$10u$2'),
    broken('phases taken in the order of columns', 'b += 1u', 'b += 0u', 'plain'),
  ],
  'conv2d/winograd-image': [
    broken('pad left out at the top', ' - u32(p.top)', ''),
    broken('pad left out on the left', ' - u32(p.left)', ''),
    broken('group left out', 'p.groups + g)', 'p.groups)'),
    broken('rows and inner index exchanged', /p\.across == 1u/g, 'p.across == 0u'),
    parameter('tiles a line too far apart', 'kernel_height', '(p.kernel_height - 1u)'),
  ],
  'conv2d/winograd-filter': [
    broken('taps not turned', /p\.flip == 1u/g, 'false'),
    broken('always turned', /p\.flip == 1u/g, 'true'),
    broken('group left out', 'g * p.group +', ''),
    parameter('row and column exchanged', 'row', 'p.column'),
    broken('beyond the last row', 'row < p.rows', 'true'),
  ],
  'conv2d/winograd-output': [
    ...auxText('plain'),
    broken('rows of tiles for rows of filters', /p\.across == 1u/g, 'p.across == 0u'),
    broken('bias left out', 'p.has_bias == 1u', 'false'),
    parameter('ReLU left out', 'relu', '0u'),
    parameter('ReLU unasked', 'relu', '1u'),
    parameter('rows of sums one too far', 'row', '(p.row + 1u)'),
    broken('a column too many', 'p.width - ox', '100u', 'tiles'),
    broken('stale accumulator', 'part +=', 'part =', 'plain'),
  ],
  'conv2d/winograd-gradient': [
    broken('group left out', 'p.groups + g)', 'p.groups)'),
    broken('beyond the last filter', 'f < p.filters', 'true'),
    parameter('tiles of zeros left out', 'inner', '(p.items * p.tiles_y * p.tiles_x)'),
    parameter('a line too few', 'lines', '(p.lines - 1u)'),
    parameter('a column too few', 'width', '(p.width - 1u)'),
    parameter('tiles of a line', 'tiles_x', '(p.tiles_x + 1u)'),
  ],
  'conv2d/winograd-filter-gradient': [
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
    parameter('rows of sums one too far', 'row', '(p.row + 1u)'),
    broken('stale accumulator', 'part +=', 'part =', 'plain'),
    broken('a tap too few', 't < taps', 't + 1u < taps', 'tiles'),
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
  'bias/gradient': [
    ...channelSumText,
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
  ],
  'conv2d/pad': [
    broken('padding above left out', ' - u32(p.top)', ''),
    broken('one column too far left', '- u32(p.left)', '- u32(p.left) + 1u'),
    broken('a line too many', 'iy < p.height', 'iy <= p.height'),
    broken('what lies beside the line', 'ix < end', 'ix <= end'),
    broken('the last vector left out', 'i < p.line', 'i + 1u < p.line'),
    broken("another item's lines", 'item * p.height', 'p.height'),
    broken('the first of four for all', 'vec4u(0u, 1u, 2u, 3u)', 'vec4u(0u)'),
  ],
  'gemm/pack': [
    broken('taps not turned', 'p.flip == 1u', 'false'),
    broken('always turned', 'p.flip == 1u', 'true'),
    broken('group left out', ' + g * p.group', ''),
    broken('beyond the last row', 'm < vec4u(p.rows)', 'vec4<bool>(true)'),
    broken('the last of a run left out', /(first \+ \d+u), p\.inner/g, '$1 - 1u, p.inner'),
    broken('the first of four for all', 'vec4u(0u, 1u, 2u, 3u)', 'vec4u(0u)'),
    broken('last tap left out', 't < p.taps', 't + 1u < p.taps'),
    parameter('row and column exchanged', 'row', 'p.column'),
  ],
  'conv2d/direct': [
    ...auxText(),
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
    parameter('ReLU left out', 'relu', '0u'),
    parameter('ReLU unasked', 'relu', '1u'),
    broken('group left out of the image', /item \* p\.groups \+ g\) \* p\.channels/g, 'item * p.groups) * p.channels'),
    broken('group left out of the weights', /\(g \* blocks \+/g, '(0u * blocks +'),
    broken("the first tap's weight twice", /x0 \* v0/g, 'x0 * 2.0 * v0', 'register-tile'),
    broken('what lies beyond the window', 'chunk + 1u == chunks', 'false', 'register-tile'),
    broken('an image that does not move on', /e0 = e1;/g, '', 'register-tile'),
    broken('stale accumulator', /(c0_0) \+=/g, '$1 =', 'register-tile'),
    broken(
      'strips that overlap',
      /\(place - line \* per_line\) \* (\d+)u/g,
      '(place - line * per_line) * ($1u - 1u)',
      'register-tile',
    ),
    broken('a row too many', /min\((\d+)u, p\.rows - m_0\)/g, '$1u', 'register-tile'),
  ],
  'conv2d/direct-filter-gradient': [
    broken('last item left out', 'n < p.items', 'n + 1u < p.items'),
    broken('last line left out', 'oy < p.lines', 'oy + 1u < p.lines'),
    parameter('vertical stride left out', 'stride_y', '1u'),
    broken('accumulation lost', 'p.accumulate == 1u', 'false'),
    broken('stale start', 'p.accumulate == 1u', 'true'),
    broken('group left out of the image', /n \* p\.groups \+ g\)/g, 'n * p.groups)', 'plain'),
    broken('group left out of the image', /\(g \* p\.channels \+ /g, '(', 'register-tile'),
    broken('sign', /x0 \*/g, '-x0 *', 'register-tile'),
    broken('an image that does not move on', /e0_0 = e0_\d;/g, '', 'register-tile'),
    broken('stale accumulator', /(c0_0_0) \+=/g, '$1 =', 'register-tile'),
    broken('a row too many', /min\((\d+)u, p\.rows - m_0\)/g, '$1u', 'register-tile'),
  ],
  'adam/update': adamText,
  'adam/masked': adamText,
  'sgdm/update': sgdmText,
  'sgdm/masked': sgdmText,
  'sgdm/scaled': scaledText,
  'sgdm/scaled-copied': [
    ...scaledText,
    broken('the old weight for halves', 'h[p.h_base + index] = updated', 'h[p.h_base + index] = weight'),
    broken('the velocity for halves', 'h[p.h_base + index] = updated', 'h[p.h_base + index] = velocity'),
  ],
  'loss-scale/check': [
    broken('NaN alone', '>= bitcast<u32>(largest)', '> 0x7f800000u'),
    broken('infinity alone', '>= bitcast<u32>(largest)', '== 0x7f800000u'),
    broken('the largest passes', '>= bitcast<u32>(largest)', '> bitcast<u32>(largest)'),
    broken('negative ones pass', '& 0x7fffffffu', '& 0xffffffffu'),
    broken('last value left out', /i < (end|p\.count\d);/g, 'i + 1u < $1;'),
    stale(/found \+= bad/g, 'found = bad'),
    broken('the first gradient twice', 'number -= p.checks0;', ''),
    broken('another gradient for the last', 'if (number < p.checks6)', 'if (false && number < p.checks6)'),
  ],
  'loss-scale/next': [
    broken('last number left out', 'i < p.checks', 'i + 1u < p.checks'),
    stale('found += bad', 'found = bad'),
    broken('a bad step counts as good', 'select(0.0, 1.0, skipped);\n  scaling', '0.0;\n  scaling'),
    broken('the scale grows too late', 'good >= f32(p.interval)', 'good > f32(p.interval)'),
    broken('the scale grows without end', 'min(2.0 * scale, p.largest)', '2.0 * scale'),
    broken('the scale falls below 1', 'max(0.5 * scale, 1.0)', '0.5 * scale'),
    broken('the next scale taken off', '1.0 / scale;', '1.0 / grown;'),
    broken('good steps counted on after an overflow', '+ 1.0, 0.0, skipped)', '+ 1.0, 1.0, skipped)'),
  ],
  'cast/copy': [
    broken('sign', '= x[', '= -x['),
    broken('neighbour', 'p.x_base + index', 'p.x_base + index + 1u'),
    stale('] = x[', '] += x['),
    broken('zero', /= x\[[^;]*;/g, '= 0.0;'),
  ],
  'softmax-loss/weights': [
    broken('last row left out', 'n < p.batch', 'n + 1u < p.batch'),
    stale(/(own|weights) \+= weight_of/, '$1 = weight_of'),
    broken('sign', '= weights;', '= -weights;'),
    broken('rows for weights', '= weights;', '= f32(p.batch);'),
    broken('weight of the row, not of its class', 'labels[p.labels_base + n]', 'min(n, 1u)'),
  ],
  'softmax-loss/loss': softmaxLoss,
  'softmax-loss/gradient': [
    ...softmaxLoss,
    broken(
      'smoothing left out of the gradient',
      'gradient = (1.0 - p.smoothing) * gradient + share',
      'let lost = share',
    ),
    broken('sum of all weights left out', 'probability * all_weights', 'probability'),
    broken('sign of the class', '* all_weights - class_weights', '* all_weights + class_weights'),
    broken('label left out', ' - select(0.0, 1.0, i == label)', ''),
    broken('sign of the label', ' - select(0.0, 1.0, i == label)', ' + select(0.0, 1.0, i == label)'),
    broken('sum of weights left out', 'weight / weights * (', 'weight * ('),
    broken('powers for probabilities', ' - largest) / sum;', ' - largest);'),
    broken('a gradient of the row before', 'dlogits[to + i]', 'dlogits[max(to, 1u) - 1u + i]'),
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
  'augment/affine-sample': [
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
    broken('one place too far each time', 'at += 64u', 'at += 65u', 'coarsened'),
    broken('the last element of a workgroup left out', /min\(first \+ (\d+)u/g, 'min(first + $1u - 1u', 'coarsened'),
  ],
  'roofline/multiply-add': [
    broken('a round too few', 'round < p.rounds', 'round + 1u < p.rounds'),
    broken('sign of the addend', /\* x \+ y_add/g, '* x - y_add'),
    broken('one place of four', 'vec4f(1.0));', 'vec4f(1.0, 1.0, 1.0, 0.0));'),
    broken('first chain left out', 'dot(c0 + ', 'dot('),
    broken('addend for factor', 'factors[p.factors_base]', 'factors[p.factors_base + 1u]'),
  ],
};
