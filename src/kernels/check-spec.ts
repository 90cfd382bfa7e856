/** What is refused where a kernel is defined. */
import { checkArguments, type Expectation, FUNCTION, OBJECT, TEXT, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { BindingSchema, BindingSpec, KernelSpec, ParamSchema } from './kernel.ts';

/** Refuses a description that could only fail in the middle of a run, or compute for nothing. */
export function checkSpec(spec: KernelSpec<ParamSchema, BindingSchema>): void {
  checkArguments('defineKernel', { 'the description': [spec, OBJECT], 'the name': [spec?.name, TEXT] });
  const { name, params, bindings, variants, cost } = spec;
  checkArguments(name, {
    params: [params, PARAMS],
    bindings: [bindings, BINDINGS],
    variants: [variants, VARIANTS],
    cost: [cost, FUNCTION],
  });
  if (!Object.values(bindings).some(({ access }) => access === 'write')) {
    throw new FrostlineError(
      `${name}: no binding is written, so that a run of it would change nothing. Give one 'write'.`,
    );
  }
  for (const variant of variants) {
    for (const binding of variant.vectors ?? []) {
      const { access, type = 'f32' } = bindings[binding] ?? {};
      if (access === 'read' && type === 'f32') continue;
      throw new FrostlineError(
        `${name} ${variant.name}: vectors names ${binding}, which is no binding of f32 that is read. ` +
          `Name some of ${Object.keys(bindings).join(', ')}, or declare the binding vec4f for all variants.`,
      );
    }
  }
}

const everyMember = (is: Expectation['is']) => (value: unknown) =>
  OBJECT.is(value) && Object.values(value as object).every(is);
const PARAMS: Expectation = {
  is: everyMember((one) => ['u32', 'i32', 'f32'].includes(one as string)),
  words: "types by name: 'u32', 'i32' or 'f32'",
};
const BINDINGS: Expectation = {
  is: everyMember((one) => ['read', 'write'].includes((one as BindingSpec | undefined)?.access as string)),
  words: "bindings by name, each with an access of 'read' or 'write'",
};
const VARIANT = withMembers('', {
  name: TEXT.is,
  text: FUNCTION.is,
  workgroups: FUNCTION.is,
  workgroupSize: FUNCTION.is,
});
const VARIANTS: Expectation = {
  is: (value) => Array.isArray(value) && value.length > 0 && value.every(VARIANT.is),
  words: 'a list of variants, the plain one first: elementwise() and perElement() make some',
};
