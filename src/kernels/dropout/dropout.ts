/**
 * Dropout (Srivastava et al. 2014), inverted: x and y of `count` elements,
 *
 *   y[i] = k[i] x[i] / (1 - ratio),   k[i] = 1 with probability 1 - ratio, else 0
 *
 * so that the expectation is x and inference needs no kernel. Derivative: dx[i] = k[i] dy[i] / (1 - ratio), the same
 * map.
 *
 * Where x is the output of a map, backward can apply that one's derivative, too, from x. A ReLU's may be taken from y in its
 * place, for y > 0 exactly where the element was kept and x > 0: then x need not be kept.
 *
 * No mask is stored. k[i] is a pure function of the run's seed, the step's number, the layer's stream and the element's
 * index within the whole batch (`first` + the index within this window): ../../random.ts's generator, keyed by seed,
 * then step, then stream. It compares integers with an integer threshold, so the host replays the mask bit for bit.
 */
import { FrostlineError } from '../../errors.ts';
import { randomBits } from '../../random.ts';
import { defineKernel, elementwise } from '../kernel.ts';
import { stepBinding, stepFunctions } from '../step.ts';

/** The threshold and the factor that `ratio` stands for. @throws FrostlineError unless 0 <= ratio < 1 */
export function dropoutParams(ratio: number): { threshold: number; scale: number } {
  if (!(ratio >= 0 && ratio < 1)) {
    throw new FrostlineError(`dropout: ratio ${ratio}, expected at least 0 and less than 1. Choose another ratio.`);
  }
  return { threshold: Math.min(Math.round(ratio * 2 ** 32), 2 ** 32 - 1), scale: 1 / (1 - ratio) };
}

export interface DropoutDraw {
  readonly seed: number;
  readonly step: number;
  readonly stream: number;
  readonly ratio: number;
}

/** The mask that the kernels draw for elements first .. first + count - 1 of a batch: 1 kept, 0 dropped. */
export function replayDropout({ seed, step, stream, ratio }: DropoutDraw, count: number, first = 0): Uint8Array {
  const { threshold } = dropoutParams(ratio);
  const key = randomBits(randomBits(seed, step), stream);
  return Uint8Array.from({ length: count }, (_, i) => (randomBits(key, first + i) >= threshold ? 1 : 0));
}

const params = { count: 'u32', first: 'u32', stream: 'u32', threshold: 'u32', scale: 'f32' } as const;

const declarations = /* wgsl */ `${stepFunctions}
fn hash32(word: u32) -> u32 {
  let state = word * 747796405u + 2891336453u;
  let mixed = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (mixed >> 22u) ^ mixed;
}
fn random_bits(key: u32, counter: u32) -> u32 {
  return hash32(hash32(key) ^ counter);
}
fn keep(index: u32) -> bool {
  let key = random_bits(random_bits(seed(), step_number()), p.stream);
  return random_bits(key, p.first + index) >= p.threshold;
}`;

export const dropoutForward = defineKernel({
  name: 'dropout/forward',
  params,
  bindings: { x: { access: 'read', half: true }, step: stepBinding, y: { access: 'write', half: true } },
  cost: ({ count }, of) => ({ flops: count, bytes: (of.x + of.y) * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  ${store('y', 'p.y_base + index', `select(0.0, ${load('x', 'p.x_base + index')} * p.scale, keep(index))`)}`,
    declarations,
  ),
});

export const dropoutBackward = defineKernel({
  name: 'dropout/backward',
  applies: 'derivative',
  // `differentiates` 1: x is the output of a map, and dx the gradient of its argument; else aux, x or y, is not looked at
  params: { ...params, differentiates: 'u32' },
  bindings: {
    dy: { access: 'read', half: true },
    aux: { access: 'read', half: true },
    step: stepBinding,
    dx: { access: 'write', half: true },
  },
  cost: ({ count, differentiates }, of) => ({ flops: count, bytes: (of.dy + of.dx + of.aux * differentiates) * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  var gradient = select(0.0, ${load('dy', 'p.dy_base + index')} * p.scale, keep(index));
  if (p.differentiates == 1u) { gradient = derivative(gradient, ${load('aux', 'p.aux_base + index')}); }
  ${store('dx', 'p.dx_base + index', 'gradient')}`,
    declarations,
  ),
});
