/**
 * `defineKernel`: what a kernel is. A name, the uniform parameter struct and the bindings (each described once: the
 * same schema gives the WGSL declarations and packs the bytes), one or more variants of its text, and its cost.
 *
 * A kernel knows shapes and views of memory, never a tensor. Variant 0 is the plain one: one thread an output, the
 * formula as it is written in books. It stays for ever as fallback, teaching text and oracle for the faster ones.
 *
 * In a variant's text these names are in scope: `p` (the parameters), the bindings as arrays, `p.<binding>_base` (the
 * element at which the view begins, since binding offsets must be aligned and views need not), and in `main` also
 * `workgroup` (its number, folded from two dimensions), `lane` (within the workgroup) and `index` (the thread's number).
 */

import type { Machine } from '../gpu/machine.ts';
import type { Dispatch } from '../gpu/program.ts';
import { splitOffset, type View } from '../gpu/storage.ts';
import { type Epilogue, fill, hasHole } from './epilogue.ts';
import { textHash } from './text-hash.ts';

/** Types of a kernel's parameters. */
export type FieldType = 'u32' | 'i32' | 'f32';
/** Names and types of a kernel's parameters, in the order of the uniform struct. */
export type ParamSchema = Readonly<Record<string, FieldType>>;
/** Values of a kernel's parameters. */
export type Params<P extends ParamSchema> = { readonly [K in keyof P]: number };

/** One binding of a kernel. */
export interface BindingSpec {
  readonly access: 'read' | 'write';
  /** element type; f32 where left out. Views of vec4f begin at multiples of 16 bytes. */
  readonly type?: 'f32' | 'u32' | 'vec4f';
}
/** Bindings of a kernel by name, in the order of the WGSL. */
export type BindingSchema = Readonly<Record<string, BindingSpec>>;

/** What a variant may ask of the adapter. `Gpu` satisfies it. */
export interface Capabilities {
  readonly kind: 'hardware' | 'software' | 'embedded';
  readonly subgroupWidth: number;
  readonly limits: {
    readonly maxBinding: number;
    readonly maxThreads: number;
    readonly maxWorkgroupMemory: number;
    readonly offsetAlignment: number;
  };
  /** what it can do at once; of a GPU of the middle class where it is left out */
  readonly machine?: Machine;
  /** Choices measured on this adapter, by kernel, the hash of its text, and shape: gpu/tuning.ts. */
  readonly tuning?: { find(kernel: string, text: () => string, shape: string): Choice | undefined };
  /** Algorithms that are forced, by operator ('conv2d') or result ('conv2d forward'): gpu/algorithms.ts. */
  readonly algorithms?: ReadonlyMap<string, string>;
  /** Tells, once, what is done otherwise than asked. */
  notice?(text: string): void;
}

/** Constants in the text: tile sizes, unrolling. */
export type Configuration = Readonly<Record<string, number>>;

/** WGSL of a variant. */
export interface VariantText {
  /** statements of the entry point */
  readonly main: string;
  /** declarations before it: functions, workgroup memory */
  readonly declarations?: string;
}

/** One text of a kernel, with the constants that it can be tuned by. */
export interface Variant<P extends ParamSchema> {
  readonly name: string;
  /** Candidates for tuning; the first that fits is the default where `estimate` is left out. */
  readonly configurations: readonly Configuration[];
  /** whether the text uses subgroup operations; the workgroup is then exactly one subgroup */
  readonly subgroups?: boolean;
  /** threads of a workgroup */
  workgroupSize(configuration: Configuration): number;
  /** whether the adapter can run it and whether it computes this case */
  supports?(capabilities: Capabilities, configuration: Configuration, params: Params<P>): boolean;
  /** a time in arbitrary units, to choose among variants and configurations without a measurement */
  estimate?(params: Params<P>, configuration: Configuration, capabilities: Capabilities): number;
  /** cycles of the whole GPU, where they are known better than by operations and bytes (time-model.ts) */
  cycles?(params: Params<P>, configuration: Configuration, capabilities: Capabilities): number;
  /** bytes that a thread has on its way from memory at a time (time-model.ts); 16 where left out: a few values of four */
  readonly inFlight?: number;
  /**
   * multiply-adds for each load from workgroup memory in the innermost loop, at least: what a kernel for GPUs is held to in
   * machine code (test/bench/machine-code.test.ts)
   */
  multiplyAddsPerLoad?(configuration: Configuration): number;
  /** number of workgroups */
  workgroups(params: Params<P>, configuration: Configuration): number;
  text(configuration: Configuration): VariantText;
}

/** What a run of a kernel computes and moves. */
export interface Cost {
  /** floating-point operations, a multiply-add counted as two */
  readonly flops: number;
  /** the fewest bytes that must move: every input read once, every output written once */
  readonly bytes: number;
}

/** What `defineKernel` takes. */
export interface KernelSpec<P extends ParamSchema, B extends BindingSchema> {
  /** folder/direction, as in `conv2d/forward` */
  readonly name: string;
  readonly params: P;
  readonly bindings: B;
  readonly variants: readonly [Variant<NoInfer<P>>, ...Variant<NoInfer<P>>[]];
  cost(params: Params<P>): Cost;
}

/** A variant of a kernel and its configuration. */
export interface Choice {
  readonly variant: string;
  readonly configuration: Configuration;
}

/** A dispatch that still knows what it runs, for those who list the runs of a compiled graph. */
export interface KernelDispatch extends Dispatch {
  readonly kernel: Kernel;
  readonly params: Params<ParamSchema>;
  readonly choice: Choice;
}

/** A kernel: its text in variants, what it costs, and how a run of it becomes a dispatch. `defineKernel` makes one. */
export interface Kernel<P extends ParamSchema = ParamSchema, B extends BindingSchema = BindingSchema>
  extends KernelSpec<P, B> {
  /** The final text of a variant, readable WGSL. */
  source(choice: Choice, epilogue?: Epilogue): string;
  /** The variants and configurations that this adapter can run for this case; never empty: the plain one always can. */
  choices(capabilities: Capabilities, params: Params<P>): Choice[];
  /** The choice measured on this adapter for this shape (`Capabilities.tuning`); where there is none, the estimated one. */
  best(capabilities: Capabilities, params: Params<P>): Choice;
  /** The choice with the least estimate. */
  estimated(capabilities: Capabilities, params: Params<P>): Choice;
  /** That estimate: comparable among kernels whose variants count in the same unit. */
  time(capabilities: Capabilities, params: Params<P>): number;
  /**
   * What tuning results are kept by: the integers among the parameters. Those of type f32 scale values, and change
   * neither loops nor addresses.
   */
  shape(params: Params<P>): string;
  /** Hash of the text of all variants in all configurations: results measured with another text do not count. */
  textHash(): string;
  /** One run on these views. Without `choice`, the best. */
  dispatch(
    capabilities: Capabilities,
    params: Params<P>,
    views: { readonly [K in keyof B]: View },
    choice?: Choice,
    epilogue?: Epilogue,
  ): KernelDispatch;
}

/**
 * Makes a kernel of its description: the same schema gives the WGSL declarations and packs the bytes of each run.
 *
 * @throws Error where parameters or an epilogue do not fit, when a run is dispatched
 */
export function defineKernel<const P extends ParamSchema, const B extends BindingSchema>(
  spec: KernelSpec<P, B>,
): Kernel<P, B> {
  const bindingNames = Object.keys(spec.bindings);
  const layout: [string, FieldType][] = [
    ...Object.entries(spec.params),
    ...bindingNames.map((name): [string, FieldType] => [`${name}_base`, 'u32']),
  ];
  const texts = new Map<string, string>();

  function variantNamed(name: string): Variant<P> {
    const variant = spec.variants.find((candidate) => candidate.name === name);
    if (variant === undefined) {
      throw new Error(`${spec.name} has no variant ${name}, only ${spec.variants.map((v) => v.name).join(', ')}`);
    }
    return variant;
  }

  function source({ variant: name, configuration }: Choice, epilogue?: Epilogue): string {
    const key = `${name} ${JSON.stringify(configuration)} ${epilogue?.wgsl ?? ''}`;
    let text = texts.get(key);
    if (text === undefined) {
      text = assemble(spec, layout, variantNamed(name), configuration);
      if (epilogue !== undefined) {
        // Dropped unnoticed, it would be a wrong result.
        if (!hasHole(text)) throw new Error(`${spec.name} ${name} cannot apply ${epilogue.name}`);
        text = fill(text, epilogue);
      }
      texts.set(key, text);
    }
    return text;
  }

  function choices(capabilities: Capabilities, params: Params<P>): Choice[] {
    return spec.variants.flatMap((variant) =>
      variant.configurations
        .filter((configuration) => variant.workgroupSize(configuration) <= capabilities.limits.maxThreads)
        .filter((configuration) => variant.supports?.(capabilities, configuration, params) ?? true)
        .map((configuration) => ({ variant: variant.name, configuration })),
    );
  }

  const integers = Object.keys(spec.params).filter((name) => spec.params[name] !== 'f32');
  const shape = (params: Params<P>) => integers.map((name) => `${name} ${params[name]}`).join(' ');

  let hash: string | undefined;
  function hashOfTexts(): string {
    hash ??= textHash(
      spec.variants
        .flatMap((variant) => variant.configurations.map((one) => assemble(spec, layout, variant, one)))
        .join('\n'),
    );
    return hash;
  }

  function best(capabilities: Capabilities, params: Params<P>): Choice {
    const measured = capabilities.tuning?.find(spec.name, hashOfTexts, shape(params));
    // The file may name what these limits, which tests make smaller, do not allow.
    const allowed = measured && choices(capabilities, params).find((choice) => sameChoice(choice, measured));
    return allowed ?? estimated(capabilities, params);
  }

  function quickest(capabilities: Capabilities, params: Params<P>): { choice: Choice; time: number } {
    let chosen: Choice | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const choice of choices(capabilities, params)) {
      const estimate = variantNamed(choice.variant).estimate?.(params, choice.configuration, capabilities) ?? 1e300;
      // Compared with anything it would never be the least, unnoticed.
      if (Number.isNaN(estimate)) throw new Error(`${spec.name}: no estimate of ${choice.variant}`);
      if (estimate < least) {
        least = estimate;
        chosen = choice;
      }
    }
    if (chosen === undefined) throw new Error(`${spec.name}: no variant runs, not even the plain one`);
    return { choice: chosen, time: least };
  }
  const estimated = (capabilities: Capabilities, params: Params<P>) => quickest(capabilities, params).choice;
  const time = (capabilities: Capabilities, params: Params<P>) => quickest(capabilities, params).time;

  function pack(params: Params<P>, bases: readonly number[]): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.ceil((layout.length * 4) / 16) * 16);
    const view = new DataView(bytes.buffer);
    const values = [...Object.keys(spec.params).map((name) => params[name]), ...bases];
    layout.forEach(([name, type], i) => {
      const value = values[i];
      if (type === 'f32') view.setFloat32(4 * i, value, true);
      else if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 32) {
        throw new Error(`${spec.name}: parameter ${name} is ${value}, not a 32-bit integer`);
      } else view.setInt32(4 * i, value, true);
    });
    return bytes;
  }

  const kernel: Kernel<P, B> = {
    ...spec,
    source,
    choices,
    best,
    estimated,
    time,
    shape,
    textHash: hashOfTexts,
    dispatch(capabilities, params, views, choice = best(capabilities, params), epilogue) {
      const variant = variantNamed(choice.variant);
      const bases = bindingNames.map((name) => {
        const { rest } = splitOffset(views[name].offset, capabilities.limits.offsetAlignment);
        return rest / (spec.bindings[name].type === 'vec4f' ? 16 : 4);
      });
      return {
        label: `${spec.name} ${choice.variant}${epilogue === undefined ? '' : ` + ${epilogue.name}`}`,
        source: source(choice, epilogue),
        uniforms: pack(params, bases),
        bindings: bindingNames.map((name) => ({ access: spec.bindings[name].access, view: views[name] })),
        workgroups: variant.workgroups(params, choice.configuration),
        kernel: kernel as unknown as Kernel,
        params,
        choice,
      };
    },
  };
  return kernel;
}

/** As 'tiled rows 128 columns 128'. */
export const choiceText = ({ variant, configuration }: Choice) =>
  [variant, ...Object.entries(configuration).map(([name, value]) => `${name} ${value}`)].join(' ');

export function sameChoice(one: Choice, other: Choice): boolean {
  const keys = Object.keys(one.configuration);
  return (
    one.variant === other.variant &&
    keys.length === Object.keys(other.configuration).length &&
    keys.every((key) => one.configuration[key] === other.configuration[key])
  );
}

function assemble<P extends ParamSchema, B extends BindingSchema>(
  spec: KernelSpec<P, B>,
  layout: readonly [string, FieldType][],
  variant: Variant<P>,
  configuration: Configuration,
): string {
  const { main, declarations } = variant.text(configuration);
  const constants = Object.entries(configuration).map(([name, value]) => `${name} ${value}`);
  const size = variant.workgroupSize(configuration);
  const fields = layout.map(([name, type]) => `  ${name}: ${type},`);
  const bindings = Object.entries(spec.bindings).map(
    ([name, { access, type }], i) =>
      `@group(0) @binding(${i + 1}) var<storage, ${access === 'read' ? 'read' : 'read_write'}> ${name}: array<${type ?? 'f32'}>;`,
  );
  const laneBuiltin = variant.subgroups ? 'subgroup_invocation_id' : 'local_invocation_index';
  return [
    ...(variant.subgroups ? ['enable subgroups;'] : []),
    `// ${spec.name}, variant ${variant.name}${constants.length > 0 ? `: ${constants.join(', ')}` : ''}`,
    'struct Params {',
    ...fields,
    '}',
    '@group(0) @binding(0) var<uniform> p: Params;',
    ...bindings,
    ...(declarations === undefined ? [] : [declarations.trim()]),
    `@compute @workgroup_size(${size})`,
    'fn main(',
    '  @builtin(workgroup_id) workgroup_id: vec3u,',
    '  @builtin(num_workgroups) workgroup_count: vec3u,',
    `  @builtin(${laneBuiltin}) lane: u32,`,
    ') {',
    '  let workgroup = workgroup_id.x + workgroup_id.y * workgroup_count.x;',
    `  let index = workgroup * ${size}u + lane;`,
    main.replace(/^\n+|\s+$/g, ''),
    '}',
    '',
  ].join('\n');
}

/** Threads of a workgroup where every output is computed alone. */
const THREADS = 64;

/** Elements a thread takes in `several`. Not small: short loops of known length are unrolled, which gains nothing. */
const SEVERAL = [64, 256];

/** Workgroups at work at once, and what one costs before its first element, in elements; orders of magnitude only. */
const WORKERS = { software: 4, embedded: 4 } as const;
const START = { software: 256, embedded: 16 } as const;

/**
 * The variants of a kernel that computes each output alone, from the text for one of them (as for `perElement`):
 * plain, and `several` elements a thread, a workgroup's width apart, so that neighbours still touch neighbouring
 * addresses. Lavapipe spends as long on starting a workgroup as on hundreds of simple elements; the embedded driver, whose
 * elements take longer, as on a dozen.
 */
export function elementwise<P extends ParamSchema>(
  count: (params: Params<P>) => number,
  guard: string,
  main: string,
  declarations?: string,
): readonly [Variant<P>, Variant<P>] {
  // A GPU starts workgroups for nothing, and hides what they wait for behind others: one element a thread.
  const estimate = (params: Params<P>, elements: number, { kind }: Capabilities) =>
    kind === 'hardware'
      ? count(params) * (1 + elements / 64)
      : Math.ceil(count(params) / (THREADS * elements) / WORKERS[kind]) * (START[kind] + THREADS * elements);
  return [
    {
      ...perElement(count, guard, main, declarations),
      estimate: (params, _, capabilities) => estimate(params, 1, capabilities),
    },
    {
      name: 'several',
      configurations: SEVERAL.map((elements) => ({ elements })),
      workgroupSize: () => THREADS,
      workgroups: (params, { elements }) => Math.ceil(count(params) / (THREADS * elements)),
      estimate: (params, { elements }, capabilities) => estimate(params, elements, capabilities),
      text: ({ elements }) => ({
        declarations: `${declarations ?? ''}
fn element(index: u32) {
${main.replace(/^\n+|\s+$/g, '')}
}`,
        main: `
  let first = workgroup * ${THREADS * elements}u;
  let end = min(first + ${THREADS * elements}u, ${guard});
  for (var at = first + lane; at < end; at += ${THREADS}u) { element(at); }`,
      }),
    },
  ];
}

/** A plain variant: one thread for each of `count` outputs; the text begins where `index` is known to be one of them. */
export function perElement<P extends ParamSchema>(
  count: (params: Params<P>) => number,
  guard: string,
  main: string,
  declarations?: string,
): Variant<P> {
  return {
    name: 'plain',
    configurations: [{}],
    workgroupSize: () => THREADS,
    workgroups: (params) => Math.ceil(count(params) / THREADS),
    text: () => ({ main: `  if (index >= ${guard}) { return; }\n${main.replace(/^\n+/, '')}`, declarations }),
  };
}
