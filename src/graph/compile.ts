/**
 * From tensors to a static program.
 *
 * 1. The tape: everything that the wanted tensors are made of, in order of creation.
 * 2. The frost line: a tensor needs a gradient when it is a trainable parameter (or asked for) or made of one that does.
 *    Nothing else is differentiated, and nothing is kept for a derivative that will not run.
 * 3. Forward, in the tape's order; then backward, in reverse. A tensor's gradient is written by the first operation that
 *    contributes to it and added to by the others. A parameter is updated as soon as its last contribution is there, so
 *    that its gradient's memory is free again.
 * 4. Transient memory by lifetimes (memory.ts); pipelines, asynchronously and in parallel (gpu/program.ts).
 *
 * Who owns what: a `Parameter` owns its values on the device; a `CompiledGraph` owns inputs, momentum, activations.
 */
import { FrostlineError } from '../errors.ts';
import { bufferOf, type Gpu } from '../gpu/device.ts';
import { type Dispatch, Program } from '../gpu/program.ts';
import { Storage } from '../gpu/storage.ts';
import { addAccumulate } from '../kernels/add/add.ts';
import { fillConstant } from '../kernels/fill/fill.ts';
import type { Cost } from '../kernels/kernel.ts';
import { sgdm, sgdmMasked } from '../kernels/sgdm/sgdm.ts';
import { packStep, STEP_WORDS, type StepValues } from '../kernels/step.ts';
import { assignBuffers, mostAlive } from './memory.ts';
import type { BackwardEmitter, ForwardEmitter } from './operation.ts';
import { type Mask, Parameter, type Tensor } from './tensor.ts';
import { flatWindows, rows } from './windows.ts';

export interface CompileOptions {
  /** tensors to be read after a run */
  readonly outputs?: readonly Tensor[];
  /** the tensor to differentiate: of one value, or of any shape with `upstream` */
  readonly loss?: Tensor;
  /**
   * dL/d loss, an `input` of the loss's shape; default 1. With it, backward gives the vector-Jacobian product: PyTorch's
   * `backward(gradient)`.
   */
  readonly upstream?: Tensor;
  /** update the trainable parameters by SGD with momentum after each backward pass */
  readonly update?: boolean;
  /** tensors (parameters, inputs, any in between) whose gradients are to be read after a run */
  readonly gradients?: readonly Tensor[];
  /** dropout draws; default: whether there is a loss to differentiate */
  readonly training?: boolean;
  /**
   * copies in other layouts of parameters that are not trained are made once, as far as memory allows; false: in each run,
   * so that its time holds them. Default true
   */
  readonly keepPacked?: boolean;
}

export interface CompiledMemory {
  /** bytes of the parameters' values, of their momentum, of inputs, outputs and constants */
  readonly parameters: number;
  readonly momentum: number;
  readonly pinned: number;
  /** bytes of copies in other layouts of parameters that are not trained, made once */
  readonly packed: number;
  /** pooled bytes: the arena that all else shares, activations, gradients, and what kernels need between them */
  readonly transient: number;
  /**
   * the most bytes of activations, what is saved of them, and their gradients that live at one time: what `transient`
   * could be at best, were buffers shared perfectly, parameters updated without a gradient in memory, and nothing packed
   * or padded
   */
  readonly leastTransient: number;
}

export class CompiledGraph {
  readonly gpu: Gpu;
  readonly memory: CompiledMemory;
  /** the arithmetic of one run */
  readonly cost: Cost;
  /**
   * how many of the first dispatches are the forward pass, with the gradient that a loss makes on the way; backward and
   * update follow
   */
  readonly forwardDispatches: number;
  private readonly program: Program;
  /** copies of parameters in other layouts, and of which version of the values they are */
  private readonly preparations: { readonly parameter: Parameter; readonly program: Program; madeOf: number }[];
  private readonly trained: readonly Parameter[];
  private readonly values: ReadonlyMap<Tensor, Storage>;
  /** storages that nothing else overwrites within a run */
  private readonly lasting: ReadonlySet<Storage>;
  private readonly gradients: ReadonlyMap<Tensor, Storage>;
  private readonly momentum: readonly Storage[];
  private readonly step: Storage;
  private readonly masks: ReadonlyMap<Parameter, Mask>;
  private readonly owned: readonly GPUBuffer[];
  private readonly readbacks: GPUBuffer[] = [];

  constructor(
    gpu: Gpu,
    program: Program,
    preparations: readonly { readonly parameter: Parameter; readonly program: Program }[],
    built: Built,
    owned: readonly GPUBuffer[],
  ) {
    this.gpu = gpu;
    this.program = program;
    this.preparations = preparations.map((preparation) => ({ ...preparation, madeOf: -1 }));
    this.trained = [...built.masks.keys()].filter((parameter) => parameter.trainable);
    this.values = built.values;
    const parameters = built.parameters.map((parameter) => built.values.get(parameter)!);
    this.lasting = new Set([...built.pinned, ...parameters]);
    this.gradients = built.gradients;
    this.momentum = built.momentum;
    this.step = built.step;
    this.masks = built.masks;
    this.owned = owned;
    this.cost = built.cost;
    this.forwardDispatches = built.forwardDispatches;
    const total = (storages: Iterable<{ bytes: number }>) => [...storages].reduce((sum, { bytes }) => sum + bytes, 0);
    const all = owned.reduce((sum, { size }) => sum + size, 0);
    this.memory = {
      parameters: total(built.parameters),
      momentum: total(built.momentum),
      pinned: total(built.pinned),
      packed: total(built.packed),
      transient: all - total(built.momentum) - total(built.pinned) - total(built.packed),
      leastTransient: built.mostAlive,
    };
  }

  /** Sets an input's values. */
  write(tensor: Tensor, values: ArrayBufferView<ArrayBuffer>): void {
    const storage = this.values.get(tensor);
    if (storage === undefined || tensor.source !== undefined || tensor instanceof Parameter) {
      throw new FrostlineError(`${tensor.name} is no input of this graph.`);
    }
    if (values.byteLength !== tensor.bytes) {
      throw new FrostlineError(
        `${tensor.name} [${tensor.shape.join(', ')}] takes ${tensor.bytes} bytes; got ${values.byteLength}.`,
      );
    }
    this.gpu.write(storage, values);
  }

  /** Sets the rates, the step's number and the seed for the runs that follow. */
  setStep(values: StepValues): void {
    this.gpu.write(this.step, packStep(values));
  }

  /**
   * Submits one run, once. Resolves with the values of `wanted` (outputs of this graph) when the device has done it;
   * several runs may be under way at a time.
   */
  async run(wanted: readonly Tensor[] = []): Promise<ArrayBuffer[]> {
    for (const [parameter, mask] of this.masks) {
      if (parameter.mask !== mask) {
        throw new FrostlineError(
          `The mask of ${parameter.name} was changed after the graph was compiled. Compile it again.`,
        );
      }
    }
    const storages = wanted.map((tensor) => this.output(tensor));
    const bytes = storages.reduce((sum, storage) => sum + storage.bytes, 0);
    const encoder = this.gpu.device.createCommandEncoder();
    for (const preparation of this.preparations) {
      const { parameter, program, madeOf } = preparation;
      if (madeOf === parameter.version) continue;
      program.encode(encoder);
      preparation.madeOf = parameter.version;
    }
    this.program.encode(encoder);
    for (const parameter of this.trained) parameter.version++;
    if (bytes === 0) {
      this.gpu.device.queue.submit([encoder.finish()]);
      return [];
    }
    const index = this.readbacks.findIndex((buffer) => buffer.size >= bytes);
    const readback = index >= 0 ? this.readbacks.splice(index, 1)[0] : this.gpu.readback('read back', bytes);
    let offset = 0;
    for (const storage of storages) {
      encoder.copyBufferToBuffer(bufferOf(storage), 0, readback, offset, storage.bytes);
      offset += storage.bytes;
    }
    this.gpu.device.queue.submit([encoder.finish()]);
    await this.gpu.wait(readback.mapAsync(0x1));
    this.gpu.check();
    const all = readback.getMappedRange(0, bytes);
    offset = 0;
    const results = storages.map((storage) => all.slice(offset, (offset += storage.bytes)));
    readback.unmap();
    this.readbacks.push(readback);
    return results;
  }

  /** The values of an output after the last run. */
  async read(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    return this.gpu.readFloats(this.output(tensor));
  }

  /** dL/d tensor after the last run, for a tensor among the `gradients` asked for. */
  async readGradient(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    const storage = this.gradients.get(tensor);
    if (storage === undefined) throw new FrostlineError(`The gradient of ${tensor.name} was not asked for.`);
    return this.gpu.readFloats(storage);
  }

  /** Sets all momentum to zero: the start of a training run. */
  resetMomentum(): void {
    this.gpu.clear(this.momentum.map(bufferOf));
  }

  /** What every run dispatches, in order; not what packed parameters once, before the first. */
  get dispatches(): readonly Dispatch[] {
    return this.program.dispatches;
  }

  /** Frees what this graph owns; parameters stay. */
  destroy(): void {
    this.program.destroy();
    for (const { program } of this.preparations) program.destroy();
    for (const buffer of this.owned) this.gpu.release(buffer);
    for (const buffer of this.readbacks) this.gpu.release(buffer);
  }

  private output(tensor: Tensor): Storage {
    const storage = this.values.get(tensor);
    if (storage === undefined || !this.lasting.has(storage)) {
      throw new FrostlineError(`${tensor.name} is no output of this graph. Name it in \`outputs\` when compiling.`);
    }
    return storage;
  }
}

/** Everything that `wanted` is made of, sources first. */
export function tapeOf(wanted: readonly Tensor[]): Tensor[] {
  const seen = new Set<Tensor>();
  const pending = [...wanted];
  for (let tensor = pending.pop(); tensor !== undefined; tensor = pending.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    pending.push(...(tensor.source?.inputs ?? []));
  }
  return [...seen].sort((a, b) => a.order - b.order);
}

/** What the emission leaves behind for the compiled graph. */
interface Built {
  readonly dispatches: Dispatch[];
  readonly values: Map<Tensor, Storage>;
  readonly gradients: Map<Tensor, Storage>;
  readonly parameters: Parameter[];
  readonly momentum: Storage[];
  /** inputs, outputs, constants: storages with buffers of their own */
  readonly pinned: Storage[];
  /** copies of parameters in other layouts, likewise */
  readonly packed: Storage[];
  /** values, what is saved of them, and gradients of values, as far as they are not pinned */
  readonly activations: Set<Storage>;
  readonly step: Storage;
  readonly masks: Map<Parameter, Mask>;
  cost: Cost;
  forwardDispatches: number;
  mostAlive: number;
  /** what is made of parameters that this graph does not train */
  readonly preparations: Preparation[];
}

/** Copies of a parameter's values in other layouts, and how they are made. */
interface Preparation {
  readonly parameter: Parameter;
  readonly dispatches: Dispatch[];
}

/**
 * Compiles the program that computes `outputs` and, where given, the gradients of `loss` and the update.
 * @throws FrostlineError when an operation without a derivative stands between the loss and what is to be trained, or a
 *   row of a tensor does not fit a binding
 */
export async function compile(gpu: Gpu, options: CompileOptions): Promise<CompiledGraph> {
  const lossTape = checkLoss(options);
  const step = gpu.storage('step', new Uint32Array(STEP_WORDS));
  const built: Built = {
    dispatches: [],
    values: new Map(),
    gradients: new Map(),
    parameters: [],
    momentum: [],
    pinned: [step],
    packed: [],
    activations: new Set(),
    step,
    masks: new Map(),
    cost: { flops: 0, bytes: 0 },
    forwardDispatches: 0,
    mostAlive: 0,
    preparations: [],
  };
  let transient: GPUBuffer[] = [];
  const owned = () => [...built.pinned, ...built.packed, ...built.momentum].map(bufferOf).concat(transient);
  try {
    emit(gpu, options, lossTape, built);
    built.mostAlive = mostAlive(built.dispatches, built.activations);
    transient = assignBuffers(gpu, built.dispatches);
    gpu.clear([...built.momentum.map(bufferOf), ...transient]);
    const [program, preparations] = await Promise.all([
      Program.prepare(gpu, built.dispatches),
      Promise.all(
        built.preparations.map(async ({ parameter, dispatches }) => ({
          parameter,
          program: await Program.prepare(gpu, dispatches),
        })),
      ),
      placeAll(gpu, built.parameters),
    ]);
    return new CompiledGraph(gpu, program, preparations, built, owned());
  } catch (error) {
    for (const buffer of owned()) gpu.release(buffer);
    throw error;
  }
}

/**
 * Puts the parameters on the device while the kernels are compiled: between two of them, compilation gets its turn.
 * Large ones come last, for while one is made or read nothing else moves on.
 */
async function placeAll(gpu: Gpu, parameters: readonly Parameter[]): Promise<void> {
  for (const parameter of parameters.toSorted((a, b) => a.bytes - b.bytes)) {
    parameter.place(gpu);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What the loss is made of; refuses what could only be ignored. */
function checkLoss({ loss, upstream, update, gradients = [] }: CompileOptions): ReadonlySet<Tensor> {
  if (loss === undefined) {
    if (upstream === undefined && !update && gradients.length === 0) return new Set();
    throw new FrostlineError('Gradients, `upstream` and `update` need a loss to differentiate. Give `loss`.');
  }
  if (upstream === undefined && loss.size !== 1) {
    throw new FrostlineError(
      `The loss ${loss.name} [${loss.shape.join(', ')}] has ${loss.size} values; it must have one. ` +
        'Give `upstream` to differentiate a tensor of any shape.',
    );
  }
  if (upstream !== undefined) {
    const plain = upstream.source === undefined && !(upstream instanceof Parameter) && upstream.type === 'f32';
    if (!plain || upstream.shape.join() !== loss.shape.join()) {
      throw new FrostlineError(
        `upstream ${upstream.name} [${upstream.shape.join(', ')}] must be an input of f32 in the shape of ` +
          `${loss.name}, [${loss.shape.join(', ')}].`,
      );
    }
  }
  const lossTape = new Set(tapeOf([loss]));
  for (const tensor of gradients) {
    if (lossTape.has(tensor) && tensor.type === 'f32') continue;
    const reason = tensor.type === 'f32' ? `${loss.name} does not depend on it` : 'it holds integers';
    throw new FrostlineError(`The gradient of ${tensor.name} was asked for, but ${reason}. Leave it out.`);
  }
  return lossTape;
}

/**
 * Copies of weights that do not change are kept for all runs up to this share of the parameters' bytes, or so many bytes:
 * VGG16's transformed convolutions take four times their weights. What is beyond is made in each run, in memory that
 * others use too.
 */
const LASTING_SHARE = 1 / 8;
const LASTING_LEAST = 2 ** 24;

function emit(gpu: Gpu, options: CompileOptions, lossTape: ReadonlySet<Tensor>, built: Built): void {
  const { loss, upstream, outputs = [], update = false, gradients: asked = [] } = options;
  const { training = loss !== undefined, keepPacked = true } = options;
  const tape = tapeOf([loss, upstream, ...outputs].filter((tensor) => tensor !== undefined));
  const operations = tape.filter((tensor) => tensor.source !== undefined);
  const needed = frostLine(tape, lossTape, asked, update);
  const { dispatches, values, pinned, packed, activations, step } = built;
  const activation = (label: string, bytes: number) => {
    const storage = new Storage(label, bytes);
    activations.add(storage);
    return storage;
  };
  const pin = (label: string, contents: number | Float32Array<ArrayBuffer>) => {
    const storage = gpu.storage(label, contents);
    pinned.push(storage);
    return storage;
  };

  const fused = fusedRelus(tape, [loss, ...outputs, ...asked], training);
  const hasNoKernel = (tensor: Tensor) => isAlias(tensor, training) || fused.has(tensor);
  /** The tensor whose storage holds this one's bytes. */
  const holderOf = (tensor: Tensor): Tensor => (hasNoKernel(tensor) ? holderOf(tensor.source!.inputs[0]) : tensor);

  // Values: parameters on the device, inputs and outputs with buffers of their own, aliases as their sources.
  const wantedStorages = new Set(outputs.map(holderOf));
  if (loss !== undefined) wantedStorages.add(holderOf(loss));
  for (const tensor of tape) {
    if (tensor instanceof Parameter) {
      values.set(tensor, tensor.reserve(gpu));
      built.parameters.push(tensor);
      if (update) {
        checkMask(tensor);
        built.masks.set(tensor, tensor.mask);
      }
    } else if (hasNoKernel(tensor)) {
      values.set(tensor, values.get(tensor.source!.inputs[0])!);
    } else if (tensor.source === undefined || wantedStorages.has(tensor)) {
      values.set(tensor, pin(tensor.name, tensor.bytes));
    } else {
      values.set(tensor, activation(tensor.name, tensor.bytes));
    }
  }

  const constants = new Map<string, Storage>();
  const saved = new Map<string, Storage>();
  const prepared = new Map<string, Storage>();
  const ofParameters = built.parameters.reduce((sum, { bytes }) => sum + bytes, 0);
  const mostLasting = Math.max(LASTING_LEAST, LASTING_SHARE * ofParameters);
  let lastingBytes = 0;
  const activated = new Set([...fused].map((tensor) => tensor.source!.inputs[0]));
  const pending = contributions(operations, needed);
  const { passed, readers: readersOfPassed } = passedRelus(gpu, { operations, needed, pending, asked, training });
  // Names of tensors need not differ, so memory of an operation's own goes by its place on the tape.
  const emitter = (tensor: Tensor): ForwardEmitter => ({
    gpu,
    inputs: tensor.source!.inputs,
    output: tensor,
    training,
    differentiated: needed.has(tensor) && tensor.source!.inputs.some((source) => needed.has(source)),
    ordinal: operations
      .filter(({ source }) => source!.operation.name === tensor.source!.operation.name)
      .indexOf(tensor),
    step,
    relu: activated.has(tensor),
    reluBefore: readersOfPassed.has(tensor),
    value: (wanted) => values.get(wanted)!,
    saved(name, bytes) {
      const key = `${tensor.order} ${name}`;
      let storage = saved.get(key);
      if (storage === undefined) saved.set(key, (storage = activation(`${tensor.name} ${name}`, bytes)));
      return storage;
    },
    constant(name, contents) {
      const key = `${tensor.order} ${name}`;
      let storage = constants.get(key);
      if (storage === undefined) constants.set(key, (storage = pin(name, contents)));
      return storage;
    },
    prepared(source, name, bytes, make) {
      const key = `${tensor.order} ${name}`;
      const known = prepared.get(key);
      if (known !== undefined) return known.view();
      const constant = source instanceof Parameter && !(update && source.trainable);
      const lasting = keepPacked && constant && lastingBytes + bytes <= mostLasting;
      const label = `${source.name}, ${name}`;
      const storage = lasting ? gpu.storage(label, bytes) : new Storage(label, bytes);
      prepared.set(key, storage);
      if (lasting) {
        packed.push(storage);
        lastingBytes += bytes;
        const dispatches: Dispatch[] = [];
        make((kernel, params, views) => dispatches.push(kernel.dispatch(gpu, params, views)), storage.view());
        built.preparations.push({ parameter: source, dispatches });
      } else {
        make(this.run, storage.view());
      }
      return storage.view();
    },
    run(kernel, params, views) {
      const { flops, bytes } = kernel.cost(params);
      built.cost = { flops: built.cost.flops + flops, bytes: built.cost.bytes + bytes };
      dispatches.push(kernel.dispatch(gpu, params, views));
    },
  });

  for (const tensor of operations) {
    if (!hasNoKernel(tensor)) tensor.source!.operation.forward(emitter(tensor));
  }
  built.forwardDispatches = dispatches.length;
  if (loss !== undefined && needed.has(loss)) {
    const seed = upstream === undefined ? pin('dL/dL', Float32Array.of(1)) : values.get(upstream)!;
    const seedIsOne = upstream === undefined;
    const tapes = { operations, needed, pending, passed };
    emitBackward(gpu, { loss, seed, seedIsOne, ...tapes, asked, update, training, built, emitter, pin });
  }
}

/** A mask is one number of 0 or more, or one for each element. */
function checkMask({ name, mask, shape, size }: Parameter): void {
  if (typeof mask !== 'number' && mask.length !== size) {
    throw new FrostlineError(
      `The mask of ${name} [${shape.join(', ')}] has ${mask.length} values. Give one number, or ${size}.`,
    );
  }
  const bad = (typeof mask === 'number' ? [mask] : mask).find((value) => !(value >= 0 && Number.isFinite(value)));
  if (bad !== undefined) {
    throw new FrostlineError(`The mask of ${name} holds ${bad}. Use 0 (frozen), 1, or any other positive number.`);
  }
}

function isAlias(tensor: Tensor, training: boolean): boolean {
  const alias = tensor.source?.operation.alias;
  return alias === 'always' || (alias === 'inference' && !training);
}

/**
 * The ReLUs whose argument is made by an operation that can apply them itself, and that nobody else reads: the argument
 * is then never written. Backward is as ever, for a ReLU's derivative is made of its output.
 */
function fusedRelus(tape: readonly Tensor[], read: readonly (Tensor | undefined)[], training: boolean): Set<Tensor> {
  const readers = new Map<Tensor, number>();
  for (const tensor of tape) {
    for (const source of tensor.source?.inputs ?? []) readers.set(source, (readers.get(source) ?? 0) + 1);
  }
  return new Set(
    tape.filter((tensor) => {
      if (tensor.source?.operation.name !== 'relu' || isAlias(tensor, training)) return false;
      const [argument] = tensor.source.inputs;
      return argument.source?.operation.fusesRelu && readers.get(argument) === 1 && !read.includes(argument);
    }),
  );
}

/** The tensors that need a gradient. */
function frostLine(
  tape: readonly Tensor[],
  lossTape: ReadonlySet<Tensor>,
  asked: readonly Tensor[],
  update: boolean,
): Set<Tensor> {
  const needed = new Set<Tensor>();
  for (const tensor of tape) {
    if (!lossTape.has(tensor)) continue;
    const own = asked.includes(tensor) || (update && tensor instanceof Parameter && tensor.trainable);
    const inherited = tensor.source?.inputs.some((input) => needed.has(input)) ?? false;
    if (inherited && tensor.source!.operation.backward === null) {
      throw new FrostlineError(
        `${tensor.source!.operation.name} (${tensor.name}) has no derivative, and parameters before it are to be ` +
          'trained. Freeze them, or take the loss from a tensor before it.',
      );
    }
    if (own || inherited) needed.add(tensor);
  }
  return needed;
}

/** How many operations contribute to a tensor's gradient. */
function contributions(operations: readonly Tensor[], needed: ReadonlySet<Tensor>): Map<Tensor, number> {
  const pending = new Map<Tensor, number>();
  for (const tensor of operations) {
    if (!needed.has(tensor)) continue;
    for (const input of tensor.source!.inputs) pending.set(input, (pending.get(input) ?? 0) + 1);
  }
  return pending;
}

/** The tensor whose values this one has in another shape, or in the same. */
function sourceOf(tensor: Tensor, training: boolean): Tensor {
  return isAlias(tensor, training) ? sourceOf(tensor.source!.inputs[0], training) : tensor;
}

/**
 * The ReLUs whose derivative the operation that reads them applies, as the one that alone contributes to their gradient,
 * which nobody wants to read: what it writes is the gradient of their argument.
 */
function passedRelus(
  gpu: Gpu,
  {
    operations,
    needed,
    pending,
    asked,
    training,
  }: Pick<BackwardContext, 'operations' | 'needed' | 'pending' | 'asked' | 'training'>,
): { passed: ReadonlySet<Tensor>; readers: ReadonlySet<Tensor> } {
  const passed = new Set<Tensor>();
  const readers = new Set<Tensor>();
  /** from the reader's input to the ReLU, through reshapes */
  const alone = (tensor: Tensor): boolean =>
    pending.get(tensor) === 1 &&
    !asked.includes(tensor) &&
    (!isAlias(tensor, training) || alone(tensor.source!.inputs[0]));
  for (const tensor of operations) {
    const { operation, inputs } = tensor.source!;
    if (!needed.has(tensor) || isAlias(tensor, training)) continue;
    const relu = sourceOf(inputs[0], training);
    if (relu.source?.operation.name !== 'relu' || !needed.has(relu) || !alone(inputs[0])) continue;
    if (!operation.appliesReluBefore?.(gpu)) continue;
    passed.add(relu);
    readers.add(tensor);
  }
  return { passed, readers };
}

interface BackwardContext {
  readonly loss: Tensor;
  /** dL/d loss, and whether it is the constant 1 */
  readonly seed: Storage;
  readonly seedIsOne: boolean;
  readonly operations: readonly Tensor[];
  readonly needed: ReadonlySet<Tensor>;
  /** how many operations still contribute to a tensor's gradient */
  readonly pending: Map<Tensor, number>;
  readonly passed: ReadonlySet<Tensor>;
  readonly asked: readonly Tensor[];
  readonly update: boolean;
  readonly training: boolean;
  readonly built: Built;
  readonly emitter: (tensor: Tensor) => ForwardEmitter;
  readonly pin: (label: string, contents: number | Float32Array<ArrayBuffer>) => Storage;
}

function emitBackward(gpu: Gpu, context: BackwardContext): void {
  const { loss, seed, seedIsOne, operations, needed, pending, passed, asked, update, training, built } = context;
  const { emitter, pin } = context;
  const { gradients } = built;
  gradients.set(loss, seed);

  /** Parameters whose update an operation wrote itself. */
  const updated = new Set<Tensor>();
  const room = (tensor: Tensor): Storage => {
    const label = `gradient of ${tensor.name}`;
    if (asked.includes(tensor)) return pin(label, tensor.bytes);
    const storage = new Storage(label, tensor.bytes);
    if (!(tensor instanceof Parameter)) built.activations.add(storage);
    return storage;
  };

  for (const tensor of operations.toReversed()) {
    const dy = gradients.get(tensor);
    if (dy === undefined || !tensor.source!.inputs.some((source) => needed.has(source))) continue;
    const { operation, inputs } = tensor.source!;
    const emit = emitter(tensor);
    const additions: [Tensor, Storage][] = [];
    const passOn = (source: Tensor, from: Storage) => {
      if (!needed.has(source)) return;
      if (gradients.has(source)) additions.push([source, from]);
      // A gradient that will be read keeps its bytes: what else comes to the other must not be added to it.
      else if (asked.includes(source) || asked.includes(tensor)) copyInto(emit, source, from, room(source), gradients);
      else gradients.set(source, from);
    };
    if (isAlias(tensor, training) || passed.has(tensor)) {
      passOn(inputs[0], dy);
    } else {
      const backward: BackwardEmitter = {
        ...emit,
        outputGradient: dy,
        outputGradientIsOne: seedIsOne && dy === seed,
        passOn: (i, storage) => passOn(inputs[i], storage),
        gradient(i) {
          const source = inputs[i];
          if (!needed.has(source)) return undefined;
          if (!gradients.has(source)) {
            gradients.set(source, room(source));
            return gradients.get(source);
          }
          const addition = new Storage(`addition to the gradient of ${source.name}`, source.bytes);
          additions.push([source, addition]);
          return addition;
        },
        update(i) {
          const source = inputs[i];
          const own = source instanceof Parameter && source.trainable && typeof source.mask === 'number';
          if (!update || !own || asked.includes(source) || gradients.has(source) || pending.get(source) !== 1) return;
          updated.add(source);
          const v = momentumOf(gpu, source, built);
          return { w: emit.value(source), v, mask: source.mask as number, decayFactor: source.decayFactor };
        },
      };
      operation.backward?.(backward);
    }
    for (const [source, addition] of additions) {
      for (const window of flatWindows(gpu, source.size)) {
        const views = { a: rows(addition, 4, window), y: rows(gradients.get(source)!, 4, window) };
        emit.run(addAccumulate, { count: window.count }, views);
      }
    }
    for (const source of inputs) {
      const left = pending.get(source)! - 1;
      pending.set(source, left);
      if (left > 0 || !update || updated.has(source)) continue;
      if (source instanceof Parameter && needed.has(source) && source.trainable) {
        emitUpdate(gpu, source, emit, context);
      }
    }
  }
}

/** A pinned gradient of a reshaped tensor: the bytes are copied (as 0 + dy). */
function copyInto(
  emit: ForwardEmitter,
  source: Tensor,
  dy: Storage,
  room: Storage,
  gradients: Map<Tensor, Storage>,
): void {
  gradients.set(source, room);
  for (const window of flatWindows(emit.gpu, source.size)) {
    // A pinned buffer starts as zeros only for the first run, so it is cleared on the device before each sum.
    emit.run(fillConstant, { count: window.count, value: 0 }, { y: rows(room, 4, window) });
    emit.run(addAccumulate, { count: window.count }, { a: rows(dy, 4, window), y: rows(room, 4, window) });
  }
}

function momentumOf(gpu: Gpu, parameter: Parameter, { momentum }: Built): Storage {
  const storage = gpu.storage(`momentum of ${parameter.name}`, parameter.bytes);
  momentum.push(storage);
  return storage;
}

/** v <- momentum v - rate mask (g + decay w); w <- w + v */
function emitUpdate(gpu: Gpu, parameter: Parameter, emit: ForwardEmitter, { built, pin }: BackwardContext): void {
  const { mask, decayFactor: decay_factor } = parameter;
  const momentum = momentumOf(gpu, parameter, built);
  const maskStorage = typeof mask === 'number' ? undefined : pin(`mask of ${parameter.name}`, mask);
  for (const window of flatWindows(gpu, parameter.size)) {
    const views = {
      g: rows(built.gradients.get(parameter)!, 4, window),
      step: built.step.view(),
      w: rows(emit.value(parameter), 4, window),
      v: rows(momentum, 4, window),
    };
    if (maskStorage === undefined) emit.run(sgdm, { count: window.count, mask: mask as number, decay_factor }, views);
    else emit.run(sgdmMasked, { count: window.count, decay_factor }, { ...views, mask: rows(maskStorage, 4, window) });
  }
}
