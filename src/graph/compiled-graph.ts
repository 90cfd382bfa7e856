/** A compiled program with its memory: written, run, read, freed. */
import { checkArguments, describeValue, type Expectation } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Dispatch, Program } from '../gpu/program.ts';
import { bufferOf, type Storage } from '../gpu/storage.ts';
import type { Cost } from '../kernels/kernel.ts';
import { packStep, type StepValues } from '../kernels/step.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import type { LossScaling } from './loss-scaling.ts';
import { checkValues, type Mask, Parameter, type Tensor, unchanged } from './tensor.ts';

/** Bytes that a compiled graph keeps on the device. */
export interface CompiledMemory {
  /** bytes of the parameters' values, of their momentum, of inputs, outputs and constants */
  readonly parameters: number;
  readonly momentum: number;
  readonly pinned: number;
  /** bytes of copies of parameters: in other layouts of those that are not trained, made once, and as halves of all */
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

/** A mask as a parameter had it when the graph was compiled; of an array also the values of that time. */
export interface CompiledMask {
  readonly mask: Mask;
  readonly values?: Float32Array;
}

/** What the emission leaves behind for the compiled graph. */
export interface Built {
  readonly dispatches: Dispatch[];
  readonly values: Map<Tensor, Storage>;
  readonly gradients: Map<Tensor, Storage>;
  readonly parameters: Parameter[];
  readonly momentum: Storage[];
  /** where halves are trained */
  scaling: LossScaling | undefined;
  /** inputs, outputs, constants: storages with buffers of their own */
  readonly pinned: Storage[];
  /** copies of parameters in other layouts, likewise */
  readonly packed: Storage[];
  /** values, what is saved of them, and gradients of values, as far as they are not pinned */
  readonly activations: Set<Storage>;
  readonly step: Storage;
  readonly masks: Map<Parameter, CompiledMask>;
  /** parameters that operations of this graph write in forward: running statistics */
  readonly state: Set<Parameter>;
  cost: Cost;
  forwardDispatches: number;
  mostAlive: number;
  /** what is made of parameters that this graph does not train */
  readonly preparations: Preparation[];
}

/** Copies of a parameter's values in other layouts or as halves, and how they are made. */
export interface Preparation {
  readonly parameter: Parameter;
  readonly dispatches: Dispatch[];
  /** the graph's own updates write the copy, too */
  readonly updated?: boolean;
}

/** A copy that a graph keeps, with the program that makes it. */
export type PreparedCopy = Omit<Preparation, 'dispatches'> & { readonly program: Program };

const STEP_VALUES: OptionNames<StepValues> = {
  learningRate: true,
  momentum: true,
  weightDecay: true,
  step: true,
  seed: true,
  secondMomentum: true,
  epsilon: true,
  updates: true,
};

const PARTS: Expectation = { is: Array.isArray, words: 'the list that readState or readValues gave' };

/** GPUBufferUsage.COPY_SRC: WebGPU's names are no globals of Node. */
const COPY_SRC = 0x4;

interface Bound {
  readonly below: number;
  /** the name of what reads the tensor */
  readonly of: string;
}

/** Of inputs of integers, the least of the bounds that their readers have. */
function boundsOf(tensors: Iterable<Tensor>): Map<Tensor, Bound> {
  const bounds = new Map<Tensor, Bound>();
  for (const { name, source } of tensors) {
    for (const [i, below] of Object.entries(source?.operation.below ?? {})) {
      const tensor = source!.inputs[Number(i)];
      if (below < (bounds.get(tensor)?.below ?? Number.POSITIVE_INFINITY)) bounds.set(tensor, { below, of: name });
    }
  }
  return bounds;
}

function checkBound(name: string, values: ArrayLike<number>, bound: Bound | undefined): void {
  if (bound === undefined) return;
  for (let i = 0; i < values.length; i++) {
    if (values[i] < bound.below) continue;
    throw new FrostlineError(
      `${name}: value ${i} is ${values[i]}, but ${bound.of} takes whole numbers from 0 to ${bound.below - 1}. Write such ones.`,
    );
  }
}

/** NaN as a number of single precision and as two of half precision; of an index, one that no memory has. */
const POISON = 0x7fc07fc0;

/** Of buffers of a graph's own, those that a run writes before anything reads them. */
function buffersWrittenFirst(dispatches: readonly Dispatch[], own: readonly GPUBuffer[]): GPUBuffer[] {
  const left = new Set(own);
  const found: GPUBuffer[] = [];
  for (const { access, view } of dispatches.flatMap(({ bindings }) => bindings)) {
    const buffer = bufferOf(view.storage);
    if (left.delete(buffer) && access === 'write') found.push(buffer);
  }
  return found;
}

/** A compiled program with its memory: written, run, read, destroyed. */
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
  private readonly preparations: (PreparedCopy & { madeOf: number })[];
  private readonly trained: readonly Parameter[];
  /** and where each has its values: a run must not write where they are no more */
  private readonly parameters: ReadonlyMap<Parameter, Storage>;
  private readonly values: ReadonlyMap<Tensor, Storage>;
  /** what the values of inputs of integers must be less than, and of which operation */
  private readonly below: ReadonlyMap<Tensor, Bound>;
  /** storages that nothing else overwrites within a run */
  private readonly lasting: ReadonlySet<Storage>;
  private readonly gradients: ReadonlyMap<Tensor, Storage>;
  private readonly momentum: readonly Storage[];
  private readonly step: Storage;
  private readonly scaling: Storage | undefined;
  /**
   * In half precision, where parameters are updated: what loss scaling knows after a run, an output of the graph with the
   * numbers of `SCALING`
   */
  readonly lossScale: Tensor | undefined;
  private readonly masks: ReadonlyMap<Parameter, CompiledMask>;
  private readonly owned: readonly GPUBuffer[];
  /** what nothing may read before the run has written it */
  private readonly scratch: readonly GPUBuffer[];
  private readonly readbacks: GPUBuffer[] = [];
  /** whether a kernel reads rates, the step's number or the seed, and nobody has set them yet */
  private stepMissing: boolean;
  /** inputs that a run reads, and that nobody has written yet: memory begins as zeros, which would pass for values */
  private readonly unwritten: Set<Tensor>;
  private destroyed = false;
  /** what the device says of buffers that were given as values: what is wrong */
  private copied: Promise<string | undefined> | undefined;

  constructor(
    gpu: Gpu,
    program: Program,
    preparations: readonly PreparedCopy[],
    built: Built,
    owned: readonly GPUBuffer[],
  ) {
    this.gpu = gpu;
    this.program = program;
    this.preparations = preparations.map((preparation) => ({ ...preparation, madeOf: -1 }));
    this.trained = [...[...built.masks.keys()].filter((parameter) => parameter.trainable), ...built.state];
    this.values = built.values;
    this.below = boundsOf(built.values.keys());
    this.parameters = new Map(built.parameters.map((parameter) => [parameter, built.values.get(parameter)!]));
    this.lasting = new Set([...built.pinned, ...this.parameters.values()]);
    this.gradients = built.gradients;
    this.momentum = built.momentum;
    this.step = built.step;
    this.scaling = built.scaling?.storage;
    this.lossScale = built.scaling?.tensor;
    this.stepMissing = program.dispatches.some(({ bindings }) =>
      bindings.some(({ view }) => view.storage === built.step),
    );
    const bound = new Set(program.dispatches.flatMap(({ bindings }) => bindings.map(({ view }) => view.storage)));
    const inputs = [...built.values].filter(
      ([tensor]) => tensor.source === undefined && !(tensor instanceof Parameter),
    );
    const { lossScale } = this;
    this.unwritten = new Set(
      inputs.filter(([tensor, storage]) => tensor !== lossScale && bound.has(storage)).map(([tensor]) => tensor),
    );
    this.masks = built.masks;
    this.owned = owned;
    const pinned = built.pinned.map(bufferOf);
    const kept = new Set([...pinned, ...built.momentum.map(bufferOf), ...built.packed.map(bufferOf)]);
    const transient = owned.filter((buffer) => !kept.has(buffer));
    this.scratch = [...transient, ...buffersWrittenFirst(program.dispatches, pinned)].filter(
      (buffer) => buffer !== built.scaling?.storage.buffer,
    );
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

  /**
   * Sets an input's values for the runs that follow.
   * @param values row-major, as many as the tensor has elements: Float32Array for f32, Uint32Array for u32; or a
   *   GPUBuffer of this device with at least the tensor's bytes and usage COPY_SRC, copied on the device. Of labels each must
   *   be less than the number of classes; those in a GPUBuffer are not looked at
   */
  write(tensor: Tensor, values: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | GPUBuffer): void {
    this.checkUsable();
    const storage = this.values.get(tensor);
    if (storage === undefined || tensor.source !== undefined || tensor instanceof Parameter) {
      throw new FrostlineError(`${nameOf(tensor)} is no input of this graph.`);
    }
    if (ArrayBuffer.isView(values)) {
      checkValues(tensor.name, tensor, values);
      checkBound(tensor.name, values, this.below.get(tensor));
      this.gpu.write(storage, values);
    } else this.copyFrom(values, tensor, storage);
    this.unwritten.delete(tensor);
  }

  private copyFrom(buffer: GPUBuffer, { name, bytes }: Tensor, storage: Storage): void {
    const found = buffer as Partial<GPUBuffer> | undefined;
    if (typeof found?.size !== 'number' || typeof found.usage !== 'number') {
      throw new FrostlineError(`${name}: values must be a typed array or a GPUBuffer; got ${describeValue(buffer)}.`);
    }
    if (buffer.size < bytes) {
      throw new FrostlineError(`${name} takes ${bytes} bytes; the GPUBuffer "${buffer.label}" has ${buffer.size}.`);
    }
    if ((buffer.usage & COPY_SRC) === 0) {
      throw new FrostlineError(`${name}: the GPUBuffer "${buffer.label}" needs GPUBufferUsage.COPY_SRC to be read.`);
    }
    const { device } = this.gpu;
    // No buffer says which device it is of; the device does, later.
    device.pushErrorScope('validation');
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, bufferOf(storage), 0, bytes);
    device.queue.submit([encoder.finish()]);
    const { label } = buffer;
    this.copied = Promise.all([this.copied, this.gpu.wait(device.popErrorScope())]).then(([before, error]) => {
      if (error === null) return before;
      return before ?? `${name}: the GPUBuffer "${label}" cannot be copied: it is of another device, or destroyed.`;
    });
  }

  /** @throws FrostlineError where a buffer that was given since the last run could not be copied */
  private async checkCopies(): Promise<void> {
    const copied = this.copied;
    this.copied = undefined;
    const problem = await copied;
    if (problem !== undefined) throw new FrostlineError(`${problem} Give one of the device that the graph is on.`);
  }

  /**
   * Sets the rates, the step's number and the seed for the runs that follow.
   * @throws FrostlineError for a rate that is missing, negative or not finite, a step or seed that is no whole number of 32
   *   bits
   */
  setStep(values: StepValues): void {
    this.checkUsable();
    checkOptions('setStep', values, STEP_VALUES);
    for (const name of ['learningRate', 'momentum', 'weightDecay'] as const) {
      const value = values?.[name];
      if (!(Number.isFinite(value) && value >= 0)) {
        throw new FrostlineError(`setStep: ${name} is ${value}; give a number of 0 or more.`);
      }
    }
    for (const name of ['secondMomentum', 'epsilon'] as const) {
      const value = values[name] ?? 0.5;
      if (!(value > 0 && value < 1)) {
        throw new FrostlineError(`setStep: ${name} is ${value}; give a number between 0 and 1.`);
      }
    }
    for (const name of ['step', 'seed', 'updates'] as const) {
      const value = values[name] ?? 0;
      if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
        throw new FrostlineError(`setStep: ${name} is ${value}; give a whole number from 0 to 4294967295.`);
      }
    }
    this.gpu.write(this.step, packStep(values));
    this.stepMissing = false;
  }

  /** Refuses what would otherwise compute with memory that is no longer this graph's. */
  private checkUsable(): void {
    if (this.destroyed) throw new FrostlineError('This graph was destroyed. Compile it again.');
    this.gpu.check();
  }

  /**
   * Submits one run, once. Resolves with the values of `wanted` (outputs of this graph) when the device has done it;
   * several runs may be under way at a time. The device does them in the order of the calls, whole, of other graphs too: of
   * several graphs that train the same parameters each updates what the run before left, with momentum of its own.
   */
  async run(wanted: readonly Tensor[] = []): Promise<ArrayBuffer[]> {
    this.checkUsable();
    for (const [parameter, storage] of this.parameters) {
      if (parameter.storage === storage) continue;
      throw new FrostlineError(
        `Parameter ${parameter.name} was released after the graph was compiled. Compile it again.`,
      );
    }
    for (const [parameter, { mask, values }] of this.masks) {
      // While the host looks through a large one, the device still has the steps before.
      if (parameter.mask !== mask || values?.every((value, i) => value === (mask as Float32Array)[i]) === false) {
        throw new FrostlineError(
          `The mask of ${parameter.name} was changed after the graph was compiled. Compile it again.`,
        );
      }
    }
    if (this.stepMissing) {
      throw new FrostlineError(
        'This graph reads the learning rate, the step or the seed (it updates parameters, or draws), and none is set. ' +
          'Call setStep({ learningRate, momentum, weightDecay, step, seed }) before run().',
      );
    }
    for (const { name } of this.unwritten) {
      throw new FrostlineError(`${name} was never written. Call write(${name}, values) before run().`);
    }
    if (!Array.isArray(wanted)) throw new FrostlineError(`run: ${describeValue(wanted)} is no list. Give [tensor].`);
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
    this.valuesChanged();
    if (bytes === 0) {
      this.gpu.device.queue.submit([encoder.finish()]);
      if (this.copied !== undefined) await this.checkCopies();
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
    if (this.copied !== undefined) {
      await this.checkCopies().catch((error) => {
        readback.unmap();
        this.readbacks.push(readback);
        throw error;
      });
    }
    const all = readback.getMappedRange(0, bytes);
    offset = 0;
    const results = storages.map((storage) => all.slice(offset, (offset += storage.bytes)));
    readback.unmap();
    this.readbacks.push(readback);
    return results;
  }

  /**
   * Fills with NaN all memory that a run is to write before anything reads it: outputs, gradients, activations, what
   * kernels need between them. Memory begins as zeros, and later holds the values of the last run: where something is not
   * written, or read before it is, only the run after this one shows it.
   */
  poison(): void {
    this.checkUsable();
    this.gpu.fill(this.scratch, POISON);
  }

  /**
   * One run, its dispatches stamped one by one (`Program.trace`): beginning and end of each, in milliseconds, in the order
   * of `dispatches`. Without the overlap of a usual run, so its sum is no step's time.
   * @throws FrostlineError where the adapter has no timestamps
   */
  async trace(): Promise<[number, number][]> {
    if (!this.gpu.hasTimestamps) {
      throw new FrostlineError(`${this.gpu.name} has no timestamps, which a trace consists of. Use another adapter.`);
    }
    await this.run();
    await this.gpu.idle();
    const spans = await this.program.trace();
    this.valuesChanged();
    return spans;
  }

  /** After a run: copies of parameters are out of date, but for those that the run wrote itself. */
  private valuesChanged(): void {
    for (const parameter of this.trained) parameter.version++;
    for (const preparation of this.preparations) {
      if (preparation.updated) preparation.madeOf = preparation.parameter.version;
    }
  }

  /** The values of an output after the last run. */
  async read(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    this.checkUsable();
    if (tensor?.type === 'u32') {
      throw new FrostlineError(
        `read: ${tensor.name} holds integers. Take them of run: const [bytes] = await run([${tensor.name}]), new Uint32Array(bytes).`,
      );
    }
    return this.gpu.readFloats(this.output(tensor));
  }

  /** Whether backward writes dL/d tensor: an operation may leave an input out. */
  hasGradient(tensor: Tensor): boolean {
    return this.gradients.has(tensor);
  }

  /** dL/d tensor after the last run, for a tensor among the `gradients` asked for. */
  async readGradient(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    this.checkUsable();
    const storage = this.gradients.get(tensor);
    if (storage === undefined) throw new FrostlineError(`The gradient of ${nameOf(tensor)} was not asked for.`);
    return this.gpu.readFloats(storage);
  }

  /** Sets all momentum to zero: the start of a training run. */
  resetMomentum(): void {
    this.checkUsable();
    this.gpu.clear(this.momentum.map(bufferOf));
  }

  /**
   * All that runs change and that outlives them: trained parameters, moving state, momentum, the loss scale, in an order that
   * the graph alone decides. Written back into a graph of the same network, masks and adapter, training goes on in the same bits.
   * @throws FrostlineError where a run changed some of it before all was read
   */
  async readState(): Promise<ArrayBuffer[]> {
    this.checkUsable();
    const check = unchanged('readState', this.trained);
    const parts = await this.readValues();
    for (const storage of this.ownState) parts.push(await this.gpu.read(storage));
    check();
    return parts;
  }

  /**
   * The first parts of `readState`: trained parameters and moving state, without momentum.
   * @throws FrostlineError where a run changed some of it before all was read
   */
  async readValues(): Promise<ArrayBuffer[]> {
    this.checkUsable();
    const check = unchanged('readValues', this.trained);
    const parts: ArrayBuffer[] = [];
    for (const parameter of this.trained) parts.push((await parameter.read(this.gpu)).buffer);
    check();
    return parts;
  }

  /** The sizes in bytes of the parts that `readState` gives. */
  get stateSizes(): number[] {
    return [...this.trained, ...this.ownState].map(({ bytes }) => bytes);
  }

  private get ownState(): readonly Storage[] {
    return this.scaling === undefined ? this.momentum : [...this.momentum, this.scaling];
  }

  /**
   * @param parts of the sizes `stateSizes`
   * @throws FrostlineError where there are more or fewer, or of other sizes
   */
  writeState(parts: readonly ArrayBuffer[]): void {
    checkArguments('writeState', { parts: [parts, PARTS] });
    const { stateSizes } = this;
    const sizes = parts.map((part) => (part instanceof ArrayBuffer ? part.byteLength : describeValue(part)));
    if (sizes.join() !== stateSizes.join()) {
      throw new FrostlineError(
        `writeState: the parts are of ${sizes} bytes; this graph's of ${stateSizes}. Give what its readState gave.`,
      );
    }
    this.writeValues(parts);
    this.ownState.forEach((storage, i) => {
      this.gpu.write(storage, new Uint8Array(parts[this.trained.length + i]));
    });
  }

  /** @param parts that begin as those of `readValues` */
  writeValues(parts: readonly ArrayBuffer[]): void {
    this.checkUsable();
    checkArguments('writeValues', { parts: [parts, PARTS] });
    this.trained.forEach((parameter, i) => {
      const part: unknown = parts[i];
      if (!(part instanceof ArrayBuffer) || part.byteLength !== parameter.bytes) {
        const found = part instanceof ArrayBuffer ? `an ArrayBuffer of ${part.byteLength} bytes` : describeValue(part);
        throw new FrostlineError(
          `writeValues: part ${i}, of ${parameter.name}, is ${found}. Give the ${parameter.bytes} bytes that readValues gave.`,
        );
      }
    });
    this.trained.forEach((parameter, i) => {
      parameter.reset(this.gpu, new Float32Array(parts[i]));
    });
  }

  /** What every run dispatches, in order; not what packed parameters once, before the first. */
  get dispatches(): readonly Dispatch[] {
    return this.program.dispatches;
  }

  /** Frees what this graph owns; parameters stay. Twice is as once. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.program.destroy();
    for (const { program } of this.preparations) program.destroy();
    for (const buffer of this.owned) this.gpu.release(buffer);
    for (const buffer of this.readbacks) this.gpu.release(buffer);
  }

  private output(tensor: Tensor): Storage {
    const storage = this.values.get(tensor);
    if (storage === undefined || !this.lasting.has(storage)) {
      throw new FrostlineError(`${nameOf(tensor)} is no output of this graph. Name it in \`outputs\` when compiling.`);
    }
    return storage;
  }
}

/** Of what should be a tensor, for messages. */
const nameOf = (tensor: Tensor | undefined): string => tensor?.name ?? describeValue(tensor);
