/** Cases of a map of single values that `defineMap` made: forward, backward and the derivative, from float64 functions. */
import { FUNCTION, OBJECT, oneOf, TEXT, withMembers } from '../../arguments.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { checkSettings, type OptionNames } from '../../options.ts';
import { defineFamily, type KernelCase, type KernelFamily } from '../case.ts';
import type { Expected } from '../expected.ts';
import { SMALLEST_NORMAL, valuesOf } from '../values.ts';

/** What `mapFamily` takes: a map's kernels, and what they are to compute, in float64. */
export interface MapReference {
  /** of the map: cases are NAME/forward and NAME/backward */
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: kernels of maps with any constants
  readonly kernels: { readonly forward: Kernel<any, any>; readonly backward: Kernel<any, any> };
  readonly derivativeOf: 'input' | 'output';
  /** the map's constants, of which `value` and `slope` are functions */
  readonly constants?: Readonly<Record<string, number>>;
  value(x: number): number;
  /** of x where `derivativeOf` is 'input', else of y */
  slope(at: number): number;
  /** units of rounding of y, and of dx, where x (and y) are what they are: of what WGSL grants to exp and division */
  readonly units: { value(x: number): number; slope(at: number): number };
  /** the sum of the absolute values of the terms of the slope, where they may cancel */
  slopeSize?(at: number): number;
  /** how much a result on the way to the value or the slope, taken for 0 where it is denormal, is scaled after; default 1 */
  scale?(at: number): number;
}

const UNITS = withMembers('functions, { value, slope }', { value: FUNCTION.is, slope: FUNCTION.is });
const KERNELS = withMembers('what defineMap gives', { forward: OBJECT.is, backward: OBJECT.is });
const MAP: OptionNames<MapReference> = {
  name: TEXT,
  kernels: KERNELS,
  derivativeOf: oneOf('input', 'output'),
  constants: OBJECT,
  value: FUNCTION,
  slope: FUNCTION,
  units: UNITS,
  slopeSize: FUNCTION,
  scale: FUNCTION,
};

/**
 * The cases of a map that `defineMap` made: forward, backward and the derivative's claim, on drawn values of all sizes,
 * denormals, zeros and infinities; for `drawKernelCases`, `checkKernelCases` and `checkMutations`.
 *
 * @throws FrostlineError where a part is missing or none
 * @example
 * const family = mapFamily({
 *   name: 'mine/scale',
 *   kernels: scaleMap,
 *   derivativeOf: 'output',
 *   constants: { factor: 3 },
 *   value: (x) => 3 * x,
 *   slope: () => 3,
 *   units: { value: () => 1, slope: () => 1 },
 * });
 */
export function mapFamily(map: MapReference): KernelFamily {
  checkSettings('mapFamily', map, MAP, ['name', 'kernels', 'derivativeOf', 'value', 'slope', 'units']);
  const {
    name,
    kernels,
    derivativeOf,
    constants = {},
    value,
    slope,
    units,
    slopeSize = (at) => Math.abs(slope(at)),
    scale = () => 1,
  } = map;
  const expected = (values: number[], sizes: number[], factors: number[], scales: number[]): Expected => ({
    values,
    units: 1,
    magnitudes: sizes.map((size, i) => size * factors[i]),
    flushed: scales.map((one) => (1 + one) * SMALLEST_NORMAL),
  });
  return defineFamily<number>({
    names: [`${name}/forward`, `${name}/backward`],
    examples: [1, 7, 64, 67, 1009],
    shape: (choose) => (choose(0, 3) === 3 ? choose(60, 1100) : choose(1, 70)),
    cases(count, kind, random): KernelCase[] {
      // Powers of numbers beyond some hundred are 0 or 1; sizes over all decades tell nothing more.
      const x = valuesOf(random, kind, count, { decades: 2 }).map((one) => (kind === 'normal' ? 3 * one : one));
      const dy = valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
      const smooth = kind === 'infinite' ? valuesOf(random, 'normal', count) : x;
      const at = derivativeOf === 'output' ? Float32Array.from(smooth, value) : smooth;
      const gradient = () => Array.from(dy, (one, i) => one * slope(at[i]));
      const named = Object.entries(constants).map(([constant, given]) => `, ${constant} ${given}`);
      const description = `n=${count}${named.join('')}`;
      return [
        {
          name: `${name}/forward`,
          description,
          kernel: kernels.forward,
          params: { ...constants, count },
          inputs: { x },
          outputs: { y: count },
          reference() {
            const ys = Array.from(x, value);
            return { y: expected(ys, ys.map(Math.abs), Array.from(x, units.value), Array.from(x, scale)) };
          },
        },
        {
          name: `${name}/backward`,
          description,
          kernel: kernels.backward,
          params: { ...constants, count },
          inputs: derivativeOf === 'output' ? { y: at, dy } : { x: at, dy },
          outputs: { dx: count },
          reference: () => ({
            dx: expected(
              gradient(),
              Array.from(dy, (one, i) => Math.abs(one) * slopeSize(at[i])),
              Array.from(at, units.slope),
              Array.from(dy, (one, i) => (1 + Math.abs(one)) * scale(at[i])),
            ),
          }),
          derivative:
            kind === 'normal'
              ? {
                  at: x,
                  upstream: dy,
                  forward: (points: ArrayLike<number>) => Array.from(points, value),
                  gradient: () =>
                    Array.from(dy, (one, i) => one * slope(derivativeOf === 'output' ? value(x[i]) : x[i])),
                }
              : undefined,
        },
      ];
    },
  });
}
