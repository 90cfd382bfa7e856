/**
 * The order of backward and update: operations in reverse, each with the gradients that have come to its outputs; then
 * what it contributed is added up; then every parameter of which that was the last contribution is updated. Where losses
 * are scaled, updates wait for the checks, which come last (loss-scaling.ts).
 */
import type { Storage } from '../gpu/storage.ts';
import type { Analysis } from './analysis.ts';
import { backwardEmitter } from './backward-emitter.ts';
import { type Asked, type Emitters, expectAsked, expectDone } from './emitter.ts';
import type { Gradients } from './gradients.ts';
import { InputGradients } from './input-gradients.ts';
import type { LossScaling } from './loss-scaling.ts';
import { refuse } from './operation.ts';
import { OwnUpdates } from './own-updates.ts';
import type { Storages } from './storages.ts';
import { Parameter, type Tensor } from './tensor.ts';
import type { Updates } from './update.ts';

/** dL/d loss, and whether it is the constant 1. */
export interface Seed {
  readonly storage: Storage;
  readonly isOne: boolean;
}

/** What the host gives, the loss scale, or 1. */
export function seedOf(upstream: Storage | undefined, scaling: LossScaling | undefined, storages: Storages): Seed {
  if (upstream !== undefined) return { storage: upstream, isOne: false };
  if (scaling !== undefined) return { storage: scaling.storage, isOne: false };
  return { storage: storages.pin('dL/dL', Float32Array.of(1)), isOne: true };
}

export class BackwardPass {
  private readonly analysis: Analysis;
  private readonly emitters: Emitters;
  private readonly gradients: Gradients;
  private readonly updates: Updates | undefined;
  private readonly scaling: LossScaling | undefined;

  /** @param updates none: gradients alone */
  constructor(
    analysis: Analysis,
    emitters: Emitters,
    gradients: Gradients,
    updates: Updates | undefined,
    scaling: LossScaling | undefined,
  ) {
    this.analysis = analysis;
    this.emitters = emitters;
    this.gradients = gradients;
    this.updates = updates;
    this.scaling = scaling;
  }

  emit(loss: Tensor, seed: Seed): void {
    const { analysis, gradients, scaling } = this;
    gradients.set(loss, seed.storage);
    for (const tensor of analysis.operations.toReversed()) {
      this.completeOutputs(tensor);
      const dy = gradients.of(tensor);
      if (dy === undefined || !tensor.source!.inputs.some((source) => analysis.needed.has(source))) continue;
      this.differentiate(tensor, dy, seed.isOne && dy === seed.storage);
      this.updateComplete(tensor);
    }
    scaling?.finish(this.emitters.of(loss));
  }

  /** Of an operation of several outputs, a gradient that comes to others alone: that of the first is 0. */
  private completeOutputs(tensor: Tensor): void {
    const { analysis, gradients } = this;
    if (gradients.has(tensor) || !analysis.otherParts(tensor).some((part) => gradients.has(part))) return;
    gradients.placeZero(tensor, this.emitters.of(tensor).run);
  }

  /** What an operation contributes to the gradients of its inputs. */
  private differentiate(tensor: Tensor, dy: Storage, outputGradientIsOne: boolean): void {
    const { analysis, gradients, updates, scaling } = this;
    const { operation, inputs } = tensor.source!;
    const asked: Asked = new Set();
    const emit = this.emitters.of(tensor, asked);
    const given = new InputGradients(gradients, analysis.needed, emit);
    if (analysis.passesGradient(tensor)) {
      given.passOn(inputs[0], dy);
    } else if (operation.backward) {
      const own = new OwnUpdates(emit, dy, gradients, updates, scaling);
      const parts = new Map(analysis.otherParts(tensor).map((part) => [part.source!.operation.part!, part]));
      const partGradient = (k: number) => {
        asked.add(`partGradient(${k})`);
        const part = parts.get(k);
        return part && gradients.of(part);
      };
      const outputs = { outputGradient: dy, outputGradientIsOne, partGradient };
      expectDone(operation, 'backward', operation.backward(backwardEmitter(emit, outputs, given, own)));
      expectAsked(operation, 'backward', asked, [
        ['before', analysis.before(tensor)],
        ...[...parts].map(([k, part]) => [`partGradient(${k})`, gradients.has(part)] as const),
      ]);
      const { forgotten } = given;
      if (forgotten !== undefined && updates !== undefined && operation.part === undefined) {
        refuse(
          operation.name,
          `backward gives no gradient of input ${forgotten}, ${inputs[forgotten].name}, which would never be trained`,
          `Write emit.gradient(${forgotten}), or pass one on.`,
        );
      }
    }
    given.addUp(scaling);
  }

  /** Updates the parameters to whose gradients an operation was the last to contribute, as far as it has not itself. */
  private updateComplete(tensor: Tensor): void {
    const { analysis, gradients, updates, scaling } = this;
    for (const source of tensor.source!.inputs) {
      if (!gradients.contributed(source) || updates === undefined) continue;
      if (!(source instanceof Parameter && analysis.needed.has(source) && source.trainable)) continue;
      if (updates.isByKernels(source)) continue;
      const gradient = gradients.of(source)!;
      const update = () => updates.byGradient(source, gradient, this.emitters.of(tensor));
      if (scaling === undefined) update();
      else scaling.wait(gradient, source.size, update);
    }
  }
}
