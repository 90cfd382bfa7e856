/** What is refused where a kernel is defined. */
import { checkArguments, type Expectation, FUNCTION, OBJECT, oneOf, TEXT } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import type { BindingSchema, BindingSpec, KernelSpec, ParamSchema, Variant } from './kernel.ts';

type Spec = KernelSpec<ParamSchema, BindingSchema>;

/** Refuses a description that could only fail in the middle of a run, or compute for nothing. */
export function checkSpec(spec: Spec): void {
  checkArguments('defineKernel', { 'the description': [spec, OBJECT], 'the name': [spec?.name, NAME] });
  const { name, params, bindings, variants, cost } = spec;
  checkOptions(name, spec, SPEC);
  checkArguments(name, {
    params: [params, PARAMS],
    bindings: [bindings, OBJECT],
    variants: [variants, VARIANTS],
    cost: [cost, FUNCTION],
  });
  for (const [binding, one] of Object.entries(bindings)) {
    const what = `${name}: binding ${binding}`;
    checkArguments(name, { [`binding ${binding}`]: [one, OBJECT] });
    checkOptions(what, one, BINDING);
    checkArguments(what, { access: [one.access, ACCESS] });
  }
  if (!Object.values(bindings).some(({ access }) => access === 'write')) {
    throw new FrostlineError(
      `${name}: no binding is written, so that a run of it would change nothing. Give one 'write'.`,
    );
  }
  checkNames(spec);
  variants.forEach((variant, i) => {
    checkArguments(name, { [`variant ${i}`]: [variant, OBJECT] });
    checkVariant(spec, variant, i);
  });
}

/** Names stand in the text, and in one struct and one scope with others. */
function checkNames({ name, params, bindings, applies }: Spec): void {
  for (const [kind, names, taken] of [
    ['parameter', Object.keys(params), Object.keys(bindings).map((binding) => `${binding}_base`)],
    ['binding', Object.keys(bindings), IN_SCOPE],
  ] as const) {
    for (const one of names) {
      checkArguments(`${name}: ${kind}`, { 'its name': [one, IDENTIFIER] });
      if (!taken.includes(one)) continue;
      throw new FrostlineError(
        `${name}: ${kind} ${one} has a name that the text has for something else (${taken.join(', ')}). Give another.`,
      );
    }
  }
  if (applies === 'epilogue' && !(Object.hasOwn(bindings, 'aux') && Object.hasOwn(params, 'relu'))) {
    throw new FrostlineError(
      `${name}: applies is 'epilogue', which reads the binding aux and the parameter relu. Add both.`,
    );
  }
}

function checkVariant({ name, bindings, variants }: Spec, variant: Variant<ParamSchema>, i: number): void {
  checkArguments(`${name}: variant ${i}`, { name: [variant.name, NAME] });
  const what = `${name} ${variant.name}`;
  checkOptions(what, variant, VARIANT);
  checkArguments(what, {
    configurations: [variant.configurations, CONFIGURATIONS],
    workgroupSize: [variant.workgroupSize, FUNCTION],
    workgroups: [variant.workgroups, FUNCTION],
    text: [variant.text, FUNCTION],
  });
  if (variants.findIndex((other) => other.name === variant.name) !== i) {
    throw new FrostlineError(
      `${name}: two variants are called '${variant.name}', of which the second would never run. Give it another name.`,
    );
  }
  for (const binding of variant.halves || []) {
    if (bindings[binding]?.half) continue;
    throw new FrostlineError(`${what}: halves names ${binding}, which is no binding with half: true. Declare it so.`);
  }
  for (const binding of variant.vectors ?? []) {
    const { access, type = 'f32' } = bindings[binding] ?? {};
    if (access === 'read' && type === 'f32') continue;
    throw new FrostlineError(
      `${what}: vectors names ${binding}, which is no binding of f32 that is read. ` +
        `Name some of ${Object.keys(bindings).join(', ')}, or declare the binding vec4f for all variants.`,
    );
  }
}

/** What a text has in scope beside its bindings: assemble.ts. */
const IN_SCOPE = ['p', 'Params', 'main', 'workgroup_id', 'workgroup_count', 'workgroup', 'lane', 'index'];

const NAME: Expectation = {
  is: (value) => TEXT.is(value) && /^\S(.*\S)?$/.test(value as string),
  words: 'a text of one line, not empty',
};
const IDENTIFIER: Expectation = {
  is: (value) => /^(?!__|_$)[A-Za-z_]\w*$/.test(value as string),
  words: 'an identifier of WGSL: letters, digits and _, no digit first',
};
const ACCESS = oneOf('read', 'write');
const NAMES: Expectation = { is: (value) => Array.isArray(value) && value.every(TEXT.is), words: 'a list of bindings' };
const PARAMS: Expectation = {
  is: (value) => OBJECT.is(value) && Object.values(value as object).every((one) => ['u32', 'i32', 'f32'].includes(one)),
  words: "types by name: 'u32', 'i32' or 'f32'",
};
const VARIANTS: Expectation = {
  is: (value) => Array.isArray(value) && value.length > 0,
  words: 'a list of variants, the plain one first: elementwise() and perElement() make some',
};
const CONFIGURATIONS: Expectation = {
  is: (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((one) => OBJECT.is(one) && Object.values(one).every(Number.isFinite)),
  words: 'a list of constants by name, [{}] where there are none: a variant of no configuration never runs',
};

const SPEC: OptionNames<Spec> = {
  name: true,
  params: true,
  bindings: true,
  applies: oneOf('epilogue', 'derivative'),
  variants: true,
  cost: true,
};
const BINDING: OptionNames<BindingSpec> = {
  access: true,
  type: oneOf('f32', 'u32', 'vec4f'),
  half: oneOf(true),
  gradient: oneOf(true),
};
const VARIANT: OptionNames<Variant<ParamSchema>> = {
  name: true,
  configurations: true,
  subgroups: oneOf(true, false),
  halves: { is: (value) => value === false || NAMES.is(value), words: `false, or ${NAMES.words}` },
  vectors: NAMES,
  extensions: FUNCTION,
  workgroupSize: true,
  supports: FUNCTION,
  estimate: FUNCTION,
  unrolled: FUNCTION,
  cycles: FUNCTION,
  inFlight: { is: (value) => Number.isFinite(value) && (value as number) > 0, words: 'a number of bytes above 0' },
  multiplyAddsPerLoad: FUNCTION,
  workgroups: true,
  text: true,
};
