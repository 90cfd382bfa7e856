/**
 * How a kernel's text reads and writes its bindings, whatever their values are stored as. A text computes in f32; where a
 * binding that is declared `half` is bound to a storage of halves, the conversions stand in the accesses and nowhere else:
 *
 *   load('x', 'i')           x[i]           f32(x[i])                        vec4f(x[i]) of vectors
 *   store('y', 'i', 'v')     y[i] = v;      y[i] = f16(v);                   y[i] = vec4h(v);
 *   add('y', 'i', 'v')       y[i] += v;     y[i] = f16(f32(y[i]) + (v));
 *
 * So the text on storages of f32 is the one without any of this, to the letter.
 */
import type { BindingSchema } from './kernel.ts';

/** Accesses by the names of bindings and expressions of WGSL. */
export interface Memory {
  /** an expression of f32, or of vec4f */
  load(binding: string, index: string): string;
  /** a statement */
  store(binding: string, index: string, value: string): string;
  /** a statement: one rounding to what the binding stores, of a sum in f32 */
  add(binding: string, index: string, value: string): string;
  /** what an element of the binding is in the text: 'f32', 'vec4f', 'f16', 'vec4h', 'u32' */
  elementOf(binding: string): string;
  readonly halves: ReadonlySet<string>;
}

/** Bindings that store halves: none. */
export const NO_HALVES: ReadonlySet<string> = new Set();

/** @param halves names of the bindings that store halves */
export function memoryOf(bindings: BindingSchema, halves: ReadonlySet<string>): Memory {
  const wide = (binding: string) => bindings[binding].type ?? 'f32';
  const narrow = (binding: string) => (wide(binding) === 'vec4f' ? 'vec4h' : 'f16');
  const load = (binding: string, index: string) =>
    halves.has(binding) ? `${wide(binding)}(${binding}[${index}])` : `${binding}[${index}]`;
  return {
    halves,
    load,
    store: (binding, index, value) =>
      halves.has(binding) ? `${binding}[${index}] = ${narrow(binding)}(${value});` : `${binding}[${index}] = ${value};`,
    add: (binding, index, value) =>
      halves.has(binding)
        ? `${binding}[${index}] = ${narrow(binding)}(${load(binding, index)} + (${value}));`
        : `${binding}[${index}] += ${value};`,
    elementOf: (binding) => (halves.has(binding) ? narrow(binding) : wide(binding)),
  };
}
