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
 *
 * In half precision (`Gpu.precision`) what lies between is stored as f16: values of operations, gradients of values, and a
 * copy of every parameter of two or more dimensions, which operations read in place of it. f32 stay what the host writes or
 * reads (inputs, outputs, gradients that were asked for), a parameter's own values, its gradient and its momentum, and
 * parameters of one dimension, which are few. The copy is made by the graph before its first run, again where somebody
 * else has changed the values, and by the update that changes them. Losses are scaled: loss-scaling.ts.
 */
import { checkArguments, describeValue, FLAG, OBJECT } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { GPU, type Gpu } from '../gpu/device.ts';
import { type Dispatch, Program } from '../gpu/program.ts';
import { bufferOf, type Precision, Storage, shareOf } from '../gpu/storage.ts';
import { castCopy } from '../kernels/cast/cast.ts';
import { withoutHalves } from '../kernels/kernel.ts';
import { STEP_WORDS } from '../kernels/step.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import { emitBackward } from './backward.ts';
import { type Built, CompiledGraph } from './compiled-graph.ts';
import { fusions, passedEpilogues } from './fusion.ts';
import { LossScaling } from './loss-scaling.ts';
import { assignBuffers, mostAlive } from './memory.ts';
import { type Combined, type ForwardEmitter, refuse } from './operation.ts';
import { contributions, frostLine, isAlias, partsOf, stateOf, tapeOf } from './tape.ts';
import { checkMask, Parameter, Tensor } from './tensor.ts';
import { type Optimizer, optimizerOf } from './update.ts';
import { flatWindows, rows } from './windows.ts';

export { CompiledGraph, type CompiledMemory } from './compiled-graph.ts';
export { tapeOf } from './tape.ts';
export type { Optimizer } from './update.ts';

/** What `compile` is to compute: outputs, a loss to differentiate, gradients to be read, updates. */
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
  /** update the trainable parameters after each backward pass; true: by SGD with momentum */
  readonly update?: boolean | Optimizer;
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

const COMPILE_OPTIONS: OptionNames<CompileOptions> = {
  outputs: true,
  loss: true,
  upstream: true,
  update: true,
  gradients: true,
  training: FLAG,
  keepPacked: FLAG,
};

/**
 * Compiles the program that computes `outputs` and, where given, the gradients of `loss` and the update.
 * @throws FrostlineError when an operation without a derivative stands between the loss and what is to be trained, a row
 *   of a tensor does not fit a binding, or an option is none
 */
export async function compile(gpu: Gpu, options: CompileOptions): Promise<CompiledGraph> {
  checkArguments('compile', { gpu: [gpu, GPU], 'the options': [options, OBJECT] });
  checkOptions('compile', options, COMPILE_OPTIONS);
  const built = begin(gpu);
  let transient: GPUBuffer[] = [];
  const owned = () => [...built.pinned, ...built.packed, ...built.momentum].map(bufferOf).concat(transient);
  try {
    emit(gpu, options, built);
    built.mostAlive = mostAlive(built.dispatches, built.activations);
    transient = assignBuffers(gpu, built.dispatches);
    gpu.clear([...built.momentum.map(bufferOf), ...transient]);
    const [program, preparations] = await Promise.all([
      Program.prepare(gpu, built.dispatches),
      Promise.all(
        built.preparations.map(async ({ dispatches, ...copy }) => ({
          ...copy,
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
 * The dispatches that `compile` would prepare, on a device that need not compute (gpu/planned.ts). Their storages have
 * sizes and no memory.
 */
export function planGraph(gpu: Gpu, options: CompileOptions): Pick<Built, 'dispatches' | 'forwardDispatches' | 'cost'> {
  const built = begin(gpu);
  try {
    emit(gpu, options, built);
    return built;
  } finally {
    for (const storage of [...built.pinned, ...built.packed, ...built.momentum]) gpu.release(bufferOf(storage));
  }
}

function begin(gpu: Gpu): Built {
  const step = gpu.storage('step', new Uint32Array(STEP_WORDS));
  return {
    dispatches: [],
    values: new Map(),
    gradients: new Map(),
    parameters: [],
    momentum: [],
    scaling: undefined,
    pinned: [step],
    packed: [],
    activations: new Set(),
    step,
    masks: new Map(),
    state: new Set(),
    cost: { flops: 0, bytes: 0 },
    forwardDispatches: 0,
    mostAlive: 0,
    preparations: [],
  };
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

/** Refuses what is no tensor where one is expected, and a graph that computes nothing. */
function checkTensors(options: CompileOptions): void {
  const { loss, upstream, outputs = [], gradients = [] } = options;
  for (const [name, list] of Object.entries({ outputs, gradients })) {
    const stranger = Array.isArray(list) ? list.find((one) => !(one instanceof Tensor)) : list;
    if (Array.isArray(list) && list.every((one) => one instanceof Tensor)) continue;
    throw new FrostlineError(`compile: ${name} holds ${describeValue(stranger)}. Give a list of tensors.`);
  }
  for (const [name, one] of Object.entries({ loss, upstream })) {
    if (one === undefined || one instanceof Tensor) continue;
    throw new FrostlineError(`compile: ${name} is ${describeValue(one)}. Give a tensor.`);
  }
  if (loss === undefined && outputs.length === 0) {
    throw new FrostlineError('compile: there is nothing to compute. Give `outputs`, or a `loss`.');
  }
}

function emit(gpu: Gpu, options: CompileOptions, built: Built): void {
  checkTensors(options);
  const lossTape = checkLoss(options);
  const { loss, upstream, outputs = [], gradients: asked = [] } = options;
  const optimizer = optimizerOf(options.update ?? false);
  const update = optimizer !== undefined;
  const { training = loss !== undefined, keepPacked = true } = options;
  const tape = tapeOf([loss, upstream, ...outputs].filter((tensor) => tensor !== undefined));
  const operations = tape.filter((tensor) => tensor.source !== undefined);
  const state = training ? stateOf(operations) : new Set<Parameter>();
  const needed = frostLine(tape, lossTape, asked, update, state);
  for (const parameter of state) built.state.add(parameter);
  const { dispatches, values, pinned, packed, activations, step } = built;
  const activation = (label: string, bytes: number, precision: Precision = 'f32') => {
    const storage = new Storage(label, bytes, { precision });
    activations.add(storage);
    return storage;
  };
  const pin = (label: string, contents: number | Float32Array<ArrayBuffer>) => {
    const storage = gpu.storage(label, contents);
    pinned.push(storage);
    return storage;
  };

  const fused = fusions(tape, [loss, ...outputs, ...asked], needed, training);
  const hasNoKernel = (tensor: Tensor) => isAlias(tensor, training) || fused.arguments.has(tensor);
  const argumentOf = (tensor: Tensor) => fused.arguments.get(tensor) ?? tensor.source!.inputs[0];
  /** The tensor whose storage holds this one's bytes. */
  const holderOf = (tensor: Tensor): Tensor => (hasNoKernel(tensor) ? holderOf(argumentOf(tensor)) : tensor);

  // Values: parameters on the device, inputs and outputs with buffers of their own, aliases as their sources. Operations read
  // the same, but halves of weights where there are any.
  const operands = new Map<Tensor, Storage>();
  const wantedStorages = new Set(outputs.map(holderOf));
  if (loss !== undefined) wantedStorages.add(holderOf(loss));
  for (const tensor of tape) {
    if (tensor instanceof Parameter) {
      values.set(tensor, tensor.reserve(gpu));
      built.parameters.push(tensor);
      if (gpu.precision === 'f16' && tensor.shape.length > 1)
        operands.set(tensor, halvesOf(gpu, tensor, update, built));
      if (update) {
        checkMask(tensor);
        built.masks.set(tensor, tensor.mask);
      }
    } else if (hasNoKernel(tensor)) {
      const argument = argumentOf(tensor);
      values.set(tensor, values.get(argument)!);
      operands.set(tensor, operands.get(argument)!);
    } else if (tensor.source === undefined || wantedStorages.has(tensor)) {
      values.set(tensor, pin(tensor.name, tensor.bytes));
    } else {
      values.set(tensor, activation(tensor.name, tensor.bytes, tensor.type === 'f32' ? gpu.precision : 'f32'));
    }
    if (!operands.has(tensor)) operands.set(tensor, values.get(tensor)!);
  }

  const parts = partsOf(operations);
  const constants = new Map<string, Storage>();
  const saved = new Map<string, Storage>();
  const prepared = new Map<string, Storage>();
  const ofParameters = built.parameters.reduce((sum, { bytes }) => sum + bytes, 0);
  const mostLasting = Math.max(LASTING_LEAST, LASTING_SHARE * ofParameters);
  let lastingBytes = 0;
  const lasts = (source: Tensor): source is Parameter =>
    keepPacked && source instanceof Parameter && !(update && source.trainable) && !built.state.has(source);
  const combined = new Map<Tensor, Combined>();
  const combinedOf = (maker: Tensor): Combined | undefined => {
    const combination = fused.applied.get(maker)?.combination;
    if (combination === undefined) return undefined;
    let found = combined.get(maker);
    if (found === undefined) {
      const { is, operand } = combination.tensor.source!.operation.combination!;
      found = { combination: is, operand: operand(emitter(combination.tensor), combination.input) };
      combined.set(maker, found);
    }
    return found;
  };
  const pending = contributions(operations, needed);
  const { passed, readers: readersOfPassed } = passedEpilogues(gpu, { operations, needed, pending, asked, training });
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
    part: (k) => {
      const part = parts.get(tensor)?.get(k);
      return part && values.get(part);
    },
    after: fused.applied.get(tensor)?.map?.source?.operation.epilogue,
    get combined() {
      return combinedOf(tensor);
    },
    before: readersOfPassed.get(tensor),
    state(i) {
      const { operation, inputs } = tensor.source!;
      if (!operation.writes?.includes(i)) throw new Error(`${operation.name} does not write input ${i}`);
      return training ? values.get(inputs[i]) : undefined;
    },
    value: (wanted) => operands.get(wanted)!,
    needs: (source) => needed.has(tensor) && needed.has(source),
    saved(name, bytes, precision) {
      const key = `${tensor.order} ${name}`;
      let storage = saved.get(key);
      if (storage === undefined) saved.set(key, (storage = activation(`${tensor.name} ${name}`, bytes, precision)));
      return storage;
    },
    constant(name, contents) {
      const key = `${tensor.order} ${name}`;
      let storage = constants.get(key);
      if (storage === undefined) constants.set(key, (storage = pin(name, contents)));
      return storage;
    },
    lasts,
    prepared(source, name, bytes, make, precision = 'f32') {
      const key = `${tensor.order} ${name}`;
      const known = prepared.get(key);
      if (known !== undefined) return known.view();
      const kept = bytes * shareOf(precision);
      const lasting = lasts(source) && lastingBytes + kept <= mostLasting;
      const label = `${source.name}, ${name}`;
      const storage = lasting ? gpu.storage(label, bytes, precision) : new Storage(label, bytes, { precision });
      prepared.set(key, storage);
      if (lasting) {
        packed.push(storage);
        lastingBytes += kept;
        const dispatches: Dispatch[] = [];
        make((kernel, params, views) => dispatches.push(kernel.dispatch(gpu, params, views)), storage.view());
        built.preparations.push({ parameter: source, dispatches });
      } else {
        make(this.run, storage.view());
      }
      return storage.view();
    },
    run(kernel, params, views, epilogues) {
      const unable = withoutHalves(kernel, views);
      if (unable !== undefined) {
        refuse(
          tensor.name,
          `half precision has no text of ${kernel.name} for its ${unable}, which ${tensor.source!.operation.name} needs`,
          'Use --precision f32.',
        );
      }
      const dispatch = kernel.dispatch(gpu, params, views, undefined, epilogues);
      const { flops, bytes } = dispatch.cost;
      built.cost = { flops: built.cost.flops + flops, bytes: built.cost.bytes + bytes };
      dispatches.push(dispatch);
    },
  });

  for (const tensor of operations) {
    if (!hasNoKernel(tensor)) tensor.source!.operation.forward(emitter(tensor));
  }
  built.forwardDispatches = dispatches.length;
  if (loss !== undefined && needed.has(loss)) {
    const scaling = update && gpu.precision === 'f16' ? scalingOf(gpu, options, built) : undefined;
    const one = () => scaling?.storage ?? pin('dL/dL', Float32Array.of(1));
    const seed = upstream === undefined ? one() : values.get(upstream)!;
    const seedIsOne = upstream === undefined && scaling === undefined;
    const tapes = { operations, needed, pending, passed, parts };
    emitBackward(gpu, { loss, seed, seedIsOne, ...tapes, asked, optimizer, scaling, training, built, emitter, pin });
  }
}

/** Room for a weight as halves, which the graph makes of its values, and anew after others have changed them. */
function halvesOf(gpu: Gpu, parameter: Parameter, update: boolean, built: Built): Storage {
  const half = gpu.storage(`${parameter.name} as halves`, parameter.bytes, 'f16');
  built.packed.push(half);
  const dispatches = flatWindows(gpu, parameter.size).map((window) => {
    const views = { x: rows(parameter.reserve(gpu), 4, window), y: rows(half, 4, window) };
    return castCopy.dispatch(gpu, { count: window.count }, views);
  });
  built.preparations.push({ parameter, dispatches, updated: update && parameter.trainable });
  return half;
}

/** The loss scale of a graph that trains halves; refuses what would read scaled gradients. */
function scalingOf(gpu: Gpu, { upstream, gradients = [], update }: CompileOptions, built: Built): LossScaling {
  if (upstream !== undefined || gradients.length > 0) {
    throw new FrostlineError(
      'Half precision scales the loss of a graph that updates parameters, and with it every gradient. Leave `update` out ' +
        "where `upstream` or `gradients` are given, or open the adapter with precision 'f32'.",
    );
  }
  const optimizer = optimizerOf(update ?? false);
  if (optimizer !== 'sgdm') {
    throw new FrostlineError(`Half precision has no update by ${optimizer}. Use --optimizer sgdm, or --precision f32.`);
  }
  const masked = built.parameters.find(({ mask, trainable }) => trainable && typeof mask !== 'number');
  if (masked !== undefined) {
    throw new FrostlineError(
      `Half precision has no update by a mask for each element, as ${masked.name} has. Give it one number, or use ` +
        '--precision f32.',
    );
  }
  const scaling = new LossScaling(gpu);
  built.scaling = scaling;
  built.pinned.push(scaling.storage);
  built.values.set(scaling.tensor, scaling.storage);
  return scaling;
}
