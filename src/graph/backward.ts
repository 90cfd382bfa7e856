/** Backward and update: gradients in the reverse order of the tape, each parameter updated as soon as its own is complete. */
import type { Gpu } from '../gpu/device.ts';
import { Storage } from '../gpu/storage.ts';
import { addAccumulate } from '../kernels/add/add.ts';
import { fillConstant } from '../kernels/fill/fill.ts';
import type { Built } from './compiled-graph.ts';
import type { LossScaling } from './loss-scaling.ts';
import { type BackwardEmitter, type ForwardEmitter, inMemory, refuse, type Update } from './operation.ts';
import { isAlias, type Parts } from './tape.ts';
import { Parameter, type Tensor } from './tensor.ts';
import { emitUpdate, type Optimizer, stateOfUpdate, updatedRows } from './update.ts';
import { flatWindows, rows } from './windows.ts';

export interface BackwardContext {
  readonly loss: Tensor;
  /** dL/d loss, and whether it is the constant 1 */
  readonly seed: Storage;
  readonly seedIsOne: boolean;
  readonly operations: readonly Tensor[];
  readonly needed: ReadonlySet<Tensor>;
  /** how many operations still contribute to a tensor's gradient */
  readonly pending: Map<Tensor, number>;
  readonly passed: ReadonlySet<Tensor>;
  readonly parts: Parts;
  readonly asked: readonly Tensor[];
  /** none: gradients alone */
  readonly optimizer: Optimizer | undefined;
  /** where the loss is scaled: in half precision, if parameters are updated */
  readonly scaling: LossScaling | undefined;
  readonly training: boolean;
  readonly built: Built;
  readonly emitter: (tensor: Tensor) => ForwardEmitter;
  readonly pin: (label: string, contents: number | Float32Array<ArrayBuffer>) => Storage;
}

export function emitBackward(gpu: Gpu, context: BackwardContext): void {
  const { loss, seed, seedIsOne, operations, needed, pending, passed, parts, asked, optimizer, training, built } =
    context;
  const { emitter, pin, scaling } = context;
  const { gradients } = built;
  gradients.set(loss, seed);

  /** Parameters whose update an operation wrote itself. */
  const updated = new Set<Tensor>();
  const room = (tensor: Tensor): Storage => {
    const label = `gradient of ${tensor.name}`;
    if (asked.includes(tensor)) return pin(label, tensor.bytes);
    if (tensor instanceof Parameter) return new Storage(label, tensor.bytes);
    const storage = new Storage(label, tensor.bytes, { precision: gpu.precision });
    built.activations.add(storage);
    return storage;
  };

  for (const tensor of operations.toReversed()) {
    const others = [...(parts.get(tensor)?.values() ?? [])].filter((part) => gradients.has(part));
    // A gradient that comes to other outputs alone: that of the first is 0.
    if (others.length > 0 && !gradients.has(tensor)) {
      gradients.set(tensor, room(tensor));
      for (const window of flatWindows(gpu, tensor.size)) {
        const views = { y: rows(gradients.get(tensor)!, 4, window) };
        emitter(tensor).run(fillConstant, { count: window.count, value: 0 }, views);
      }
    }
    const dy = gradients.get(tensor);
    if (dy === undefined || !tensor.source!.inputs.some((source) => needed.has(source))) continue;
    const { operation, inputs } = tensor.source!;
    const emit = emitter(tensor);
    const additions: [Tensor, Storage][] = [];
    /** inputs of which backward has given a gradient, or an update */
    const told = new Set<Tensor>();
    /** A parameter that only this operation reads, whose gradient nobody else wants. */
    const isOwn = (source: Tensor): source is Parameter => {
      const own = optimizer !== undefined && source instanceof Parameter && source.trainable;
      return own && !asked.includes(source) && !gradients.has(source) && pending.get(source) === 1;
    };
    /** One whose update the operation's kernels have in their own text. */
    const isPlain = (source: Tensor): source is Parameter =>
      optimizer === 'sgdm' && isOwn(source) && typeof source.mask === 'number';
    /** An update may wait for the checks, if what it reads is still there then: all but the scale, which they change. */
    const waits = scaling !== undefined && dy !== scaling.storage;
    const isScaled = (source: Tensor) => waits && emit.value(source).precision === 'f16';
    /** The update of such a one, if the operation is to write it. */
    const ownUpdate = (source: Tensor): Update | undefined => {
      if (!isPlain(source)) return undefined;
      updated.add(source);
      told.add(source);
      const v = stateOfUpdate(gpu, 'momentum', source, built);
      return { w: source.reserve(gpu), v, mask: source.mask as number, decayFactor: source.decayFactor };
    };
    const passOn = (source: Tensor, from: Storage) => {
      told.add(source);
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
        partGradient: (k) => {
          const part = parts.get(tensor)?.get(k);
          return part && gradients.get(part);
        },
        passOn: (i, storage) => passOn(inputs[i], storage),
        gradient(i) {
          const source = inputs[i];
          told.add(source);
          if (!needed.has(source)) return undefined;
          if (!gradients.has(source)) {
            gradients.set(source, room(source));
            return gradients.get(source);
          }
          const { precision } = gradients.get(source)!;
          const addition = new Storage(`addition to the gradient of ${source.name}`, source.bytes, { precision });
          additions.push([source, addition]);
          return addition;
        },
        destination(i) {
          const source = inputs[i];
          told.add(source);
          if (!needed.has(source)) return undefined;
          return (whole) => {
            if (whole && scaling === undefined && isOwn(source)) {
              updated.add(source);
              return updatedRows(gpu, source, optimizer!, context);
            }
            return inMemory(backward.gradient(i)!)(whole);
          };
        },
        sumTo(i, whole, write) {
          const source = inputs[i];
          if (waits && scaling!.holds(dy) && whole && isPlain(source) && !isScaled(source)) {
            told.add(source);
            updated.add(source);
            const to = updatedRows(gpu, source, 'sgdm', context);
            scaling!.wait(dy, tensor.size, () => write(to));
          } else {
            const to = backward.destination(i)?.(whole);
            if (to !== undefined) write(to);
          }
        },
        updates: (i) => isPlain(inputs[i]) && (scaling === undefined || isScaled(inputs[i])),
        update(i) {
          return scaling === undefined ? ownUpdate(inputs[i]) : undefined;
        },
        scaledUpdate(i) {
          const update = isScaled(inputs[i]) ? ownUpdate(inputs[i]) : undefined;
          const later = (write: () => void) => scaling?.wait(dy, tensor.size, write);
          return update && { ...update, half: emit.value(inputs[i]), scaling: scaling!.storage, later };
        },
      };
      operation.backward?.(backward);
      const forgotten = inputs.findIndex((source) => needed.has(source) && !told.has(source));
      if (forgotten >= 0 && optimizer !== undefined && operation.part === undefined) {
        refuse(
          operation.name,
          `backward gives no gradient of input ${forgotten}, ${inputs[forgotten].name}, which would never be trained`,
          `Write emit.gradient(${forgotten}), or pass one on.`,
        );
      }
    }
    for (const [source, addition] of additions) {
      const before = gradients.get(source)!;
      if (scaling?.holds(before)) copyInto(emit, source, before, room(source), gradients);
      for (const window of flatWindows(gpu, source.size)) {
        const views = { a: rows(addition, 4, window), y: rows(gradients.get(source)!, 4, window) };
        emit.run(addAccumulate, { count: window.count }, views);
      }
    }
    for (const source of inputs) {
      const left = pending.get(source)! - 1;
      pending.set(source, left);
      if (left > 0 || optimizer === undefined || updated.has(source)) continue;
      if (source instanceof Parameter && needed.has(source) && source.trainable) {
        const update = () => emitUpdate(gpu, source, emit, optimizer, context);
        if (scaling === undefined) update();
        else scaling.wait(gradients.get(source)!, source.size, update);
      }
    }
  }
  if (scaling !== undefined) scaling.finish(emitter(loss));
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
