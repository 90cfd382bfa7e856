/**
 * Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3; ONNX LRN; Caffe; MATLAB's
 * crosschannelnorm), x and y [batch, channels, plane] with plane = height x width:
 *
 *   s[c] = bias + (alpha / size) * sum over j in W(c) of x[j]^2,    y[c] = x[c] * s[c]^-beta
 *   W(c) = { c - behind .. c + ahead } within the channels,  behind = floor((size-1)/2), ahead = ceil((size-1)/2)
 *
 * s must be positive: bias > 0.
 *
 * Derivative. y[j] depends on x[c] as its own factor (j = c) and through s[j] for each j whose window holds c, where
 * ds[j]/dx[c] = (2 alpha / size) x[c]:
 *
 *   dx[c] = dy[c] s[c]^-beta - (2 alpha beta / size) x[c] * sum over j with c in W(j) of  t[j],
 *   t[j]  = dy[j] x[j] s[j]^(-beta-1)
 *
 * c lies in W(j) for j in { c - ahead .. c + behind }: for an even size the window is mirrored. Backward computes s
 * from x again, which costs less than to keep it.
 *
 * Where x is the output of a map, a ReLU most often, backward can apply its derivative to what it writes: it has x at
 * hand, and a pass over the activations is saved.
 */
import { profileOf } from '../../gpu/machine.ts';
import { serialAccesses } from '../estimate.ts';
import { type Capabilities, defineKernel, type Params, perElement, type Variant } from '../kernel.ts';
import type { Memory } from '../memory.ts';

const params = {
  batch: 'u32',
  channels: 'u32',
  plane: 'u32',
  size: 'u32',
  alpha: 'f32',
  beta: 'f32',
  bias: 'f32',
} as const;
type P = Params<typeof params>;

/** `differentiates` 1: x is the output of a map, and dx is the gradient of what goes into that */
const backwardParams = { ...params, differentiates: 'u32' } as const;

const elements = ({ batch, channels, plane }: P) => batch * channels * plane;
const guard = 'p.batch * p.channels * p.plane';

/**
 * s^-beta. The usual 3/4 by square roots, which are exact where pow is not, in a text of its own: software rasterisers
 * take both sides of a branch.
 */
const power = (roots: boolean) => /* wgsl */ `
fn power(s: f32) -> f32 {
${
  roots
    ? `  let root = sqrt(s);
  return 1.0 / (root * sqrt(root));`
    : '  return pow(s, -p.beta);'
}
}`;
const byRoots = ({ beta }: P) => (beta === 0.75 ? 1 : 0);

const scaleAt = ({ load }: Memory) => /* wgsl */ `
// s at one channel; \`origin\` is the element of channel 0.
fn scale_at(origin: u32, channel: u32) -> f32 {
  let behind = (p.size - 1u) / 2u;
  let ahead = p.size / 2u;
  let end = min(channel + ahead + 1u, p.channels);
  var squares = 0.0;
  for (var j = max(channel, behind) - behind; j < end; j++) {
    let value = ${load('x', 'p.x_base + origin + j * p.plane')};
    squares += value * value;
  }
  return p.bias + p.alpha / f32(p.size) * squares;
}`;

/** Sizes for which a sliding text exists. */
const SLIDING_SIZES = [2, 3, 4, 5, 6, 7, 8, 9];

/** What the texts that slide over the channels are made of, forward and backward. */
interface Sliding {
  /** of a thread that writes so many channels of windows of this size */
  accesses(channels: number, size: number): number;
  /** @param begin statements that return, or define `origin` and the channels from `first` to `end` */
  text(size: number, begin: string, memory: Memory): string;
  readonly declarations: string;
}

/**
 * One thread goes over the channels of one pixel with the window in registers, so that each value is loaded once in place
 * of `size` times (backward: `size`^2). The window is summed anew at each channel: a running sum that adds the value that
 * enters and subtracts the one that leaves would drift, and one infinity would leave a NaN in all channels after it;
 * for the small windows in use the few additions cost less than a load.
 */
function sliding({ accesses, text, declarations }: Sliding): Variant<typeof params> {
  const threads = (p: P) => p.batch * p.plane;
  return {
    name: 'sliding',
    configurations: SLIDING_SIZES.flatMap((size) => [0, 1].map((roots) => ({ size, roots }))),
    workgroupSize: () => 64,
    supports: (_, { size, roots }, p) => p.size === size && roots === byRoots(p),
    // As if nothing lay outside the channels.
    estimate: (p, _, capabilities) => serialAccesses(threads(p), accesses(p.channels, 1), capabilities),
    workgroups: (p) => Math.ceil(threads(p) / 64),
    text: ({ size, roots }, memory) => ({
      main: text(size, ALL_CHANNELS, memory),
      declarations: power(roots === 1) + declarations,
    }),
  };
}

/** Channels of a thread where a pixel's are shared out. */
const SEGMENT = 16;

/**
 * The same for GPUs that have more threads than there are pixels: a thread has SEGMENT channels of one, and loads those
 * around them that its first and last windows hold. The same sums in the same order.
 */
function segments({ accesses, text, declarations }: Sliding): Variant<typeof params> {
  const threads = (p: P) => p.batch * p.plane * Math.ceil(p.channels / SEGMENT);
  return {
    name: 'segments',
    configurations: SLIDING_SIZES.flatMap((size) => [0, 1].map((roots) => ({ size, roots }))),
    workgroupSize: () => 64,
    // Of a rasteriser in software's seconds of compilation, an even and an odd size show that the text is right.
    supports: (capabilities, { size, roots }, p) =>
      p.size === size && roots === byRoots(p) && (profileOf(capabilities).compile === 0 || [4, 5].includes(size)),
    estimate: (p, { size }, capabilities) => serialAccesses(threads(p), accesses(SEGMENT, size), capabilities),
    workgroups: (p) => Math.ceil(threads(p) / 64),
    text: ({ size, roots }, memory) => ({
      main: text(size, ONE_SEGMENT, memory),
      declarations: power(roots === 1) + declarations,
    }),
  };
}

const plain = (
  accesses: (p: P) => number,
  main: (memory: Memory) => string,
  declarations: (memory: Memory) => string,
): Variant<typeof params> => ({
  ...perElement(elements, guard, main, (memory) => power(false) + declarations(memory)),
  estimate: (p: P, _: unknown, capabilities: Capabilities) => serialAccesses(elements(p), accesses(p), capabilities),
});

/** name0, name1, ..: registers. `shift` moves each to the one before it. */
const registers = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}`);
const declare = (names: readonly string[]) => names.map((name) => `  var ${name} = 0.0;`).join('\n');
const shift = (names: readonly string[]) =>
  names
    .slice(1)
    .map((name, i) => `    ${names[i]} = ${name};`)
    .join('\n');

const ALL_CHANNELS = /* wgsl */ `
  if (index >= p.batch * p.plane) { return; }
  let origin = (index / p.plane) * p.channels * p.plane + index % p.plane;
  let first = 0u;
  let end = p.channels;`;

const ONE_SEGMENT = /* wgsl */ `
  let segments = (p.channels + ${SEGMENT - 1}u) / ${SEGMENT}u;
  if (index >= p.batch * segments * p.plane) { return; }
  let line = index / p.plane;
  let item = line / segments;
  let origin = item * p.channels * p.plane + index % p.plane;
  let first = (line - item * segments) * ${SEGMENT}u;
  let end = min(first + ${SEGMENT}u, p.channels);`;

function slidingForward(size: number, begin: string, { load, store }: Memory) {
  const ahead = Math.floor(size / 2);
  const behind = size - 1 - ahead;
  const x = registers('x', size);
  return /* wgsl */ `${begin}
  // ${x[0]}..${x[size - 1]}: channels k - ${size - 1} .. k; 0 outside the channels.
${declare(x)}
  for (var k = max(first, ${behind}u) - ${behind}u; k < end + ${ahead}u; k++) {
${shift(x)}
    ${x[size - 1]} = 0.0;
    if (k < p.channels) { ${x[size - 1]} = ${load('x', 'p.x_base + origin + k * p.plane')}; }
    if (k < first + ${ahead}u) { continue; }
    let s = p.bias + p.alpha / ${size}.0 * (${x.map((name) => `${name} * ${name}`).join(' + ')});
    ${store('y', `p.y_base + origin + (k - ${ahead}u) * p.plane`, `${x[size - 1 - ahead]} * power(s)`)}
  }`;
}

function slidingBackward(size: number, begin: string, { load, store }: Memory) {
  const ahead = Math.floor(size / 2);
  const behind = size - 1 - ahead;
  const x = registers('x', size);
  const t = registers('t', size);
  const g = registers('g', behind + 1);
  return /* wgsl */ `${begin}
  let factor = 2.0 * p.alpha * p.beta / ${size}.0;
  // ${x[0]}..${x[size - 1]}: x at channels k - ${size - 1} .. k; 0 outside the channels.
${declare(x)}
  // ${t[0]}..${t[size - 1]}: t at the ${size} channels up to k - ${ahead}; ${g[0]}..: dy s^-beta at the last ${behind + 1} of them.
${declare(t)}
${declare(g)}
  for (var k = max(first, ${size - 1}u) - ${size - 1}u; k < end + ${size - 1}u; k++) {
${shift(x)}
${shift(t)}
${shift(g)}
    ${x[size - 1]} = 0.0;
    ${t[size - 1]} = 0.0;
    ${g[behind]} = 0.0;
    if (k < p.channels) { ${x[size - 1]} = ${load('x', 'p.x_base + origin + k * p.plane')}; }
    if (k >= ${ahead}u && k < p.channels + ${ahead}u) {
      let s = p.bias + p.alpha / ${size}.0 * (${x.map((name) => `${name} * ${name}`).join(' + ')});
      ${g[behind]} = ${load('dy', `p.dy_base + origin + (k - ${ahead}u) * p.plane`)} * power(s);
      ${t[size - 1]} = ${g[behind]} * ${x[size - 1 - ahead]} / s;
    }
    if (k < first + ${size - 1}u) { continue; }
    let value = argument_gradient(${g[0]} - factor * ${x[0]} * (${t.join(' + ')}), ${x[0]});
    ${store('dx', `p.dx_base + origin + (k - ${size - 1}u) * p.plane`, 'value')}
  }`;
}

/** The gradient of the map's argument from that of its output, where asked for. */
const ARGUMENT_GRADIENT = /* wgsl */ `
fn argument_gradient(gradient: f32, output: f32) -> f32 {
  return select(gradient, derivative(gradient, output), p.differentiates == 1u);
}`;

const decode = /* wgsl */ `
  let channel = (index / p.plane) % p.channels;
  let origin = index - channel * p.plane;`;

const forward: Sliding = {
  accesses: (channels, size) => 2 * channels + size - 1,
  text: slidingForward,
  declarations: '',
};

const backward: Sliding = {
  accesses: (channels, size) => 3 * channels + 4 * (size - 1),
  text: slidingBackward,
  declarations: ARGUMENT_GRADIENT,
};

export const lrnForward = defineKernel({
  name: 'lrn/forward',
  params,
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: (p, of) => ({ flops: elements(p) * (2 * p.size + 5), bytes: (of.x + of.y) * elements(p) }),
  variants: [
    plain(
      (p) => p.size + 2,
      ({ load, store }) => /* wgsl */ `${decode}
  ${store('y', 'p.y_base + index', `${load('x', 'p.x_base + index')} * power(scale_at(origin, channel))`)}`,
      scaleAt,
    ),
    sliding(forward),
    segments(forward),
  ],
});

const gradients = {
  x: { access: 'read', half: true },
  dy: { access: 'read', half: true },
  dx: { access: 'write', half: true },
} as const;

export const lrnBackward = defineKernel<typeof backwardParams, typeof gradients>({
  name: 'lrn/backward',
  applies: 'derivative',
  params: backwardParams,
  bindings: gradients,
  cost: (p, of) => ({ flops: elements(p) * (3 * p.size + 12), bytes: (of.x + of.dy + of.dx) * elements(p) }),
  variants: [
    plain(
      (p) => p.size * (p.size + 2) + 3,
      ({ load, store }) => /* wgsl */ `${decode}
  let behind = (p.size - 1u) / 2u;
  let ahead = p.size / 2u;
  let end = min(channel + behind + 1u, p.channels);
  var sum = 0.0;
  for (var j = max(channel, ahead) - ahead; j < end; j++) {
    let s = scale_at(origin, j);
    let at = origin + j * p.plane;
    sum += ${load('dy', 'p.dy_base + at')} * ${load('x', 'p.x_base + at')} * power(s) / s;
  }
  let value = ${load('x', 'p.x_base + index')};
  let gradient = ${load('dy', 'p.dy_base + index')} * power(scale_at(origin, channel))
    - 2.0 * p.alpha * p.beta / f32(p.size) * value * sum;
  ${store('dx', 'p.dx_base + index', 'argument_gradient(gradient, value)')}`,
      (memory) => scaleAt(memory) + ARGUMENT_GRADIENT,
    ),
    sliding(backward),
    segments(backward),
  ],
});
