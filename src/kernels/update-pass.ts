/**
 * An optimizer's rule (update.ts) as a pass of its own, over `count` values of a gradient that is in memory; with the rule, for
 * kernels that update in its place.
 */
import { type BindingSpec, defineKernel, elementwise, type ParamSchema } from './kernel.ts';
import type { UpdateRule } from './update.ts';

type Bindings = Readonly<Record<string, BindingSpec>>;

export const updatePass = <const P extends ParamSchema, const B extends Bindings>(
  name: string,
  rule: UpdateRule<P, B>,
) => {
  // Who keeps halves has halves for gradients, too.
  const half = Object.values(rule.bindings).some((binding) => binding.half);
  const pass = defineKernel<P & { readonly count: 'u32' }, B & { readonly g: BindingSpec; readonly w: BindingSpec }>({
    name,
    params: { count: 'u32', ...rule.params },
    bindings: { g: { access: 'read', ...(half && { half: true as const }) }, ...rule.bindings, w: { access: 'write' } },
    cost({ count }, of) {
      const own = rule.cost(of);
      return { flops: own.flops * count, bytes: (of.g + own.bytes) * count };
    },
    variants: elementwise<P & { readonly count: 'u32' }>(
      ({ count }) => count,
      'p.count',
      (memory) => /* wgsl */ `
  let gradient = ${memory.load('g', 'p.g_base + index')};${rule.statements('w', memory)}`,
      rule.declarations,
    ),
  });
  return Object.assign(pass, { rule });
};
