/** The kernels that benchmarks take an adapter's ceilings from: a ceiling counts only if the work was done. */
import { rooflineCopy } from '../../kernels/roofline/copy.ts';
import { rooflineMultiplyAdd } from '../../kernels/roofline/multiply-add.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { exactly } from '../expected.ts';
import { valuesOf } from '../values.ts';

interface Shape {
  readonly count: number;
  readonly rounds: number;
  readonly chains: number;
}

export const rooflineFamily = defineFamily<Shape>({
  names: ['roofline/copy', 'roofline/multiply-add'],
  examples: [
    { count: 1, rounds: 1, chains: 8 },
    { count: 1031, rounds: 7, chains: 16 },
    { count: 4099, rounds: 3, chains: 32 },
  ],
  shape: (choose) => ({ count: choose(1, 6000), rounds: choose(0, 20), chains: [8, 16, 32][choose(0, 2)] }),
  cases({ count, rounds, chains }, kind, random): KernelCase[] {
    const x = valuesOf(random, kind, count);
    const factors = Float32Array.of(random.between(-1, 1), random.normal());
    return [
      {
        name: 'roofline/copy',
        description: `n=${count}`,
        kernel: rooflineCopy,
        params: { count },
        inputs: { x },
        outputs: { y: count },
        reference: () => ({ y: exactly(x) }),
      },
      {
        name: 'roofline/multiply-add',
        description: `n=${count} rounds ${rounds} chains ${chains}`,
        kernel: rooflineMultiplyAdd,
        params: { count, rounds },
        inputs: { factors },
        outputs: { y: count },
        applies: ({ configuration }) => configuration['chains'] === chains,
        reference: () => {
          let [sum, size] = [0, 0];
          for (let k = 0; k < chains; k++) {
            let [c, terms] = [k, k];
            for (let round = 0; round < rounds; round++) {
              c = c * factors[0] + factors[1];
              terms = terms * Math.abs(factors[0]) + Math.abs(factors[1]);
            }
            sum += 4 * c;
            size += 4 * terms;
          }
          const all = (value: number) => new Float64Array(count).fill(value);
          return { y: { values: all(sum), magnitudes: all(size), units: 2 * rounds + chains + 4 } };
        },
      },
    ];
  },
});
