/**
 * A map of single values, from two expressions of WGSL: its forward kernel, its backward kernel, and the epilogue by which
 * others apply it to what they write. The rule stands once; what follows from it is made here.
 */
import { FUNCTION, OBJECT, oneOf, TEXT } from '../arguments.ts';
import { checkSettings, type OptionNames } from '../options.ts';
import type { Epilogue } from './epilogue.ts';
import { defineKernel, elementwise, type Params } from './kernel.ts';
import type { Memory } from './memory.ts';

/** Names of a map's constants. */
export type Constants = Readonly<Record<string, 'f32'>>;
/** How the text names each constant: `p.slope` in the map's own kernels, its value in an epilogue. */
export type Named<C extends Constants> = { readonly [N in keyof C]: string };

/** What `defineMap` takes. */
export interface MapSpec<C extends Constants> {
  /** of the folder: the kernels are NAME/forward and NAME/backward */
  readonly name: string;
  readonly constants: C;
  /** y, an expression of `value`. A comparison that NaN fails would hide it: NaN must reach the loss */
  value(constants: Named<C>): string;
  /** dL/dx, an expression of `gradient` and of `value`: y or x, as `derivativeOf` says */
  derivative(constants: Named<C>): string;
  /** `output` where y tells it, so that x need not be kept and others may fuse the map although it is differentiated */
  readonly derivativeOf: 'input' | 'output';
}

const MAP: OptionNames<MapSpec<Constants>> = {
  name: TEXT,
  constants: {
    is: (value) => OBJECT.is(value) && Object.values(value as object).every((type) => type === 'f32'),
    words: "constants by name, each 'f32'",
  },
  value: FUNCTION,
  derivative: FUNCTION,
  derivativeOf: oneOf('input', 'output'),
};

/** Whether `value` is NaN, by its bits: an expression. */
export const VALUE_IS_NAN = '(bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u';

/** Floating-point operations of an expression: signs of arithmetic, and calls but for those that convert. */
export function flopsOf(expression: string): number {
  const names = expression.replaceAll(/\b\d[\d.]*(?:e[+-]?\d+)?[fhu]?/g, 'n');
  const calls = [...names.matchAll(/\b(\w+)\s*(?:<\w+>)?\(/g)].filter(([, name]) => !FREE.has(name));
  return calls.length + (names.match(/[+*/-]/g) ?? []).length;
}

const FREE: ReadonlySet<string> = new Set(['bitcast', 'f32', 'u32', 'i32', 'f16']);

/**
 * A map of single values from two expressions of WGSL: its forward and its backward kernel, each in the variants of
 * `elementwise` and with texts for halves, and `epilogue`, by which convolutions and products apply it to what they write.
 * For `mapValues`, and `mapFamily`, which checks it.
 *
 * @throws FrostlineError where a part is missing or none
 * @example
 * const scaleMap = defineMap({
 *   name: 'mine/scale',
 *   constants: { factor: 'f32' },
 *   value: ({ factor }) => `${factor} * value`,
 *   derivative: ({ factor }) => `${factor} * gradient`,
 *   derivativeOf: 'output',
 * });
 */
export function defineMap<const C extends Constants>(spec: MapSpec<C>) {
  checkSettings('defineMap', spec, MAP, ['name', 'constants', 'value', 'derivative', 'derivativeOf']);
  const { name, constants, derivativeOf } = spec;
  const params = { count: 'u32', ...constants } as { readonly count: 'u32' } & C;
  type P = typeof params;
  const inParams = Object.fromEntries(Object.keys(constants).map((key) => [key, `p.${key}`])) as Named<C>;
  const count = (p: Params<P>) => (p as { readonly count: number }).count;
  const [forwardFlops, backwardFlops] = [spec.value(inParams), spec.derivative(inParams)].map(flopsOf);
  const kept = derivativeOf === 'output' ? 'y' : 'x';
  const forward = defineKernel({
    name: `${name}/forward`,
    params,
    bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
    cost: (p, of) => ({ flops: forwardFlops * count(p), bytes: (of.x + of.y) * count(p) }),
    variants: elementwise<P>(
      count,
      'p.count',
      ({ load, store }) => /* wgsl */ `
  let value = ${load('x', 'p.x_base + index')};
  ${store('y', 'p.y_base + index', spec.value(inParams))}`,
    ),
  });
  const backwardText = ({ load, store }: Memory) => /* wgsl */ `
  let gradient = ${load('dy', 'p.dy_base + index')};
  let value = ${load(kept, `p.${kept}_base + index`)};
  ${store('dx', 'p.dx_base + index', spec.derivative(inParams))}`;
  const cost = (p: Params<P>, kept: number, of: { readonly dy: number; readonly dx: number }) => ({
    flops: backwardFlops * count(p),
    bytes: (kept + of.dy + of.dx) * count(p),
  });
  const rest = { dy: { access: 'read', half: true }, dx: { access: 'write', half: true } } as const;
  const backward =
    derivativeOf === 'output'
      ? defineKernel({
          name: `${name}/backward`,
          params,
          bindings: { y: { access: 'read', half: true }, ...rest },
          cost: (p, of) => cost(p, of.y, of),
          variants: elementwise<P>(count, 'p.count', backwardText),
        })
      : defineKernel({
          name: `${name}/backward`,
          params,
          bindings: { x: { access: 'read', half: true }, ...rest },
          cost: (p, of) => cost(p, of.x, of),
          variants: elementwise<P>(count, 'p.count', backwardText),
        });
  const epilogue = (values: { readonly [N in keyof C]: number }): Epilogue => {
    const literals = Object.entries(values).map(([key, one]) => [key, `f32(${Math.fround(one as number)})`]);
    const named: Named<C> = Object.fromEntries(literals);
    return {
      name: [name, ...Object.values(values)].join(' '),
      wgsl: spec.value(named),
      derivativeOf,
      ...(derivativeOf === 'output' && { derivative: spec.derivative(named) }),
    };
  };
  return { forward, backward, epilogue };
}
