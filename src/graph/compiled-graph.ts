/** A compiled program with its memory: written, run, read, freed. */
import { FrostlineError } from '../errors.ts';
import { bufferOf, type Gpu } from '../gpu/device.ts';
import type { Dispatch, Program } from '../gpu/program.ts';
import type { Storage } from '../gpu/storage.ts';
import type { Cost } from '../kernels/kernel.ts';
import { packStep, type StepValues } from '../kernels/step.ts';
import { type Mask, Parameter, type Tensor } from './tensor.ts';

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

/** What the emission leaves behind for the compiled graph. */
export interface Built {
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
  /** parameters that operations of this graph write in forward: running statistics */
  readonly state: Set<Parameter>;
  cost: Cost;
  forwardDispatches: number;
  mostAlive: number;
  /** what is made of parameters that this graph does not train */
  readonly preparations: Preparation[];
}

/** Copies of a parameter's values in other layouts, and how they are made. */
export interface Preparation {
  readonly parameter: Parameter;
  readonly dispatches: Dispatch[];
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
    this.trained = [...[...built.masks.keys()].filter((parameter) => parameter.trainable), ...built.state];
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
    for (const parameter of this.trained) parameter.version++;
    return spans;
  }

  /** The values of an output after the last run. */
  async read(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    return this.gpu.readFloats(this.output(tensor));
  }

  /** Whether backward writes dL/d tensor: an operation may leave an input out. */
  hasGradient(tensor: Tensor): boolean {
    return this.gradients.has(tensor);
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

  /**
   * All that runs change and that outlives them: trained parameters, moving state, momentum, in an order that the graph
   * alone decides. Written back into a graph of the same network, masks and adapter, training goes on in the same bits.
   */
  async readState(): Promise<ArrayBuffer[]> {
    const parts: ArrayBuffer[] = [];
    for (const parameter of this.trained) parts.push((await parameter.read(this.gpu)).buffer);
    for (const storage of this.momentum) parts.push(await this.gpu.read(storage));
    return parts;
  }

  /** The sizes in bytes of the parts that `readState` gives. */
  get stateSizes(): number[] {
    return [...this.trained, ...this.momentum].map(({ bytes }) => bytes);
  }

  /** @param parts of the sizes `stateSizes` */
  writeState(parts: readonly ArrayBuffer[]): void {
    this.trained.forEach((parameter, i) => {
      parameter.reset(this.gpu, new Float32Array(parts[i]));
    });
    this.momentum.forEach((storage, i) => {
      this.gpu.write(storage, new Uint8Array(parts[this.trained.length + i]));
    });
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
