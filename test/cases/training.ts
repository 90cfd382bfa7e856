/** Cases of what only training runs: dropout, the update. */
import { dropoutBackward, dropoutForward, dropoutParams } from '../../src/kernels/dropout/dropout.ts';
import { sgdm, sgdmMasked } from '../../src/kernels/sgdm/sgdm.ts';
import { packStep } from '../../src/kernels/step.ts';
import { randomBits } from '../../src/random.ts';
import { type KernelCase, normals, Random } from './case.ts';

export function dropoutCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return [0, 0.1, 0.5, 0.9].flatMap((ratio, i): KernelCase[] => {
    const count = [1, 64, 1009, 67][i];
    const first = [0, 4096, 0xffffffff, 12345][i];
    const stream = i;
    const draw = { seed: random.integer(2 ** 32), step: random.integer(1000) };
    const step = packStep({ ...draw, learningRate: 1, momentum: 0, weightDecay: 0 });
    const x = normals(random, count);
    // Written out here from the generator alone.
    const key = randomBits(randomBits(draw.seed, draw.step), stream);
    const expected = Array.from(x, (value, at) => {
      const uniform = randomBits(key, (first + at) % 2 ** 32) / 2 ** 32;
      return uniform < ratio ? 0 : value / (1 - ratio);
    });
    const params = { count, first, stream, ...dropoutParams(ratio) };
    const name = `n=${count} ratio ${ratio}`;
    return [
      {
        name: `dropout/forward ${name}`,
        kernel: dropoutForward,
        params,
        inputs: { x, step },
        outputs: { y: count },
        reference: () => ({ y: expected }),
      },
      {
        name: `dropout/backward ${name}`,
        kernel: dropoutBackward,
        params,
        inputs: { dy: x, step },
        outputs: { dx: count },
        reference: () => ({ dx: expected }),
      },
    ];
  });
}

export function sgdmCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const rates = { learningRate: 0.01, momentum: 0.9, weightDecay: 0.05 };
  const step = packStep({ ...rates, step: 3, seed: 1 });
  const update = (
    mask: number,
    decay: number,
    values: { w: ArrayLike<number>; v: ArrayLike<number>; g: ArrayLike<number> },
    i: number,
  ) => {
    const { w, v, g } = values;
    if (mask === 0) return [w[i], v[i]];
    const velocity = rates.momentum * v[i] - rates.learningRate * mask * (g[i] + rates.weightDecay * decay * w[i]);
    return [w[i] + velocity, velocity];
  };
  return [1, 64, 1009].flatMap((count): KernelCase[] =>
    [0, 1, 10].flatMap((mask): KernelCase[] => {
      const [w, v, g] = [normals(random, count), normals(random, count), normals(random, count)];
      const masks = Float32Array.from({ length: count }, () => [0, 0, 1, mask][random.integer(4)]);
      const decay = mask === 1 ? 0 : 1;
      const expected = (maskAt: (i: number) => number) => {
        const pairs = Array.from(w, (_, i) => update(maskAt(i), decay, { w, v, g }, i));
        return { w: pairs.map(([weight]) => weight), v: pairs.map(([, velocity]) => velocity) };
      };
      const tolerance = mask === 0 ? { absolute: 0, relative: 0 } : { absolute: 1e-6, relative: 1e-6 };
      const parameters = { count, decay_factor: decay };
      const full: KernelCase = {
        name: `sgdm/masked n=${count} masks 0, 1, ${mask}`,
        kernel: sgdmMasked,
        params: parameters,
        inputs: { g, step, mask: masks },
        outputs: { w, v },
        tolerance: { absolute: 1e-6, relative: 1e-6 },
        reference: () => expected((i) => masks[i]),
      };
      return [
        {
          name: `sgdm/update n=${count} mask ${mask}`,
          kernel: sgdm,
          params: { ...parameters, mask },
          inputs: { g, step },
          outputs: { w, v },
          tolerance,
          reference: () => expected(() => mask),
        },
        full,
      ];
    }),
  );
}
