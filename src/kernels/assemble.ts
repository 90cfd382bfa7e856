/** The final text of a kernel: declarations of its parameters and bindings, what it applies, and a variant's own text. */
import { type Epilogues, epilogueText } from './epilogue.ts';
import type { FieldType } from './field.ts';
import type { BindingSchema, Configuration, KernelSpec, ParamSchema, Variant } from './kernel.ts';
import { memoryOf } from './memory.ts';
import { gradientOf, updateText, withRule } from './update.ts';

/** The uniform struct: the parameters, and for each binding the element at which its view begins. */
export const layoutOf = ({
  params,
  bindings,
}: {
  readonly params: ParamSchema;
  readonly bindings: BindingSchema;
}): readonly (readonly [string, FieldType])[] => [
  ...Object.entries(params),
  ...Object.keys(bindings).map((name) => [`${name}_base`, 'u32'] as const),
];

/** The bindings as a text declares them that reads these as vectors of four. */
export const withVectors = (bindings: BindingSchema, vectors: readonly string[] = []): BindingSchema =>
  Object.fromEntries(
    Object.entries(bindings).map(([name, spec]) => [name, vectors.includes(name) ? { ...spec, type: 'vec4f' } : spec]),
  );

/** The text of a variant on bindings of which some store halves, with what it applies. */
export function assemble<P extends ParamSchema, B extends BindingSchema>(
  spec: KernelSpec<P, B>,
  variant: Variant<P>,
  configuration: Configuration,
  halves: ReadonlySet<string>,
  epilogues: Epilogues,
): string {
  const rule = epilogues.update?.rule;
  const whole = withRule(spec, rule);
  const updated = rule && gradientOf(spec.bindings);
  const declared = withVectors(whole.bindings, variant.vectors);
  const memory = memoryOf(declared, halves, updated);
  const enabled = new Set([
    ...(variant.subgroups ? ['subgroups'] : []),
    ...(halves.size > 0 ? ['f16'] : []),
    ...(variant.extensions?.(configuration) ?? []),
  ]);
  const matrices = enabled.has('chromium_experimental_subgroup_matrix');
  const { main, declarations } = variant.text(configuration, memory);
  const constants = Object.entries(configuration).map(([name, value]) => `${name} ${value}`);
  const size = variant.workgroupSize(configuration);
  const fields = layoutOf(whole).map(([name, type]) => `  ${name}: ${type},`);
  const bindings = Object.entries(declared).map(
    ([name, { access }], i) =>
      `@group(0) @binding(${i + 1}) var<storage, ${access === 'read' ? 'read' : 'read_write'}> ${name}: array<${memory.elementOf(name)}>;`,
  );
  const laneBuiltin = variant.subgroups ? 'subgroup_invocation_id' : 'local_invocation_index';
  return [
    ...[...enabled].map((name) => `enable ${name};`),
    `// ${spec.name}, variant ${variant.name}${constants.length > 0 ? `: ${constants.join(', ')}` : ''}`,
    'struct Params {',
    ...fields,
    '}',
    '@group(0) @binding(0) var<uniform> p: Params;',
    ...bindings,
    ...(rule === undefined ? [] : [updateText(rule, updated!, memory).trim()]),
    ...(spec.applies === undefined ? [] : [epilogueText(spec.applies, memory, epilogues).trim()]),
    ...(declarations === undefined ? [] : [declarations.trim()]),
    `@compute @workgroup_size(${size})`,
    'fn main(',
    '  @builtin(workgroup_id) workgroup_id: vec3u,',
    '  @builtin(num_workgroups) workgroup_count: vec3u,',
    `  @builtin(${laneBuiltin}) lane: u32,`,
    ...(matrices ? ['  @builtin(subgroup_id) subgroup: u32,'] : []),
    ') {',
    '  let workgroup = workgroup_id.x + workgroup_id.y * workgroup_count.x;',
    `  let index = workgroup * ${size}u + lane;`,
    main.replace(/^\n+|\s+$/g, ''),
    '}',
    '',
  ].join('\n');
}
