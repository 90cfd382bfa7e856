/**
 * From tensors to a static program.
 *
 * 1. The tape: everything that the wanted tensors are made of, in order of creation.
 * 2. The frost line: a tensor needs a gradient when it is a trainable parameter (or asked for) or made of one that does.
 *    Nothing else is differentiated, and nothing is kept for a derivative that will not run. Both, and what is fused, are
 *    known before anything has memory: analysis.ts.
 * 3. A place for every value: placement.ts, of which parameters have copies: copies.ts.
 * 4. Forward, in the tape's order; then backward, in reverse (backward.ts). Operations write their dispatches to what
 *    emitter.ts hands them. A tensor's gradient is written by the first operation that contributes to it and added to by
 *    the others (gradients.ts, input-gradients.ts). A parameter is updated as soon as its last contribution is there, so
 *    that its gradient's memory is free again (update.ts), or by the operation that makes it (own-updates.ts).
 * 5. Transient memory by lifetimes (memory.ts); pipelines, asynchronously and in parallel (gpu/program.ts).
 *
 * Who owns what: a `Parameter` owns its values on the device; a `CompiledGraph` owns inputs, momentum, activations, which
 * are in `Storages` until it is made (storages.ts).
 *
 * In half precision (`Gpu.precision`) what lies between is stored as f16: values of operations, gradients of values, and a
 * copy of every parameter of two or more dimensions, which operations read in place of it. f32 stay what the host writes or
 * reads (inputs, outputs, gradients that were asked for), a parameter's own values, its gradient and its momentum, and
 * parameters of one dimension, which are few. The copy is made by the graph before its first run, again where somebody
 * else has changed the values, and by the update that changes them. Losses are scaled: loss-scaling.ts.
 */
import { checkArguments, OBJECT } from '../arguments.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import { Program } from '../gpu/program.ts';
import { bufferOf } from '../gpu/storage.ts';
import type { Cost, KernelDispatch } from '../kernels/kernel.ts';
import { Analysis } from './analysis.ts';
import { BackwardPass, seedOf } from './backward.ts';
import { type CompileOptions, type Wanted, wantedOf } from './compile-options.ts';
import { type Built, CompiledGraph, type CompiledMask } from './compiled-graph.ts';
import { Copies } from './copies.ts';
import { Emitters } from './emitter.ts';
import { Gradients } from './gradients.ts';
import { type LossScaling, scalingOf } from './loss-scaling.ts';
import { assignBuffers, mostAlive } from './memory.ts';
import { placeValues } from './placement.ts';
import { Storages } from './storages.ts';
import { checkMask, type Parameter } from './tensor.ts';
import { Updates } from './update.ts';

export type { CompileOptions } from './compile-options.ts';
export { CompiledGraph, type CompiledMemory } from './compiled-graph.ts';
export { tapeOf } from './tape.ts';
export type { Optimizer } from './update.ts';

/**
 * Compiles the program that computes `outputs` and, where given, the gradients of `loss` and the update.
 * @throws FrostlineError when an operation without a derivative stands between the loss and what is to be trained, a row
 *   of a tensor does not fit a binding, or an option is none
 */
export async function compile(gpu: Gpu, options: CompileOptions): Promise<CompiledGraph> {
  checkArguments('compile', { gpu: [gpu, GPU], 'the options': [options, OBJECT] });
  const wanted = wantedOf(options);
  const storages = new Storages(gpu);
  let transient: GPUBuffer[] = [];
  try {
    const built = emit(gpu, wanted, storages);
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
    return new CompiledGraph(gpu, program, preparations, built, [...storages.buffers, ...transient]);
  } catch (error) {
    for (const buffer of [...storages.buffers, ...transient]) gpu.release(buffer);
    throw error;
  }
}

/**
 * The dispatches that `compile` would prepare, on a device that need not compute (gpu/planned.ts). Their storages have
 * sizes and no memory.
 */
export function planGraph(gpu: Gpu, options: CompileOptions): Pick<Built, 'dispatches' | 'forwardDispatches' | 'cost'> {
  const wanted = wantedOf(options);
  const storages = new Storages(gpu);
  try {
    return emit(gpu, wanted, storages);
  } finally {
    for (const buffer of storages.buffers) gpu.release(buffer);
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

/** The program, in the order of the header. What has a buffer of its own is in `storages`, also where this throws. */
function emit(gpu: Gpu, wanted: Wanted, storages: Storages): Built {
  const { loss, upstream, optimizer } = wanted;
  const analysis = new Analysis(gpu, wanted);
  const { operations, parameters, needed, state } = analysis;
  const masks = new Map(optimizer === undefined ? [] : parameters.map(withMask));
  const copies = new Copies(gpu, storages, analysis, wanted);
  const placement = placeValues(gpu, analysis, wanted, storages, copies);
  const emitters = new Emitters(gpu, analysis, placement, copies, storages, wanted);
  const { dispatches } = emitters;
  for (const tensor of operations) {
    if (!analysis.hasNoKernel(tensor)) emitters.forward(tensor);
  }
  const forwardDispatches = dispatches.length;
  const gradients = new Gradients(gpu, storages, analysis, wanted.asked);
  let scaling: LossScaling | undefined;
  if (loss !== undefined && needed.has(loss)) {
    scaling = scalingOf(gpu, wanted, parameters, storages);
    const updates = optimizer && new Updates(gpu, storages, optimizer, scaling);
    const seed = seedOf(upstream && placement.values.get(upstream), scaling, storages);
    new BackwardPass(analysis, emitters, gradients, updates, scaling).emit(loss, seed);
  }
  return {
    dispatches,
    forwardDispatches,
    cost: costOf(dispatches),
    mostAlive: mostAlive(dispatches, storages.activations),
    values: new Map([...placement.values, ...(scaling ? [[scaling.tensor, scaling.storage] as const] : [])]),
    gradients: new Map(gradients.all),
    scaling,
    parameters: [...parameters],
    masks,
    state: new Set(state),
    step: storages.step,
    pinned: storages.pinned,
    packed: storages.packed,
    momentum: storages.momentum,
    activations: storages.activations,
    preparations: copies.preparations,
  };
}

/** The mask that a parameter is compiled with, and a copy of one of many values, which may have changed since it was set. */
function withMask(parameter: Parameter): [Parameter, CompiledMask] {
  checkMask(parameter);
  const { mask } = parameter;
  return [parameter, { mask, ...(typeof mask !== 'number' && { values: mask.slice() }) }];
}

/** The arithmetic of one run. */
const costOf = (dispatches: readonly KernelDispatch[]): Cost =>
  dispatches.reduce((sum, { cost: { flops, bytes } }) => ({ flops: sum.flops + flops, bytes: sum.bytes + bytes }), {
    flops: 0,
    bytes: 0,
  });
