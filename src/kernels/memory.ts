/**
 * How a kernel's text reads and writes its bindings, whatever their values are stored as. A text computes in f32; where a
 * binding that is declared `half` is bound to a storage of halves, the conversions stand in the accesses and nowhere else:
 *
 *   load('x', 'i')           x[i]           f32(x[i])                        vec4f(x[i]) of vectors
 *   store('y', 'i', 'v')     y[i] = v;      y[i] = f16(v);                   y[i] = vec4h(v);
 *   add('y', 'i', 'v')       y[i] += v;     y[i] = f16(f32(y[i]) + (v));
 *
 * So the text on storages of f32 is the one without any of this, to the letter. And where a gradient updates its parameter in
 * place of being written (update.ts), that stands in the accesses, too.
 */
import { FrostlineError } from '../errors.ts';
import type { BindingSchema } from './kernel.ts';

/** Accesses by the names of bindings and expressions of WGSL. */
export interface Memory {
  /** an expression of f32, or of vec4f */
  load(binding: string, index: string): string;
  /** a statement */
  store(binding: string, index: string, value: string): string;
  /** a statement: one rounding to what the binding stores, of a sum in f32 */
  add(binding: string, index: string, value: string): string;
  /**
   * a block: writes a value of a gradient, added to what is there where the parameter `accumulate` is 1; or updates by it
   */
  gradient(binding: string, index: string, value: string): string;
  /** the binding is the parameter itself, which what is stored there updates: nothing is to be added to it, nor read */
  updates(binding: string): boolean;
  /** what an element of the binding is in the text: 'f32', 'vec4f', 'f16', 'vec4h', 'u32' */
  elementOf(binding: string): string;
  readonly halves: ReadonlySet<string>;
}

/** Bindings that store halves: none. */
export const NO_HALVES: ReadonlySet<string> = new Set();

/**
 * @param halves names of the bindings that store halves
 * @param updated the binding that is updated in place of being written
 */
export function memoryOf(bindings: BindingSchema, halves: ReadonlySet<string>, updated?: string): Memory {
  const wide = (binding: string) => bindings[binding].type ?? 'f32';
  const narrow = (binding: string) => (wide(binding) === 'vec4f' ? 'vec4h' : 'f16');
  const updates = (binding: string) => binding === updated;
  const load = (binding: string, index: string) => {
    if (updates(binding))
      throw new FrostlineError(
        `A text reads ${binding} back, which is updated in its place: no gradient is there. Write each value once.`,
      );
    return halves.has(binding) ? `${wide(binding)}(${binding}[${index}])` : `${binding}[${index}]`;
  };
  const store = (binding: string, index: string, value: string) =>
    updates(binding)
      ? `update_by(${index}, ${value});`
      : `${binding}[${index}] = ${halves.has(binding) ? `${narrow(binding)}(${value})` : value};`;
  return {
    halves,
    load,
    store,
    updates,
    add: (binding, index, value) => {
      const before = load(binding, index);
      return halves.has(binding)
        ? `${binding}[${index}] = ${narrow(binding)}(${before} + (${value}));`
        : `${binding}[${index}] += ${value};`;
    },
    gradient: (binding, index, value) =>
      updates(binding)
        ? `{ ${store(binding, index, value)} }`
        : `{
    let place = ${index};
    var total = ${value};
    if (p.accumulate == 1u) { total += ${load(binding, 'place')}; }
    ${store(binding, 'place', 'total')}
  }`,
    elementOf: (binding) => (halves.has(binding) ? narrow(binding) : wide(binding)),
  };
}
