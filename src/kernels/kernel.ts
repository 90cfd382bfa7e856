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
 *
 * What a binding's values are stored as is the storage's property (gpu/storage.ts): a run looks at its views, and the text
 * of a binding that may hold halves is made for what it finds (memory.ts).
 */
import {
  checkArguments,
  type Expectation,
  FUNCTION,
  OBJECT,
  orNothing,
  TEXT,
  wholeFrom,
  withMembers,
} from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { type Machine, machineOf, profileOf } from '../gpu/machine.ts';
import type { Dispatch } from '../gpu/program.ts';
import { checkView, type Precision, splitOffset, type View } from '../gpu/storage.ts';
import { assemble, layoutOf, withVectors } from './assemble.ts';
import { checkSpec } from './check-spec.ts';
import { type Applies, checkApplies, type Epilogues, namesOf } from './epilogue.ts';
import { memoryTime } from './estimate.ts';
import { type FieldType, writeField } from './field.ts';
import { type Memory, NO_HALVES } from './memory.ts';
import { textHash as hashOf } from './text-hash.ts';
import { gradientOf, withRule } from './update.ts';

/** Names and types of a kernel's parameters, in the order of the uniform struct. */
export type ParamSchema = Readonly<Record<string, FieldType>>;
/** Values of a kernel's parameters. */
export type Params<P extends ParamSchema> = { readonly [K in keyof P]: number };

/** One binding of a kernel. */
export interface BindingSpec {
  readonly access: 'read' | 'write';
  /** element type; f32 where left out. Views of vec4f begin at multiples of 16 bytes. */
  readonly type?: 'f32' | 'u32' | 'vec4f';
  /** The texts reach it by `Memory`, so that it may be bound to a storage of halves. */
  readonly half?: true;
  /** The texts write each value once, by `Memory`, so that a run may update a parameter by it (update.ts). */
  readonly gradient?: true;
}
/** Bindings of a kernel by name, in the order of the WGSL. */
export type BindingSchema = Readonly<Record<string, BindingSpec>>;

/** Bytes that one number of each binding takes in memory: 4, or 2 of halves. */
export type BytesOf<B extends BindingSchema> = { readonly [K in keyof B]: number };

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
  /** what activations and weights are stored as; f32 where left out */
  readonly precision?: Precision;
  /** it has matrix units that WGSL reaches, and may use them */
  readonly subgroupMatrices?: boolean;
  /** what it can do at once; of a GPU of the middle class where it is left out */
  readonly machine?: Machine;
  /**
   * Choices measured on this adapter, by kernel, the hash of its text, and shape; and algorithms by purpose, the hash of
   * their kernels' texts, and case: gpu/tuning.ts.
   */
  readonly tuning?: {
    find(kernel: string, text: () => string, shape: string): Choice | undefined;
    algorithm?(purpose: string, text: () => string, problem: () => string): string | undefined;
  };
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
  /**
   * false: it adds to what it has written, each time with a rounding, and does not run where a binding stores halves. Names:
   * it runs only where these bindings do
   */
  readonly halves?: false | readonly string[];
  /**
   * Bindings that are read as vectors of four: they are declared so in this text, and it runs only where their views begin at
   * whole vectors. `supports` sees to it that the rows it reads do, too.
   */
  readonly vectors?: readonly string[];
  /** what the text enables beside subgroups and, of halves, f16; with subgroup matrices `subgroup` is the subgroup's number */
  extensions?(configuration: Configuration): readonly string[];
  /** threads of a workgroup */
  workgroupSize(configuration: Configuration): number;
  /** whether the adapter can run it and whether it computes this case */
  supports?(capabilities: Capabilities, configuration: Configuration, params: Params<P>): boolean;
  /** a time in arbitrary units, to choose among variants and configurations without a measurement */
  estimate?(params: Params<P>, configuration: Configuration, capabilities: Capabilities): number;
  /** how much of the text is written out one by one: sums, say. Of configurations about as quick the least is taken (NEAR) */
  unrolled?(configuration: Configuration): number;
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
  /** @param memory how it reads and writes bindings that are `half` */
  text(configuration: Configuration, memory: Memory): VariantText;
}

/** What a run of a kernel computes and moves. */
export interface Cost {
  /** floating-point operations, a multiply-add counted as two: what the formula has, each transform of a tile once */
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
  /** what its texts apply to what they write (epilogue.ts); nothing unless given */
  readonly applies?: Applies;
  readonly variants: readonly [Variant<NoInfer<P>>, ...Variant<NoInfer<P>>[]];
  /** @param of the bytes of a number in each binding */
  cost(params: Params<P>, of: BytesOf<B>): Cost;
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
  /** of this run, on what its views store */
  readonly cost: Cost;
}

/** A kernel: its text in variants, what it costs, and how a run of it becomes a dispatch. `defineKernel` makes one. */
export interface Kernel<P extends ParamSchema = ParamSchema, B extends BindingSchema = BindingSchema>
  extends Omit<KernelSpec<P, B>, 'cost'> {
  /** What a run computes and moves; `of` gives the bytes of a number in each binding, 4 where left out. */
  cost(params: Params<P>, of?: BytesOf<B>): Cost;
  /** The final text of a variant, readable WGSL. @param halves the bindings that store halves; none unless given */
  source(choice: Choice, epilogues?: Epilogues, halves?: ReadonlySet<string>): string;
  /**
   * The variants and configurations that this adapter can run for this case, where these bindings store halves and the views
   * of those do not begin at whole vectors; never empty: the plain one always can.
   */
  choices(
    capabilities: Capabilities,
    params: Params<P>,
    halves?: ReadonlySet<string>,
    unaligned?: ReadonlySet<string>,
  ): Choice[];
  /**
   * The choice measured on this adapter for this shape (`Capabilities.tuning`); where there is none, and where bindings store
   * halves, which nobody measures, the estimated one.
   */
  best(
    capabilities: Capabilities,
    params: Params<P>,
    halves?: ReadonlySet<string>,
    unaligned?: ReadonlySet<string>,
  ): Choice;
  /** The choice with the least estimate. */
  estimated(
    capabilities: Capabilities,
    params: Params<P>,
    halves?: ReadonlySet<string>,
    unaligned?: ReadonlySet<string>,
  ): Choice;
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
    epilogues?: Epilogues,
  ): KernelDispatch;
}

/**
 * Makes a kernel of its description: the same schema gives the WGSL declarations and packs the bytes of each run.
 *
 * @throws Error where an epilogue does not fit, when a run is dispatched
 * @throws FrostlineError where parameters or a choice are none, where a view is missing, lies outside its storage or at no
 *   whole value, or is of halves and the kernel has no text for that
 */
export function defineKernel<const P extends ParamSchema, const B extends BindingSchema>(
  spec: KernelSpec<P, B>,
): Kernel<P, B> {
  checkSpec(spec);
  const bindingNames = Object.keys(spec.bindings);
  const { source, textHash } = textsOf(spec);
  const bytesOf = (halves: ReadonlySet<string>) =>
    Object.fromEntries(bindingNames.map((name) => [name, halves.has(name) ? 2 : 4])) as BytesOf<B>;
  const bytesOfSingles = bytesOf(NO_HALVES);
  const costed = {
    ...spec,
    bytes: (params: Params<P>, halves: ReadonlySet<string>) => spec.cost(params, bytesOf(halves)).bytes,
  };
  const integers = Object.keys(spec.params).filter((name) => spec.params[name] !== 'f32');

  /** Of a run: an update's bytes are those of the binding that it takes the place of. */
  function costOf(params: Params<P>, halves: ReadonlySet<string>, { update }: Epilogues, written?: View): Cost {
    const of = bytesOf(halves);
    if (update === undefined) return spec.cost(params, of);
    const { bindings, cost } = update.rule;
    const beside = Object.keys(bindings).map((name) => [name, halves.has(name) ? 2 : 4]);
    const own = cost(Object.fromEntries(beside));
    const { flops, bytes } = spec.cost(params, { ...of, [gradientOf(spec.bindings)!]: own.bytes });
    return { flops: flops + (own.flops * written!.bytes) / 4, bytes };
  }

  const kernel: Kernel<P, B> = {
    ...spec,
    source,
    textHash,
    cost: (params, of = bytesOfSingles) => spec.cost(params, of),
    shape: (params) => integers.map((name) => `${name} ${params[name]}`).join(' '),
    choices: (capabilities, params, halves = NO_HALVES, unaligned = ALIGNED) =>
      choicesOf(spec, capabilities, params, { halves, unaligned }),
    estimated: (capabilities, params, halves = NO_HALVES, unaligned = ALIGNED) =>
      quickestOf(costed, capabilities, params, { halves, unaligned }).choice,
    time: (capabilities, params) =>
      quickestOf(costed, capabilities, params, { halves: NO_HALVES, unaligned: ALIGNED }).time,
    best(capabilities, params, halves = NO_HALVES, unaligned = ALIGNED) {
      if (halves.size > 0) return kernel.estimated(capabilities, params, halves, unaligned);
      const measured = capabilities.tuning?.find(spec.name, textHash, kernel.shape(params));
      // The file may name what these limits, which tests make smaller, or these views do not allow.
      const able = measured && kernel.choices(capabilities, params, halves, unaligned);
      const allowed = able?.find((choice) => sameChoice(choice, measured!));
      return allowed ?? kernel.estimated(capabilities, params, halves, unaligned);
    },
    dispatch(capabilities, params, views, chosen, epilogues = {}) {
      checkArguments(`${spec.name}: dispatch`, {
        'the adapter': [capabilities, ADAPTER],
        params: [params, OBJECT],
        views: [views, OBJECT],
        epilogues: [epilogues, OBJECT],
      });
      const { update } = epilogues;
      if (update !== undefined) checkOverwrites(spec.name, params);
      const whole = withRule(spec, update?.rule);
      const bound: Readonly<Record<string, View>> = { ...views, ...update?.views };
      const names = Object.keys(whole.bindings);
      checkViews(whole, bound);
      const halves = halvesAmong(whole, bound);
      const own = new Set(bindingNames.filter((name) => halves.has(name)));
      const unaligned = new Set(bindingNames.filter((name) => !beginsAtVector(views[name])));
      const choice = chosen ?? kernel.best(capabilities, params, own, unaligned);
      const variant = chosenOf(spec, choice);
      const astray = variant.vectors?.find((name) => unaligned.has(name));
      if (astray !== undefined) throw new FrostlineError(notAtVector(spec.name, variant.name, astray, views[astray]));
      const declared = withVectors(whole.bindings, variant.vectors);
      const bases = names.map((name) => {
        const { rest } = splitOffset(bound[name].offset, capabilities.limits.offsetAlignment);
        return rest / ((declared[name].type === 'vec4f' ? 4 : 1) * (halves.has(name) ? 2 : 4));
      });
      const workgroups = variant.workgroups(params, choice.configuration);
      checkArguments(`${spec.name} ${variant.name}`, { 'the number of workgroups': [workgroups, WHOLE] });
      const written = bound[gradientOf(spec.bindings) ?? names[0]];
      return {
        label: [`${spec.name} ${choice.variant}`, ...namesOf(epilogues)].join(' + '),
        source: source(choice, epilogues, halves),
        uniforms: packUniforms(whole, { ...params, ...update?.params }, bases),
        bindings: names.map((name) => ({ access: whole.bindings[name].access, view: bound[name] })),
        workgroups,
        kernel: kernel as unknown as Kernel,
        params,
        choice,
        cost: withOperand(costOf(params, halves, epilogues, written), epilogues, views),
      };
    },
  };
  return kernel;
}

/** Names of bindings: those that store halves, and those whose views do not begin at whole vectors. */
interface Stored {
  readonly halves: ReadonlySet<string>;
  readonly unaligned: ReadonlySet<string>;
}
const ALIGNED: ReadonlySet<string> = new Set();

/** Four numbers of a view, in bytes. */
const vectorBytes = ({ storage }: View) => (storage?.precision === 'f16' ? 8 : 16);
const beginsAtVector = (view: View) => view.offset % vectorBytes(view) === 0 && view.bytes >= vectorBytes(view);
const notAtVector = (kernel: string, variant: string, binding: string, view: View) =>
  `${kernel} ${variant} reads ${binding} in vectors of four, but its view begins at byte ${view.offset} and has ${view.bytes} bytes. ` +
  `Give one that begins at a multiple of ${vectorBytes(view)} bytes and has as many, or leave the choice to the kernel.`;

type Spec<P extends ParamSchema> = Pick<KernelSpec<P, BindingSchema>, 'name' | 'params' | 'variants'>;

/** A spec, and what a run costs at so many bytes a value of each binding. */
type Costed<P extends ParamSchema> = Spec<P> & { bytes(params: Params<P>, halves: ReadonlySet<string>): number };

function variantOf<P extends ParamSchema>({ name: kernel, variants }: Spec<P>, name: string): Variant<P> {
  const variant = variants.find((candidate) => candidate.name === name);
  if (variant !== undefined) return variant;
  throw new FrostlineError(`${kernel} has no variant '${name}'. It has ${variants.map((one) => one.name).join(', ')}.`);
}

/** The variant of a choice that somebody may have made by hand: a constant that is missing would be NaN in the text. */
function chosenOf<P extends ParamSchema>(spec: Spec<P>, choice: Choice): Variant<P> {
  checkArguments(spec.name, { choice: [choice, CHOICE] });
  const variant = variantOf(spec, choice.variant);
  const namesIn = (configuration: Configuration) => Object.keys(configuration).sort().join(', ');
  const known = variant.configurations.map(namesIn);
  const { configuration } = choice;
  if (known.includes(namesIn(configuration)) && Object.values(configuration).every(Number.isFinite)) return variant;
  throw new FrostlineError(
    `${spec.name}: '${choiceText(choice)}' is no configuration of ${variant.name}. Give numbers for: ${known[0] || 'nothing'}.`,
  );
}

/** Refuses what no run can bind: WebGPU would tell of it late, and nothing would run on the device any more. */
function checkViews(
  { name: kernel, bindings }: { readonly name: string; readonly bindings: BindingSchema },
  views: Readonly<Record<string, View>>,
): void {
  for (const [name, { type }] of Object.entries(bindings)) {
    if (views[name] === undefined) {
      const given = Object.keys(views).join(', ') || 'none';
      throw new FrostlineError(
        `${kernel}: there is no view for ${name}. It binds ${Object.keys(bindings).join(', ')}; given: ${given}.`,
      );
    }
    checkView(`${kernel}: ${name}`, views[name], type === 'vec4f' ? vectorBytes(views[name]) : undefined);
  }
}

/** Of a kernel that updates by what it writes: what windows before have left there would be the parameter. */
function checkOverwrites(kernel: string, params: Readonly<Record<string, unknown>>): void {
  if (params['accumulate'] !== 1) return;
  throw new FrostlineError(`${kernel} adds to what it updates, the parameter itself. Run it with accumulate 0.`);
}

/** A kernel's texts, each made once, and the hash of all that are tuned. */
function textsOf<P extends ParamSchema, B extends BindingSchema>(
  spec: KernelSpec<P, B>,
): Pick<Kernel<P, B>, 'source' | 'textHash'> {
  const texts = new Map<string, string>();
  let hash: string | undefined;
  return {
    source(choice, epilogues = {}, halves = NO_HALVES) {
      const { combination, map, derivative, update } = epilogues;
      const applied = [map?.wgsl, combination?.wgsl, combination?.operand, derivative?.wgsl, update?.rule.name];
      const key = JSON.stringify([choice.variant, choice.configuration, ...halves, applied]);
      let text = texts.get(key);
      if (text === undefined) {
        checkApplies(spec.applies, epilogues, `${spec.name} ${choice.variant}`);
        text = assemble(spec, variantOf(spec, choice.variant), choice.configuration, halves, epilogues);
        texts.set(key, text);
      }
      return text;
    },
    textHash() {
      hash ??= hashOf(
        spec.variants
          // Results are of f32 alone.
          .filter(({ halves }) => !Array.isArray(halves))
          .flatMap((variant) => variant.configurations.map((one) => assemble(spec, variant, one, NO_HALVES, {})))
          .join('\n'),
      );
      return hash;
    },
  };
}

function choicesOf<P extends ParamSchema>(
  { variants }: Spec<P>,
  capabilities: Capabilities,
  params: Params<P>,
  { halves, unaligned }: Stored,
): Choice[] {
  const able = variants
    .filter(({ halves: wanted = [] }) =>
      wanted === false ? halves.size === 0 : wanted.every((name) => halves.has(name)),
    )
    .filter(({ vectors = [] }) => !vectors.some((name) => unaligned.has(name)));
  return able.flatMap((variant) =>
    variant.configurations
      .filter((configuration) => variant.workgroupSize(configuration) <= capabilities.limits.maxThreads)
      .filter((configuration) => variant.supports?.(capabilities, configuration, params) ?? true)
      .map((configuration) => ({ variant: variant.name, configuration })),
  );
}

/** Estimates this close say nothing; where a driver takes seconds to compile a long text, the shortest is taken then. */
const NEAR = 1.05;

/** Cycles that a GPU's memory takes, where a variant's estimate is cycles of its arithmetic. */
function memoryBound<P extends ParamSchema>(
  spec: Costed<P>,
  variant: Pick<Variant<P>, 'cycles' | 'inFlight' | 'workgroups' | 'workgroupSize'>,
  run: { readonly params: Params<P>; readonly choice: Choice; readonly halves: ReadonlySet<string> },
  capabilities: Capabilities,
): number {
  if (variant.cycles === undefined || profileOf(capabilities).unit !== 'cycles') return 0;
  const { params, choice, halves } = run;
  const machine = machineOf(capabilities);
  const threads = variant.workgroups(params, choice.configuration) * variant.workgroupSize(choice.configuration);
  return (
    machine.cycles * memoryTime({ bytes: spec.bytes(params, halves), threads, inFlight: variant.inFlight }, machine)
  );
}

function quickestOf<P extends ParamSchema>(
  spec: Costed<P>,
  capabilities: Capabilities,
  params: Params<P>,
  stored: Stored,
): { readonly choice: Choice; readonly time: number } {
  const rated = choicesOf(spec, capabilities, params, stored).map((choice) => {
    const { estimate, unrolled, ...variant } = variantOf(spec, choice.variant);
    const time = Math.max(
      estimate?.(params, choice.configuration, capabilities) ?? 1e300,
      memoryBound(spec, variant, { params, choice, halves: stored.halves }, capabilities),
    );
    // Compared with anything it would never be the least, unnoticed.
    if (Number.isNaN(time))
      throw new FrostlineError(
        `${spec.name}: the estimate of ${choice.variant} is not a number. Mend \`estimate\` or \`cycles\`.`,
      );
    return { choice, time, unrolled: unrolled?.(choice.configuration) ?? 0 };
  });
  if (rated.length === 0)
    throw new FrostlineError(
      `${spec.name}: no variant runs within this adapter's limits and features. The first one must run everywhere: give it no \`supports\`.`,
    );
  const quickest = rated.reduce((a, b) => (b.time < a.time ? b : a));
  if (profileOf(capabilities).compile === 0) return quickest;
  return rated
    .filter(({ choice, time }) => choice.variant === quickest.choice.variant && time <= NEAR * quickest.time)
    .reduce((a, b) => (b.unrolled < a.unrolled || (b.unrolled === a.unrolled && b.time < a.time) ? b : a));
}

/** The uniform struct of a run: the parameters, then where each binding's view begins. */
function packUniforms(
  spec: { readonly name: string; readonly params: ParamSchema; readonly bindings: BindingSchema },
  params: Params<ParamSchema>,
  bases: readonly number[],
): Uint8Array<ArrayBuffer> {
  const layout = layoutOf(spec);
  const bytes = new Uint8Array(Math.ceil((layout.length * 4) / 16) * 16);
  const view = new DataView(bytes.buffer);
  const values = [...Object.keys(spec.params).map((name) => params[name]), ...bases];
  layout.forEach((field, i) => {
    writeField(view, 4 * i, spec.name, field, values[i]);
  });
  return bytes;
}

/** The bindings whose views store halves, in the order of the schema. */
function halvesAmong<B extends BindingSchema>(
  { name: kernel, bindings }: { readonly name: string; readonly bindings: B },
  views: { readonly [K in keyof B]: View },
): ReadonlySet<string> {
  const unable = withoutHalves({ bindings }, views);
  if (unable !== undefined) throw new FrostlineError(withoutText(kernel, unable));
  const halves = Object.keys(bindings).filter((name) => views[name].storage.precision === 'f16');
  return halves.length === 0 ? NO_HALVES : new Set(halves);
}

/** With the bytes of a combination's operand, which is read once. */
function withOperand({ flops, bytes }: Cost, { combination }: Epilogues, views: Readonly<Record<string, View>>): Cost {
  return { flops, bytes: bytes + (combination === undefined ? 0 : views['aux'].bytes) };
}

/** A binding that is to hold halves and has no text for them. */
export function withoutHalves<B extends BindingSchema>(
  { bindings }: { readonly bindings: B },
  views: { readonly [K in keyof B]: View },
): string | undefined {
  return Object.keys(bindings).find((name) => views[name].storage.precision === 'f16' && bindings[name].half !== true);
}

/** As 'tiled rows 128 columns 128'. */
export function choiceText(choice: Choice): string {
  checkArguments('choiceText', { choice: [choice, CHOICE] });
  const { variant, configuration } = choice;
  return [variant, ...Object.entries(configuration).map(([name, value]) => `${name} ${value}`)].join(' ');
}

const WHOLE = wholeFrom(0);
const ADAPTER = withMembers('what Gpu.open() or Gpu.from() gives', {
  kind: TEXT.is,
  limits: OBJECT.is,
});
const CHOICE = withMembers('a choice, { variant, configuration }', { variant: TEXT.is, configuration: OBJECT.is });

export function sameChoice(one: Choice, other: Choice): boolean {
  const keys = Object.keys(one.configuration);
  return (
    one.variant === other.variant &&
    keys.length === Object.keys(other.configuration).length &&
    keys.every((key) => one.configuration[key] === other.configuration[key])
  );
}

const withoutText = (kernel: string, binding: string) =>
  `${kernel} has no text for half precision: its ${binding} would be halves. Use --precision f32.`;

/** Part of a text: as it is, or made for what the bindings store. */
export type Statements = string | ((memory: Memory) => string);

function written(text: Statements, memory: Memory): string;
function written(text: Statements | undefined, memory: Memory): string | undefined;
function written(text: Statements | undefined, memory: Memory): string | undefined {
  return typeof text === 'function' ? text(memory) : text;
}

const STATEMENTS: Expectation = {
  is: (value) => TEXT.is(value) || FUNCTION.is(value),
  words: 'WGSL, or a function that makes it',
};

function checkStatements(what: string, count: unknown, guard: unknown, main: unknown, declarations: unknown): void {
  checkArguments(what, {
    count: [count, FUNCTION],
    guard: [guard, TEXT],
    main: [main, STATEMENTS],
    declarations: [declarations, orNothing(STATEMENTS)],
  });
}

/** Threads of a workgroup where every output is computed alone. */
const THREADS = 64;

/** Elements a thread takes in `coarsened`. Not small: short loops of known length are unrolled, which gains nothing. */
const COARSENED = [64, 256];

/**
 * The variants of a kernel that computes each output alone, from the text for one of them (as for `perElement`):
 * plain, and `coarsened`: several elements a thread, a workgroup's width apart, so that neighbours still touch neighbouring
 * addresses. Lavapipe spends as long on starting a workgroup as on hundreds of simple elements; the embedded driver, whose
 * elements take longer, as on a dozen.
 */
export function elementwise<P extends ParamSchema>(
  count: (params: Params<P>) => number,
  guard: string,
  main: Statements,
  declarations?: Statements,
): readonly [Variant<P>, Variant<P>] {
  checkStatements('elementwise', count, guard, main, declarations);
  // Where starting workgroups is hidden, as what they wait for is behind others: one element a thread.
  const estimate = (params: Params<P>, elements: number, capabilities: Capabilities) => {
    const { workgroups } = profileOf(capabilities);
    return workgroups === undefined
      ? count(params) * (1 + elements / 64)
      : Math.ceil(count(params) / (THREADS * elements) / workgroups.atOnce) * (workgroups.start + THREADS * elements);
  };
  return [
    {
      ...perElement(count, guard, main, declarations),
      estimate: (params, _, capabilities) => estimate(params, 1, capabilities),
    },
    {
      name: 'coarsened',
      configurations: COARSENED.map((elements) => ({ elements })),
      workgroupSize: () => THREADS,
      workgroups: (params, { elements }) => Math.ceil(count(params) / (THREADS * elements)),
      estimate: (params, { elements }, capabilities) => estimate(params, elements, capabilities),
      text: ({ elements }, memory) => ({
        declarations: `${written(declarations, memory) ?? ''}
fn element(index: u32) {
${written(main, memory).replace(/^\n+|\s+$/g, '')}
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
  main: Statements,
  declarations?: Statements,
): Variant<P> {
  checkStatements('perElement', count, guard, main, declarations);
  return {
    name: 'plain',
    configurations: [{}],
    workgroupSize: () => THREADS,
    workgroups: (params) => Math.ceil(count(params) / THREADS),
    text: (_, memory) => ({
      main: `  if (index >= ${guard}) { return; }\n${written(main, memory).replace(/^\n+/, '')}`,
      declarations: written(declarations, memory),
    }),
  };
}
