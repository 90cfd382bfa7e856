/**
 * The update of a parameter where its gradient is finished, in place of a gradient in memory and a pass that reads it.
 *
 * A kernel marks the binding that it writes a gradient to (`gradient: true`) and writes each value there once, by
 * `Memory.store` or `Memory.gradient`. A run with an update binds the parameter itself in that place, and what else the
 * optimizer keeps behind the kernel's own bindings; what would be stored is handed to
 *
 *   fn update_by(place: u32, gradient: f32)
 *
 * which is made of the statements of the optimizer's own pass (sgdm/sgdm.ts, adam/adam.ts): the same operations on the same
 * values, and so the bits of two passes.
 */
import { FrostlineError } from '../errors.ts';
import type { View } from '../gpu/storage.ts';
import type { BindingSchema, Cost, ParamSchema, Params } from './kernel.ts';
import type { Memory } from './memory.ts';

/** An optimizer's update of one value. */
export interface UpdateRule<P extends ParamSchema = ParamSchema, B extends BindingSchema = BindingSchema> {
  /** part of the kernel's label, and of the key under which its text is kept */
  readonly name: string;
  readonly params: P;
  /** of the step, of masks, of what the optimizer keeps: all but the parameter itself */
  readonly bindings: B;
  /** functions that the statements call */
  readonly declarations: string;
  /** `gradient` is that of value `index` of the parameter, whose values are in the binding called `parameter` */
  statements(parameter: string, memory: Memory): string;
  /** for one value, with what is read and written of the parameter, but without its gradient */
  cost(of: { readonly [K in keyof B]: number }): Cost;
}

/** What one run of a kernel does to a parameter by the gradient that it finishes. */
export interface KernelUpdate {
  readonly rule: UpdateRule;
  readonly params: Params<ParamSchema>;
  /** of the rule's bindings; what is kept of each value lies as what the kernel writes */
  readonly views: Readonly<Record<string, View>>;
}

/** The binding that a kernel writes a gradient to, if it can update by it. */
export const gradientOf = (bindings: BindingSchema): string | undefined =>
  Object.keys(bindings).find((name) => bindings[name].gradient === true);

/** What a text that updates has before `main`. */
export const updateText = (rule: UpdateRule, parameter: string, memory: Memory) => /* wgsl */ `${rule.declarations}
fn update_by(place: u32, gradient: f32) {
  let index = place - p.${parameter}_base;${rule.statements(parameter, memory)}
}`;

/**
 * What a kernel binds and is told with the rule of an update, which takes the place of a gradient.
 * @throws FrostlineError where the kernel has no such binding, or a name of its own for one of the rule's
 */
export function withRule(
  kernel: { readonly name: string; readonly params: ParamSchema; readonly bindings: BindingSchema },
  rule: UpdateRule | undefined,
): { readonly name: string; readonly params: ParamSchema; readonly bindings: BindingSchema } {
  if (rule === undefined) return kernel;
  const { name, params, bindings } = kernel;
  if (gradientOf(bindings) === undefined)
    throw new FrostlineError(
      `${name} cannot update by what it writes: none of its bindings says \`gradient: true\`. Say so, or write the gradient.`,
    );
  const twice =
    Object.keys(rule.params).find((one) => one in params) ?? Object.keys(rule.bindings).find((one) => one in bindings);
  if (twice !== undefined)
    throw new FrostlineError(
      `${name} and the update by ${rule.name} both have a ${twice}. Give the kernel's another name.`,
    );
  return { name, params: { ...params, ...rule.params }, bindings: { ...bindings, ...rule.bindings } };
}
