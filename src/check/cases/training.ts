/** Cases of what only training runs: dropout, the update. */
import { adam, adamMasked } from '../../kernels/adam/adam.ts';
import { dropoutBackward, dropoutForward, dropoutParams } from '../../kernels/dropout/dropout.ts';
import { VELOCITY_SCALE } from '../../kernels/loss-scale/state.ts';
import { sgdm, sgdmMasked, sgdmScaled, sgdmScaledCopied } from '../../kernels/sgdm/sgdm.ts';
import { packStep } from '../../kernels/step.ts';
import { randomBits } from '../../random.ts';
import { type Activation, activationOf, rectify, through } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { type Expected, exactly, sumsOf } from '../expected.ts';
import { SMALLEST_NORMAL, valuesOf } from '../values.ts';
import { drawScaling } from './loss-scale.ts';

interface DropoutShape {
  readonly count: number;
  /** the first element's index in the whole batch */
  readonly first: number;
  readonly ratio: number;
  readonly stream: number;
}

export const dropoutFamily = defineFamily<DropoutShape>({
  names: ['dropout/forward', 'dropout/backward'],
  examples: [
    { count: 1, first: 0, ratio: 0, stream: 0 },
    { count: 64, first: 4096, ratio: 0.1, stream: 1 },
    { count: 1009, first: 0xffffffff, ratio: 0.5, stream: 2 },
    { count: 67, first: 12345, ratio: 0.9, stream: 3 },
  ],
  shape: (choose) => ({
    count: choose(1, 300),
    first: choose(0, 100_000),
    ratio: choose(0, 9) / 10,
    stream: choose(0, 7),
  }),
  cases({ count, first, ratio, stream }, kind, random): KernelCase[] {
    const draw = { seed: random.integer(2 ** 32), step: random.integer(1000) };
    const step = packStep({ ...draw, learningRate: 1, momentum: 0, weightDecay: 0 });
    const [x, dy] = [0, 1].map(() => valuesOf(random, kind, count, { instead: 'tiny' }));
    // Written out here from the generator alone.
    const key = randomBits(randomBits(draw.seed, draw.step), stream);
    const masked = (x: ArrayLike<number>) =>
      Array.from(x, (value, at) => {
        const uniform = randomBits(key, (first + at) % 2 ** 32) / 2 ** 32;
        return uniform < ratio ? 0 : value / (1 - ratio);
      });
    const params = { count, first, stream, ...dropoutParams(ratio) };
    const description = `n=${count} from ${first} ratio ${ratio} stream ${stream}`;
    const backward = (aux: Activation | undefined): KernelCase => {
      const gradient = (dy: ArrayLike<number>) => through(aux, masked(dy));
      return {
        name: 'dropout/backward',
        description: description + (aux ? ' after relu' : ''),
        kernel: dropoutBackward,
        params: { ...params, differentiates: aux ? 1 : 0 },
        inputs: { dy, step, aux: aux ? Float32Array.from(masked(aux.output)) : dy },
        outputs: { dx: count },
        reference: () => ({ dx: sumsOf(gradient, [dy], 1) }),
        derivative:
          kind === 'normal'
            ? {
                at: aux?.argument ?? x,
                upstream: dy,
                forward: (at) => masked(aux ? rectify(at) : at),
                gradient: () => gradient(dy),
              }
            : undefined,
      };
    };
    return [
      {
        name: 'dropout/forward',
        description,
        kernel: dropoutForward,
        params,
        inputs: { x, step },
        outputs: { y: count },
        reference: () => ({ y: sumsOf(masked, [x], 1) }),
      },
      backward(undefined),
      backward(activationOf(random, count)),
    ];
  },
});

interface UpdateShape {
  readonly count: number;
  readonly mask: number;
  readonly decay: 0 | 1;
}

export const sgdmFamily = defineFamily<UpdateShape>({
  names: ['sgdm/update', 'sgdm/masked', 'sgdm/scaled', 'sgdm/scaled-copied'],
  examples: [1, 64, 1009].flatMap((count) =>
    [0, 1, 10].map((mask) => ({ count, mask, decay: mask === 1 ? 0 : 1 }) as const),
  ),
  shape: (choose) => ({ count: choose(1, 300), mask: choose(0, 12) / 2, decay: choose(0, 1) as 0 | 1 }),
  cases({ count, mask, decay }, kind, random): KernelCase[] {
    // As single precision holds them.
    const [learningRate, momentum, weightDecay] = Float32Array.of(
      random.between(1e-5, 0.1),
      random.between(0, 0.99),
      random.between(0, 0.1),
    );
    const step = packStep({ learningRate, momentum, weightDecay, step: 3, seed: 1 });
    const [w, v, g] = [0, 1, 2].map(() => valuesOf(random, kind, count, { instead: 'tiny' }));
    const masks = Float32Array.from({ length: count }, () => [0, 0, 1, mask][random.integer(4)]);
    const { scaling, skipped, unscale } = drawScaling(random);
    /** What stays where nothing is updated. */
    const h = valuesOf(random, kind, count, { instead: 'tiny' });
    /** @param kept the velocity is kept so many times as large */
    const expected = (maskOf: (i: number) => number, factor = 1, kept = 1): Record<string, Expected> => {
      const rows = Array.from({ length: count }, (_, i) => {
        const rate = learningRate * maskOf(i);
        if (rate === 0) return { w: w[i], v: v[i], size: 0, flushed: 0 };
        const velocity = (momentum * v[i]) / kept - rate * (factor * g[i] + weightDecay * decay * w[i]);
        const size =
          (momentum * Math.abs(v[i])) / kept + rate * (factor * Math.abs(g[i]) + weightDecay * decay * Math.abs(w[i]));
        // Each of seven results may be flushed, scaled by no more than the rate and the mask.
        return { w: w[i] + velocity, v: kept * velocity, size, flushed: 16 * SMALLEST_NORMAL };
      });
      const flushed = rows.map((row) => row.flushed);
      const sizes = rows.map(({ size }, i) => size + (size === 0 ? 0 : Math.abs(w[i])));
      return {
        v: {
          values: rows.map((row) => row.v),
          magnitudes: rows.map(({ size }) => kept * size),
          flushed: flushed.map((value) => kept * value),
          units: 7,
        },
        w: { values: rows.map((row) => row.w), magnitudes: sizes, flushed, units: 8 },
      };
    };
    const parameters = { count, decay_factor: decay };
    return [
      {
        name: 'sgdm/update',
        description: `n=${count} mask ${mask} decay ${decay}`,
        kernel: sgdm,
        params: { ...parameters, mask },
        inputs: { g, step },
        outputs: { w, v },
        reference: () => expected(() => mask),
      },
      {
        name: 'sgdm/masked',
        description: `n=${count} masks 0, 1, ${mask} decay ${decay}`,
        kernel: sgdmMasked,
        params: parameters,
        inputs: { g, step, mask: masks },
        outputs: { w, v },
        reference: () => expected((i) => masks[i]),
      },
      {
        name: 'sgdm/scaled',
        description: `n=${count} mask ${mask} decay ${decay}${skipped ? ' skipped' : ''}`,
        kernel: sgdmScaled,
        params: { ...parameters, mask },
        inputs: { g, step, scaling },
        outputs: { w, v },
        reference: () => expected(() => (skipped ? 0 : mask), unscale, VELOCITY_SCALE),
      },
      {
        name: 'sgdm/scaled-copied',
        description: `n=${count} mask ${mask} decay ${decay}${skipped ? ' skipped' : ''}`,
        kernel: sgdmScaledCopied,
        params: { ...parameters, mask },
        inputs: { g, step, scaling },
        outputs: { w, v, h },
        reference() {
          const stays = skipped || mask === 0;
          const updated = expected(() => (stays ? 0 : mask), unscale, VELOCITY_SCALE);
          return { ...updated, h: stays ? exactly(h) : updated['w'] };
        },
      },
    ];
  },
});

interface AdamShape extends UpdateShape {
  readonly decoupled: 0 | 1;
  /** updates before this one */
  readonly updates: number;
}

export const adamFamily = defineFamily<AdamShape>({
  names: ['adam/update', 'adam/masked'],
  examples: [1, 64, 1009].flatMap((count, i) =>
    [0, 1, 10].map(
      (mask) => ({ count, mask, decay: mask === 1 ? 0 : 1, decoupled: (i % 2) as 0 | 1, updates: 9 * i }) as const,
    ),
  ),
  shape: (choose) => ({
    count: choose(1, 300),
    mask: choose(0, 12) / 2,
    decay: choose(0, 1) as 0 | 1,
    decoupled: choose(0, 1) as 0 | 1,
    updates: choose(0, 5) === 5 ? choose(1000, 100_000) : choose(0, 20),
  }),
  cases({ count, mask, decay, decoupled, updates }, kind, random): KernelCase[] {
    const learningRate = random.between(1e-5, 0.1);
    const [beta1, beta2] = [random.between(0, 0.99), random.between(0.9, 0.9999)];
    const weightDecay = random.between(0, 0.5);
    const epsilon = 10 ** random.between(-8, -2);
    const step = packStep({
      ...{ learningRate, weightDecay, epsilon, updates, step: 3, seed: 1 },
      ...{ momentum: beta1, secondMomentum: beta2 },
    });
    // Their squares are to stay finite.
    const [w, m, g] = [0, 1, 2].map(() => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' }));
    const v = valuesOf(random, kind, count, { decades: 15, instead: 'tiny' }).map(Math.abs);
    const masks = Float32Array.from({ length: count }, () => [0, 0, 1, mask][random.integer(4)]);
    const [added, shrink] = decoupled ? [0, decay] : [decay, 0];
    const expected = (maskOf: (i: number) => number): Record<string, Expected> => {
      const rows = Array.from({ length: count }, (_, i) => {
        const rate = learningRate * maskOf(i);
        if (rate === 0)
          return { w: w[i], m: m[i], v: v[i], sizes: { w: 0, m: 0, v: 0 }, flushed: { w: 0, m: 0, v: 0 } };
        const gradient = g[i] + weightDecay * added * w[i];
        const terms = Math.abs(g[i]) + weightDecay * added * Math.abs(w[i]);
        const mean = beta1 * m[i] + (1 - beta1) * gradient;
        const square = beta2 * v[i] + (1 - beta2) * gradient ** 2;
        const sizes = {
          m: beta1 * Math.abs(m[i]) + (1 - beta1) * terms,
          v: beta2 * v[i] + (1 - beta2) * terms ** 2,
        };
        const [c1, c2] = [1 - beta1 ** (updates + 1), Math.sqrt(1 - beta2 ** (updates + 1))];
        const root = Math.sqrt(square);
        const below = root / c2 + epsilon;
        const decays = weightDecay * shrink * w[i];
        // How an error of the mean, and one of the root, which halves that of the square, reach the weight.
        const ofMean = rate / c1 / below;
        const ofRoot = (ofMean * Math.abs(mean)) / c2 / below;
        const rootSize = root + (square === 0 ? 0 : sizes.v / (2 * root));
        const size = Math.abs(w[i]) + rate * Math.abs(decays) + ofMean * sizes.m + ofRoot * rootSize;
        return {
          ...{ m: mean, v: square, w: w[i] - rate * (mean / c1 / below + decays) },
          sizes: { ...sizes, w: size },
          // Of the square at most four results are taken for 0: of the root no more than the root of that.
          flushed: {
            ...{ m: 8 * SMALLEST_NORMAL, v: 8 * SMALLEST_NORMAL * (1 + terms) },
            w: 16 * SMALLEST_NORMAL * (1 + rate + ofMean) + ofRoot * Math.sqrt(8 * SMALLEST_NORMAL),
          },
        };
      });
      const output = (name: 'w' | 'm' | 'v', units: number): Expected => ({
        values: rows.map((row) => row[name]),
        magnitudes: rows.map(({ sizes }) => sizes[name]),
        flushed: rows.map(({ flushed }) => flushed[name]),
        units,
      });
      // The square has the gradient's roundings twice; the weight those of both means, a root and a division.
      return { m: output('m', 8), v: output('v', 14), w: output('w', 40) };
    };
    const parameters = { count, decay_factor: added, shrink };
    const description = `n=${count} decay ${decay}${decoupled ? ' decoupled' : ''} after ${updates} updates`;
    const outputs = { w, m, v };
    return [
      {
        name: 'adam/update',
        description: `${description} mask ${mask}`,
        kernel: adam,
        params: { ...parameters, mask },
        inputs: { g, step },
        outputs,
        reference: () => expected(() => mask),
      },
      {
        name: 'adam/masked',
        description: `${description} masks 0, 1, ${mask}`,
        kernel: adamMasked,
        params: parameters,
        inputs: { g, step, mask: masks },
        outputs,
        reference: () => expected((i) => masks[i]),
      },
    ];
  },
});
