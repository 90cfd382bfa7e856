/**
 * `Gpu`: one opened device with its limits, its pipelines by text and its account of memory. Everything above names
 * this class, never GPUDevice.
 */
import {
  checkArguments,
  describeValue,
  type Expectation,
  FLAG,
  FUNCTION,
  OBJECT,
  oneOf,
  orNothing,
  TEXT,
  wholeFrom,
} from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import {
  type AdapterKind,
  adapterName,
  type ChosenAdapter,
  chooseAdapter,
  isSoftware,
  requestAdapter,
} from './adapter.ts';
import { forcedAlgorithms, parseAlgorithms } from './algorithms.ts';
import { DeviceLostError } from './lost.ts';
import { checkMachine, givenMachine, type Machine, type MachineReport } from './machine.ts';
import { type Instance, matricesWanted } from './node.ts';
import { bufferOn, buffersOf, disown, own } from './owners.ts';
import { PipelineCache } from './pipelines.ts';
import { type ProbeReading, probeWanted, ReadingFile, readMachine, takeReading } from './probe/reading.ts';
import { checkStorage, type Precision, Storage } from './storage.ts';
import { TuningTable, tunedAdapter, tuningWanted } from './tuning.ts';
import { Waiter } from './wait.ts';

/** The limits that planning respects. Tests inject smaller ones than the adapter's to force windows. */
export interface Limits {
  /** bytes that one storage binding may cover */
  readonly maxBinding: number;
  /** bytes of one buffer */
  readonly maxBuffer: number;
  /** bytes: binding offsets are multiples of this */
  readonly offsetAlignment: number;
  /** workgroups in one dimension of a dispatch */
  readonly maxWorkgroups: number;
  /** threads of a workgroup */
  readonly maxThreads: number;
  /** bytes of workgroup memory */
  readonly maxWorkgroupMemory: number;
}

/** Which adapter `Gpu.open` takes, and what is planned for it. */
export interface OpenOptions {
  /** `auto`, `hardware`, `software`, `embedded`, or part of an adapter's name; else FROSTLINE_ADAPTER, else `auto` */
  readonly adapter?: string;
  /** limits to keep to in place of the adapter's: as a smaller adapter has them. Larger ones are refused */
  readonly limits?: Partial<Limits>;
  /** the kind to plan for in place of the adapter's own: the texts for discrete GPUs can be checked on a software driver */
  readonly kind?: AdapterKind;
  /** what the GPU can do at once, in place of what is measured or known of it: rates for estimates, and nothing else */
  readonly machine?: Machine;
  /**
   * whether a GPU that is opened for the first time is probed, for half a second, for what it can do at once, and planned for
   * by that; else FROSTLINE_PROBE (off), else true. An adapter in software that pretends to be one is probed only where this
   * is true. `Gpu.from` measures nothing, and goes by an earlier reading
   */
  readonly probe?: boolean;
  /** whether earlier results of `frostline tune` choose the kernels' variants; else FROSTLINE_TUNE (off), else true */
  readonly tuning?: boolean;
  /**
   * algorithms by operator ('conv2d') or result ('conv2d forward'), in place of the quickest by estimate, wherever they
   * compute the case; else FROSTLINE_ALGORITHM ('conv2d=winograd,...'). Keys for which none is chosen are refused here, names
   * that an operator has not by the first graph that it is in
   */
  readonly algorithms?: Readonly<Record<string, string>>;
  /**
   * what activations, their gradients and weights are stored as: f32 unless given. `f16` needs the adapter's `shader-f16`
   * and is no less a choice of accuracy than one of speed: docs/precision.md
   */
  readonly precision?: Precision;
  /**
   * with `f16`: products by the GPU's matrix units, an extension that Dawn counts as experimental; unless given,
   * whether FROSTLINE_SUBGROUP_MATRIX is 1, which `Gpu.open` needs in any case
   */
  readonly subgroupMatrices?: boolean;
  /** is told what is out of order but hinders nothing; `process.emitWarning` where it is left out */
  readonly warn?: (text: string) => void;
}

const OPEN_OPTIONS: OptionNames<OpenOptions> = {
  adapter: { ...TEXT, is: (value) => TEXT.is(value) && value !== '', words: "a text such as 'auto', or leave it out" },
  limits: OBJECT,
  kind: true,
  machine: OBJECT,
  probe: FLAG,
  tuning: FLAG,
  algorithms: {
    is: (value) => OBJECT.is(value) && !(value instanceof Map),
    words: "an object, { operator: 'algorithm' }",
  },
  precision: true,
  subgroupMatrices: FLAG,
  warn: FUNCTION,
};

const KINDS: { readonly [K in AdapterKind]: true } = { hardware: true, software: true, embedded: true };

/** What `Gpu.from` takes: an opened device brings its adapter, so there is none to choose. */
export type FromOptions = Omit<OpenOptions, 'adapter'>;

/** Bytes of buffers on a device. */
export interface MemoryReport {
  /** bytes in buffers that exist now */
  readonly live: number;
  /** the most that existed at once since the device was opened, or since `resetPeak` */
  readonly peak: number;
}

const USAGE = {
  mapRead: 0x01,
  copySource: 0x04,
  copyDestination: 0x08,
  uniform: 0x40,
  storage: 0x80,
} as const;

const SIZE = wholeFrom(0);
const PRECISION = oneOf('f32', 'f16');
const WORDS: Expectation = {
  is: (value) => SIZE.is(value) && (value as number) % 4 === 0,
  words: 'a number of bytes that is a multiple of 4',
};
const VALUES: Expectation = {
  is: (value) => ArrayBuffer.isView(value) && value.byteLength > 0,
  words: 'a typed array with values; one that was transferred has none',
};
const CONTENTS: Expectation = {
  is: (value) => SIZE.is(value) || VALUES.is(value),
  words: 'a number of bytes, or a typed array with values',
};
const BYTES_GIVEN: Expectation = { is: (value) => value instanceof Uint8Array, words: 'a Uint8Array' };

/** Milliseconds in which the word of a lost device is waited for. */
const LOSS_PATIENCE = 2000;

const WORD: Expectation = {
  is: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32,
  words: 'a whole number from 0 to 4294967295',
};

/** What `fill` writes at a time. */
const FILL_BYTES = 4 * 2 ** 20;

/** Whether a rejection may mean that the device is gone: mapping a buffer is aborted then. */
const isOfLoss = (error: unknown): boolean => {
  const { name, message } = error as Partial<Error>;
  return name === 'AbortError' || name === 'OperationError' || /lost|destroyed/i.test(message ?? '');
};

const emitWarning = (text: string): void => process.emitWarning(text, 'FrostlineWarning');

/** One opened device: its limits, pipelines and memory. `Gpu.open` chooses an adapter, `Gpu.from` takes a device. */
export class Gpu {
  readonly name: string;
  /** the driver's description of itself */
  readonly driver: string;
  readonly kind: AdapterKind;
  readonly limits: Limits;
  /** What this GPU can do at once, where it is planned for as one. */
  readonly machine: Machine | undefined;
  /** The same, with where each number is from. */
  readonly machineReport: MachineReport | undefined;
  /** The probe's reading that counts here. */
  readonly reading: ProbeReading | undefined;
  /** Lanes of a subgroup where the width is one fixed number and the feature is there, else 0. */
  readonly subgroupWidth: number;
  readonly hasTimestamps: boolean;
  /** What activations, their gradients and weights are stored as by the graphs that are compiled for it (docs/precision.md). */
  readonly precision: Precision;
  /** Products of halves go by the GPU's matrix units. */
  readonly subgroupMatrices: boolean;
  readonly pipelines: PipelineCache;
  readonly device: GPUDevice;
  /** Measured choices of kernels' variants; nothing where they are not to count. */
  readonly tuning: TuningTable | undefined;
  /** Forced by operator or result; what is compiled from now on uses them. */
  readonly algorithms: Map<string, string>;
  private readonly noticed = new Set<string>();
  private readonly warn: (text: string) => void;
  /** Dawn's instance that the adapter came from; none where the device is somebody else's. */
  private readonly instance: Instance | undefined;
  private readonly waiter = new Waiter();
  private liveBytes = 0;
  private peakBytes = 0;
  private failure: Error | undefined;
  private destroyed = false;

  private readonly onError = (event: Event): void => {
    const { error } = event as GPUUncapturedErrorEvent;
    // Dawn's classes are no globals of Node.
    this.failure ??= error.constructor.name === 'GPUOutOfMemoryError' ? this.outOfMemory() : this.defect(error.message);
  };

  /** `Gpu.open` and `Gpu.from` call it. */
  private constructor(
    instance: Instance | undefined,
    info: GPUAdapterInfo,
    device: GPUDevice,
    found: AdapterKind,
    options: OpenOptions,
    reading?: ProbeReading,
  ) {
    if (device === undefined)
      throw new FrostlineError('A Gpu is not made by new. Call Gpu.open(), or Gpu.from(device).');
    const { kind = found, limits = {}, machine, tuning = tuningWanted(), warn = emitWarning } = options;
    const { precision = 'f32', subgroupMatrices = matricesWanted() } = options;
    this.instance = instance;
    this.device = device;
    this.kind = kind;
    this.name = adapterName(info);
    this.driver = info.description;
    this.reading = reading;
    // A driver in software that pretends to be a GPU is any GPU, not the one by its name.
    const read = readMachine(found === 'hardware' ? this.name : '', reading);
    if (read.refused !== undefined) warn(notProbed(this.name, read.refused));
    const report = machine === undefined ? read : givenMachine(machine);
    this.machineReport = kind === 'hardware' ? report : undefined;
    this.machine = this.machineReport?.machine;
    const offered: Limits = {
      maxBinding: device.limits.maxStorageBufferBindingSize,
      maxBuffer: device.limits.maxBufferSize,
      offsetAlignment: Math.max(
        device.limits.minStorageBufferOffsetAlignment,
        device.limits.minUniformBufferOffsetAlignment,
      ),
      maxWorkgroups: device.limits.maxComputeWorkgroupsPerDimension,
      maxThreads: device.limits.maxComputeInvocationsPerWorkgroup,
      maxWorkgroupMemory: device.limits.maxComputeWorkgroupStorageSize,
    };
    this.limits = { ...offered, ...within(offered, limits, this.name) };
    const { subgroupMinSize: low = 0, subgroupMaxSize: high = 0 } = info;
    this.subgroupWidth = device.features.has('subgroups') && low === high ? low : 0;
    this.hasTimestamps = device.features.has('timestamp-query');
    if (precision === 'f16' && !device.features.has('shader-f16')) throw new FrostlineError(withoutHalves(this.name));
    this.precision = precision;
    this.subgroupMatrices = precision === 'f16' && subgroupMatrices;
    if (this.subgroupMatrices && !device.features.has(MATRICES)) throw new FrostlineError(withoutMatrices(this.name));
    this.pipelines = new PipelineCache(device, (promise) => this.wait(promise));
    this.tuning = tuning ? new TuningTable(tunedAdapter(this), warn) : undefined;
    this.algorithms = forcedOn(options);
    this.warn = warn;
    device.addEventListener('uncapturederror', this.onError);
    device.lost.then((info) => {
      if (!this.destroyed) this.failure = this.lost(info.message);
    });
  }

  /**
   * Opens the chosen adapter with its full limits; a GPU's first time it is probed.
   * @throws FrostlineError for options that are none, and where no such adapter is found
   */
  static async open(options: OpenOptions = {}): Promise<Gpu> {
    checkOpening('Gpu.open', options);
    const chosen = await chooseAdapter(options.adapter);
    const { instance, adapter, kind } = chosen;
    const file = readingFile(adapter.info, kind, options);
    const { warn = emitWarning } = options;
    const reading = file && (file.find() ?? (await file.keep(await takeReading(() => Gpu.again(chosen)), { warn })));
    const device = await requestDevice(adapter);
    try {
      return new Gpu(instance, adapter.info, device, kind, options, reading);
    } catch (error) {
      // Only the device knows its limits and features, and nobody else would close it.
      device.destroy();
      throw error;
    }
  }

  /** One more device on an adapter that was chosen. */
  private static async again(
    { instance, kind }: Omit<ChosenAdapter, 'adapter'>,
    options: OpenOptions = {},
  ): Promise<Gpu> {
    const adapter = await requestAdapter(instance);
    if (adapter === null) throw new Error('the adapter is gone');
    const { info } = adapter;
    return new Gpu(instance, info, await requestDevice(adapter), kind, { ...options, tuning: false });
  }

  /**
   * Computes on a device that the caller opened, from the package `webgpu` or any other implementation; its limits are
   * what it was requested with. The device stays the caller's: `destroy` leaves it open.
   *
   * @example
   * const gpu = Gpu.from(await adapter.requestDevice());
   * const graph = await compile(gpu, { outputs: [y] });
   * graph.write(x, buffer); // a GPUBuffer of that device
   */
  static from(device: GPUDevice, options: FromOptions = {}): Gpu {
    checkOpening('Gpu.from', options);
    const { adapterInfo } = (device ?? {}) as Partial<GPUDevice>;
    if (adapterInfo === undefined) {
      throw new FrostlineError(
        'Gpu.from: there is no GPUDevice. Give what `await adapter.requestDevice()` resolves to.',
      );
    }
    const found = isSoftware(adapterInfo) ? 'software' : 'hardware';
    return new Gpu(undefined, adapterInfo, device, found, options, readingFile(adapterInfo, found, options)?.find());
  }

  /** Another device on the same adapter, with a queue of its own; its kernels' variants are those of the estimates. */
  async sibling(): Promise<Gpu> {
    this.check();
    if (this.instance === undefined) {
      throw new FrostlineError(
        'A device given to Gpu.from has no sibling: request a second one and call Gpu.from again.',
      );
    }
    const { machine, precision, subgroupMatrices } = this;
    return Gpu.again({ instance: this.instance, kind: this.kind }, { machine, precision, subgroupMatrices });
  }

  /**
   * Probes this adapter now, of whatever kind it is, on a device beside this one, and keeps the reading in place of an earlier
   * one: it counts from the next opening on.
   */
  async probe(): Promise<ProbeReading> {
    this.check();
    return new ReadingFile(tunedAdapter(this)).keep(await takeReading(() => this.sibling()), {
      replace: true,
      warn: this.warn,
    });
  }

  /** One line: the adapter's name and what kind it is. */
  describe(): string {
    return `${this.name} (${this.kind})`;
  }

  /** Tells, once for each text, what is done otherwise than asked. */
  notice(text: string): void {
    checkArguments('gpu.notice', { text: [text, TEXT] });
    if (!this.noticed.has(text)) this.warn(text);
    this.noticed.add(text);
  }

  /** A zeroed buffer of at least `bytes`, counted until it is released. */
  allocate(label: string, bytes: number): GPUBuffer {
    this.check();
    checkArguments('gpu.allocate', { label: [label, TEXT], bytes: [bytes, SIZE] });
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    this.checkSize(label, size);
    const usage = USAGE.storage | USAGE.copySource | USAGE.copyDestination;
    return this.counted(this.device.createBuffer({ label, size, usage }));
  }

  /**
   * Frees a buffer of this device's, and what it was counted as. Twice is as once.
   * @throws FrostlineError for what this device has not allocated
   */
  release(buffer: GPUBuffer): void {
    if (!disown(buffer, this.device)) return;
    this.liveBytes -= buffer.size;
    buffer.destroy();
  }

  /**
   * A storage with a buffer of its own, and values where given; of halves a size alone, at four bytes a value.
   * @throws FrostlineError for a size that is none, or that no buffer of the adapter has
   */
  storage(label: string, contents: number | ArrayBufferView<ArrayBuffer>, precision: Precision = 'f32'): Storage {
    checkArguments('gpu.storage', { label: [label, TEXT], precision: [precision, PRECISION] });
    checkArguments(label, { contents: [contents, precision === 'f16' ? SIZE : CONTENTS] });
    const bytes = typeof contents === 'number' ? contents : contents.byteLength;
    const storage = new Storage(label, bytes, {
      precision,
      buffer: this.allocate(label, precision === 'f16' ? bytes / 2 : bytes),
    });
    if (typeof contents !== 'number') this.write(storage, contents);
    return storage;
  }

  /** A uniform buffer with these bytes: the parameters of a whole program's dispatches. */
  uniforms(label: string, bytes: Uint8Array<ArrayBuffer>): GPUBuffer {
    this.check();
    checkArguments('gpu.uniforms', { label: [label, TEXT], bytes: [bytes, BYTES_GIVEN] });
    const buffer = this.device.createBuffer({
      label,
      size: Math.max(16, bytes.byteLength),
      usage: USAGE.uniform | USAGE.copyDestination,
    });
    this.counted(buffer);
    this.device.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  }

  private checkSize(label: string, size: number): void {
    if (size <= this.limits.maxBuffer) return;
    throw new FrostlineError(
      `${label} needs a buffer of ${size} bytes; ${this.name} allows ${this.limits.maxBuffer}. ` +
        'Use a smaller batch, or another adapter.',
    );
  }

  /**
   * Writes at `offset` bytes, a multiple of 4; ordered with submits, but before anything recorded and not yet submitted.
   * @throws FrostlineError for values that are no typed array or do not fit, and a storage whose buffer is not there
   */
  write(storage: Storage, values: ArrayBufferView<ArrayBuffer>, offset = 0): void {
    this.check();
    checkStorage('gpu.write', storage);
    checkArguments(`gpu.write to ${storage.label}`, { values: [values, VALUES], offset: [offset, WORDS] });
    const end = offset + values.byteLength;
    if (end > Math.ceil(storage.bytes / 4) * 4) {
      throw new FrostlineError(
        `${storage.label} holds ${storage.bytes} bytes; a write ends at byte ${end}. Write fewer values.`,
      );
    }
    // WebGPU writes words; an odd number of halves ends within one, whose rest nobody reads.
    // Of shared memory Dawn takes no view: the process ends.
    const isPlain = values.byteLength % 4 === 0 && values.buffer instanceof ArrayBuffer;
    const words = isPlain ? values : padded(values);
    this.device.queue.writeBuffer(bufferOn(this.device, 'gpu.write', storage), offset, words);
  }

  /** Zeroes buffers now. They are zero when made, but drivers do that at their first use: in the first step. */
  clear(buffers: readonly GPUBuffer[]): void {
    this.check();
    checkArguments('gpu.clear', { buffers: [buffers, buffersOf(this.device)] });
    const encoder = this.device.createCommandEncoder();
    for (const buffer of buffers) encoder.clearBuffer(buffer);
    this.device.queue.submit([encoder.finish()]);
  }

  /** Writes the same word of 32 bits all over buffers. @param word a whole number from 0 to 4294967295 */
  fill(buffers: readonly GPUBuffer[], word: number): void {
    this.check();
    checkArguments('gpu.fill', { buffers: [buffers, buffersOf(this.device)], word: [word, WORD] });
    const most = Math.max(0, ...buffers.map(({ size }) => size));
    const words = new Uint32Array(Math.min(most, FILL_BYTES) / 4).fill(word);
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.size; at += words.byteLength) {
        this.device.queue.writeBuffer(buffer, at, words, 0, Math.min(words.length, (buffer.size - at) / 4));
      }
    }
  }

  /**
   * Reads bytes back; waits for all submitted work.
   * @param offset in bytes, a multiple of 4
   * @throws FrostlineError for a range that is not within the storage, and a storage whose buffer is not there
   */
  async read(storage: Storage, offset = 0, bytes?: number): Promise<ArrayBuffer> {
    this.check();
    checkStorage('gpu.read', storage);
    return this.readRange(storage, offset, bytes === undefined ? storage.bytes - offset : bytes);
  }

  private async readRange(storage: Storage, offset: number, bytes: number): Promise<ArrayBuffer> {
    const what = `gpu.read of ${storage.label}`;
    checkArguments(what, { offset: [offset, WORDS], bytes: [bytes, SIZE] });
    if (offset + bytes > storage.bytes) {
      throw new FrostlineError(
        `${what}: it holds ${storage.bytes} bytes; a read ends at byte ${offset + bytes}. Read less.`,
      );
    }
    const buffer = bufferOn(this.device, 'gpu.read', storage);
    const readback = this.readback(`${storage.label} (read back)`, bytes);
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, readback, 0, Math.ceil(bytes / 4) * 4);
    this.device.queue.submit([encoder.finish()]);
    try {
      await this.wait(readback.mapAsync(0x1));
      this.check();
      return readback.getMappedRange(0, Math.ceil(bytes / 4) * 4).slice(0, bytes);
    } finally {
      this.release(readback);
    }
  }

  /** The same as numbers: `bytes` a multiple of 4. */
  async readFloats(storage: Storage, offset = 0, bytes?: number): Promise<Float32Array<ArrayBuffer>> {
    checkStorage('gpu.readFloats', storage);
    checkArguments(`gpu.readFloats of ${storage.label}`, { bytes: [bytes, orNothing(WORDS)] });
    return new Float32Array(await this.read(storage, offset, bytes));
  }

  /** A buffer that the host can map, counted until it is released. */
  readback(label: string, bytes: number): GPUBuffer {
    this.check();
    checkArguments('gpu.readback', { label: [label, TEXT], bytes: [bytes, SIZE] });
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    this.checkSize(label, size);
    return this.counted(this.device.createBuffer({ label, size, usage: USAGE.mapRead | USAGE.copyDestination }));
  }

  /** Waits until everything submitted is done. */
  async idle(): Promise<void> {
    await this.wait(this.device.queue.onSubmittedWorkDone());
    this.check();
  }

  /**
   * Waits for a promise of the device's; on a software adapter without taking a core from it. Every promise of the device
   * passes here: where it is rejected, the error says what became of the device.
   * @throws DeviceLostError, or FrostlineError where this device was destroyed meanwhile
   */
  async wait<T>(promise: Promise<T>): Promise<T> {
    try {
      return await (this.kind === 'hardware' ? promise : this.waiter.wait(promise));
    } catch (error) {
      throw await this.translated(error);
    }
  }

  private async translated(error: unknown): Promise<unknown> {
    if (!this.destroyed && this.failure === undefined && isOfLoss(error)) {
      // The word that the device is lost may come after the rejections of what waits for it.
      const patience = new Promise((resolve) => setTimeout(resolve, LOSS_PATIENCE).unref());
      await Promise.race([this.device.lost, patience]);
    }
    try {
      this.check();
      return error;
    } catch (known) {
      return known;
    }
  }

  /**
   * Throws what the device reported since: validation errors and device loss arrive late in WebGPU.
   * @throws FrostlineError where this device was destroyed
   */
  check(): void {
    if (this.destroyed) {
      throw new FrostlineError(`${this.name}: this device was destroyed. Open another with Gpu.open().`);
    }
    if (this.failure !== undefined) throw this.failure;
  }

  private defect(message: string): Error {
    return new Error(`WebGPU on ${this.name}: ${message}`);
  }

  private lost(message: string): DeviceLostError {
    const reason = message.trim().split('\n')[0].replace(/\.$/, '');
    return new DeviceLostError(
      `${this.name}: the device was lost${reason && ` (${reason})`}. The driver was reset, or the GPU was taken away or put ` +
        'to sleep; what ran on it is lost. Run the command again',
    );
  }

  private outOfMemory(): FrostlineError {
    return new FrostlineError(
      `${this.name} is out of memory: ${this.liveBytes} bytes of buffers were asked for. ` +
        'Use a smaller batch, or freeze more layers.',
    );
  }

  memory(): MemoryReport {
    return { live: this.liveBytes, peak: this.peakBytes };
  }

  /** Counts the peak anew: what ran before on this device is not the next run's. */
  resetPeak(): void {
    this.peakBytes = this.liveBytes;
  }

  private counted(buffer: GPUBuffer): GPUBuffer {
    own(buffer, this.device);
    this.liveBytes += buffer.size;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    return buffer;
  }

  /** Ends the use of this device and all its memory; one that came by `Gpu.from` stays open. Twice is as once. */
  destroy(): void {
    this.destroyed = true;
    // Dawn keeps a listener, and all that it refers to, for as long as the process lives.
    this.device.removeEventListener('uncapturederror', this.onError);
    if (this.instance !== undefined) this.device.destroy();
  }
}

/** Refuses options that are none before anything is opened, or measured. */
function checkOpening(what: string, options: OpenOptions): void {
  checkOptions(what, options, OPEN_OPTIONS);
  const { kind = 'software', precision = 'f32', machine } = options;
  if (!PRECISION.is(precision)) {
    throw new FrostlineError(`There is no precision '${String(precision)}'. Give ${PRECISION.words}.`);
  }
  if (typeof kind !== 'string' || !Object.hasOwn(KINDS, kind)) {
    throw new FrostlineError(`There is no kind of adapter '${String(kind)}'. Give ${Object.keys(KINDS).join(', ')}.`);
  }
  if (machine !== undefined) checkMachine(`${what}: machine`, machine);
  forcedOn(options);
}

const forcedOn = ({ algorithms }: OpenOptions): Map<string, string> =>
  algorithms === undefined
    ? forcedAlgorithms(parseAlgorithms(process.env['FROSTLINE_ALGORITHM'] ?? ''), 'FROSTLINE_ALGORITHM')
    : forcedAlgorithms(new Map(Object.entries(algorithms)), 'algorithms');

/** Where the readings of an adapter lie that is planned for by one. */
function readingFile(info: GPUAdapterInfo, found: AdapterKind, options: OpenOptions): ReadingFile | undefined {
  const { kind = found, machine, probe = found === 'hardware' && probeWanted() } = options;
  if (kind !== 'hardware' || machine !== undefined || !probe) return undefined;
  return new ReadingFile(tunedAdapter({ name: adapterName(info), driver: info.description, kind }));
}

const notProbed = (name: string, why: string) =>
  `what was probed of ${name} does not count: ${why}. Estimates go by what is known of it or assumed; ` +
  "'frostline doctor --probe' measures again, FROSTLINE_PROBE=off asks for no probe";

/** Limits that an adapter with these can pretend to have. */
function within(offered: Limits, wanted: Partial<Limits>, name: string): Partial<Limits> {
  for (const [key, value] of Object.entries(wanted)) {
    const most = (offered as unknown as Record<string, number>)[key];
    if (!Object.hasOwn(offered, key)) {
      throw new FrostlineError(`"${key}" is no limit. There are: ${Object.keys(offered).join(', ')}.`);
    }
    if (value === undefined) throw new FrostlineError(`The limit ${key} is undefined; leave it out, or give a number.`);
    // Offsets may be aligned more coarsely than the adapter asks, everything else may be less.
    const coarsest = most * Math.floor(offered.maxBinding / most);
    const aligns = key === 'offsetAlignment';
    const fits = aligns ? value % most === 0 && value > 0 && value <= coarsest : value >= 1 && value <= most;
    if (!Number.isInteger(value) || !fits) {
      const range = aligns ? `a multiple of ${most}, at most ${coarsest}` : `a whole number from 1 to ${most}`;
      throw new FrostlineError(`The limit ${key} is ${describeValue(value)}; on ${name} it can be ${range}.`);
    }
  }
  return wanted;
}

function padded({ buffer, byteOffset, byteLength }: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const words = new Uint8Array(4 * Math.ceil(byteLength / 4));
  words.set(new Uint8Array(buffer, byteOffset, byteLength));
  return words;
}

const MATRICES = 'chromium-experimental-subgroup-matrix';

const withoutMatrices = (name: string) =>
  `${name} has no ${MATRICES}, by which FROSTLINE_SUBGROUP_MATRIX=1 has products made. Unset it, or use another adapter.`;

const withoutHalves = (name: string) =>
  `${name} has no shader-f16, which half precision needs. Leave --precision f16 out, or use another adapter ` +
  '(on a device of your own, request the feature).';

/** A device with the adapter's full limits. */
function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const wanted = ['subgroups', 'timestamp-query', 'shader-f16', MATRICES] as GPUFeatureName[];
  return adapter.requestDevice({
    label: 'frostline',
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: {
      maxStorageBufferBindingSize: adapter.limits.maxStorageBufferBindingSize,
      maxBufferSize: adapter.limits.maxBufferSize,
      maxComputeWorkgroupStorageSize: adapter.limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: adapter.limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: adapter.limits.maxComputeWorkgroupSizeX,
      maxStorageBuffersPerShaderStage: Math.min(10, adapter.limits.maxStorageBuffersPerShaderStage),
    },
  });
}
