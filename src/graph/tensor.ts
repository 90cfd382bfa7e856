/**
 * Tensors are symbols: a shape, a type and, unless they are inputs or parameters, the operation that makes them from
 * other tensors. Nothing runs when one is made. `compile` walks back from what is wanted, in the order of creation: that
 * list is the tape.
 */
import { checkArguments, describeValue, type Expectation, TEXT } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Storage } from '../gpu/storage.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import type { Operation } from './operation.ts';

/** Lengths of a tensor's dimensions, outermost first. */
export type Shape = readonly number[];
/** Types of a tensor's elements. */
export type ElementType = 'f32' | 'u32';

export const sizeOf = (shape: Shape): number => shape.reduce((product, extent) => product * extent, 1);

let created = 0;

const TENSOR: Expectation = { is: (value) => value instanceof Tensor, words: 'a tensor' };

/** A value of the graph: a shape, an element type, and what makes it. */
export class Tensor {
  readonly shape: Shape;
  readonly type: ElementType;
  readonly name: string;
  /** the operation and what it reads; none for inputs and parameters */
  readonly source: { readonly operation: Operation; readonly inputs: readonly Tensor[] } | undefined;
  /** order of creation: a tensor's sources always come before it */
  readonly order = created++;

  constructor(name: string, shape: Shape, type: ElementType = 'f32', source?: Tensor['source']) {
    checkArguments('a tensor', { 'its name': [name, TEXT] });
    if (type !== 'f32' && type !== 'u32') {
      throw new FrostlineError(`${name}: the element type is ${String(type)}; there are f32 and u32.`);
    }
    if (!Array.isArray(shape) || !shape.every((extent) => Number.isInteger(extent) && extent >= 1)) {
      throw new FrostlineError(`${name}: shape [${shape}] must be a list of whole numbers of 1 or more.`);
    }
    this.name = name;
    this.shape = shape;
    this.type = type;
    this.source = source;
  }

  /** number of elements */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** size in bytes */
  get bytes(): number {
    return 4 * this.size;
  }
}

/** Refuses what is no tensor, before anything of it is read. */
export function checkTensors(what: string, given: Readonly<Record<string, unknown>>): void {
  for (const [name, one] of Object.entries(given)) checkArguments(what, { [name]: [one, TENSOR] });
}

/** Refuses values whose type or number is not the tensor's: their bytes would be taken for something else. */
export function checkValues(what: string, { type, shape, size }: Tensor, values: unknown): void {
  const wanted = type === 'f32' ? Float32Array : Uint32Array;
  if (!(values instanceof wanted) || values.length !== size) {
    throw new FrostlineError(
      `${what} [${shape.join(', ')}] takes a ${wanted.name} of length ${size}; got ${describeValue(values)}.`,
    );
  }
}

/** A tensor whose values the host writes before a run. */
export function input(name: string, shape: Shape, type: ElementType = 'f32'): Tensor {
  return new Tensor(name, shape, type);
}

/**
 * The learning-rate mask: the rate applied to a parameter is the global rate times the mask. 0 leaves its bytes as they
 * are (no decay, no momentum), 1 fine-tunes, 10 is usual for a new layer. An array of one value an element masks parts. A
 * graph is compiled for its masks: one that is set or changed afterwards is refused when the graph runs.
 */
export type Mask = number | Float32Array<ArrayBuffer>;

/** Learning-rate mask and decay factor of a parameter. */
export interface ParameterOptions {
  readonly mask?: Mask;
  /** factor on the global weight decay; 0 for biases in MATLAB. Default 1 */
  readonly decayFactor?: number;
}

const PARAMETER_OPTIONS: OptionNames<ParameterOptions> = { mask: true, decayFactor: true };

/** A mask is one number of 0 or more, or one for each element. */
export function checkMask({ name, mask, shape, size }: Pick<Parameter, 'name' | 'mask' | 'shape' | 'size'>): void {
  const values = typeof mask === 'number' ? [mask] : mask;
  if (typeof mask !== 'number' && !(mask instanceof Float32Array && mask.length === size)) {
    throw new FrostlineError(
      `The mask of ${name} [${shape.join(', ')}] is ${describeValue(mask)}. Give one number, or a Float32Array of ` +
        `length ${size}.`,
    );
  }
  const bad = values.find((value) => !(value >= 0 && Number.isFinite(value)));
  if (bad !== undefined) {
    throw new FrostlineError(`The mask of ${name} holds ${bad}. Use 0 (frozen), 1, or any other positive number.`);
  }
}

/**
 * Notes what values these parameters have. What is given back is to be called when all of them were read.
 * @param what is made of them, for the message
 * @throws FrostlineError, by what is given back, where some have others by then: what was made would be of no one state
 */
export function unchanged(what: string, parameters: Iterable<Parameter>): () => void {
  const before = [...parameters].map((parameter) => [parameter, parameter.version] as const);
  return () => {
    const other = before.find(([parameter, version]) => parameter.version !== version);
    if (other === undefined) return;
    throw new FrostlineError(
      `${what}: ${other[0].name} was changed meanwhile, by a step of training or values that were written. ` +
        "Await the fit first, or do it in the fit's hook validate or onCheckpoint, where nothing is trained.",
    );
  };
}

/** A tensor with values of its own that outlive a run, and that training changes. */
export class Parameter extends Tensor {
  readonly decayFactor: number;
  /** the values on the device, once placed; shared by every program that uses the parameter */
  storage: Storage | undefined;
  private readonly initial: () => Float32Array<ArrayBuffer>;
  private gpu: Gpu | undefined;
  private filled = false;
  private ownMask: Mask = 1;
  /** grows whenever the values change: copies in other layouts are compared by it */
  version = 0;

  /**
   * @param values row-major; a function is called when the parameter is placed, so that big files are read late
   * @throws FrostlineError for a shape, values, a mask or a decay factor that are none
   */
  constructor(
    name: string,
    shape: Shape,
    values: Float32Array<ArrayBuffer> | (() => Float32Array<ArrayBuffer>),
    options: ParameterOptions = {},
  ) {
    super(name, shape);
    const { mask = 1, decayFactor = 1 } = checkOptions(`Parameter ${name}`, options, PARAMETER_OPTIONS);
    if (typeof values !== 'function') checkValues(`Parameter ${name}`, this, values);
    this.initial = typeof values === 'function' ? values : () => values;
    this.mask = mask;
    this.decayFactor = decayFactor;
    if (!(decayFactor >= 0 && Number.isFinite(decayFactor))) {
      throw new FrostlineError(`The decay factor of ${name} is ${decayFactor}. Give a number of 0 or more.`);
    }
  }

  get mask(): Mask {
    return this.ownMask;
  }

  /** @throws FrostlineError for a mask that is none, or has not the parameter's length */
  set mask(mask: Mask) {
    checkMask({ name: this.name, shape: this.shape, size: this.size, mask });
    this.ownMask = mask;
  }

  /** Whether training may change any of it. */
  get trainable(): boolean {
    return typeof this.mask === 'number' ? this.mask !== 0 : this.mask.some((value) => value !== 0);
  }

  /**
   * Room for the values on the device, to be filled by `place`.
   * @throws FrostlineError for what is no device, for one that was destroyed, and where the values are on another
   */
  reserve(gpu: Gpu): Storage {
    this.expectGpu(gpu);
    gpu.check();
    if (this.storage !== undefined) {
      if (this.gpu !== gpu)
        throw new FrostlineError(`Parameter ${this.name} lives on another device already. Release it there first.`);
      return this.storage;
    }
    this.gpu = gpu;
    this.storage = gpu.storage(this.name, this.bytes);
    this.filled = false;
    return this.storage;
  }

  /** Puts the values on the device, once. */
  place(gpu: Gpu): Storage {
    const storage = this.reserve(gpu);
    if (!this.filled) this.fill(gpu, this.initial());
    return storage;
  }

  /** Overwrites the values on the device; with none given, by those it was made with. */
  reset(gpu: Gpu, values = this.initial()): void {
    this.fill(gpu, values);
  }

  /** The values on the device now. */
  async read(gpu: Gpu): Promise<Float32Array<ArrayBuffer>> {
    const storage = this.place(gpu);
    return gpu.readFloats(storage);
  }

  /** Frees the device's copy. */
  release(gpu: Gpu): void {
    this.expectGpu(gpu);
    if (this.storage !== undefined && this.gpu !== gpu) {
      throw new FrostlineError(`Parameter ${this.name} lives on another device. Release it there.`);
    }
    if (this.storage?.buffer !== undefined) gpu.release(this.storage.buffer);
    this.storage = undefined;
  }

  private expectGpu(gpu: unknown): void {
    checkArguments(`Parameter ${this.name}`, { gpu: [gpu, GPU] });
  }

  private fill(gpu: Gpu, values: Float32Array<ArrayBuffer>): void {
    checkValues(`Parameter ${this.name}`, this, values);
    const storage = this.reserve(gpu);
    gpu.write(storage, values);
    this.filled = true;
    this.version++;
  }
}
