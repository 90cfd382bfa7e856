/**
 * What operations see while their dispatches are made: a `ForwardEmitter` for one tensor at a time. What lasts from one
 * to the next is here: the program so far, and memory that operations have made for themselves, which backward finds again.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Storage } from '../gpu/storage.ts';
import { type KernelDispatch, withoutHalves } from '../kernels/kernel.ts';
import type { Analysis } from './analysis.ts';
import type { Copies } from './copies.ts';
import { type Combined, type ForwardEmitter, type Run, refuse } from './operation.ts';
import type { Placement } from './placement.ts';
import type { Storages } from './storages.ts';
import type { Tensor } from './tensor.ts';

export class Emitters {
  /** the program so far, in order */
  readonly dispatches: KernelDispatch[] = [];
  private readonly gpu: Gpu;
  private readonly analysis: Analysis;
  private readonly placement: Placement;
  private readonly copies: Copies;
  private readonly storages: Storages;
  private readonly training: boolean;
  private readonly saved = new Map<string, Storage>();
  private readonly constants = new Map<string, Storage>();
  private readonly combined = new Map<Tensor, Combined>();

  constructor(
    gpu: Gpu,
    analysis: Analysis,
    placement: Placement,
    copies: Copies,
    storages: Storages,
    { training }: { readonly training: boolean },
  ) {
    this.gpu = gpu;
    this.analysis = analysis;
    this.placement = placement;
    this.copies = copies;
    this.storages = storages;
    this.training = training;
  }

  /** For the operation that makes `tensor`. */
  of(tensor: Tensor): ForwardEmitter {
    const { gpu, analysis, copies, storages, training } = this;
    const { values, operands } = this.placement;
    const { operation, inputs } = tensor.source!;
    const run = this.runOf(tensor);
    const combined = () => this.combinedOf(tensor);
    // Names of tensors need not differ, so memory of an operation's own goes by its place on the tape.
    const keyOf = (name: string) => `${tensor.order} ${name}`;
    return {
      gpu,
      inputs,
      output: tensor,
      training,
      differentiated: analysis.isDifferentiated(tensor),
      ordinal: analysis.ordinal(tensor),
      step: storages.step,
      part(k) {
        const part = analysis.part(tensor, k);
        return part && values.get(part);
      },
      after: analysis.after(tensor),
      // Its operand is made where the operation first asks for it, not before.
      get combined() {
        return combined();
      },
      before: analysis.before(tensor),
      state(i) {
        if (!operation.writes?.includes(i)) throw new Error(`${operation.name} does not write input ${i}`);
        return training ? values.get(inputs[i]) : undefined;
      },
      value: (wanted) => operands.get(wanted)!,
      needs: (source) => analysis.needed.has(tensor) && analysis.needed.has(source),
      saved: (name, bytes, precision) =>
        once(this.saved, keyOf(name), () => storages.activation(`${tensor.name} ${name}`, bytes, precision)),
      constant: (name, contents) => once(this.constants, keyOf(name), () => storages.pin(name, contents)),
      lasts: (source) => copies.lasts(source),
      prepared(source, name, bytes, make, precision = 'f32') {
        const layout = { key: keyOf(name), label: `${source.name}, ${name}`, bytes, precision, make };
        return copies.inLayout(source, layout, run);
      },
      run,
    };
  }

  private runOf(tensor: Tensor): Run {
    return (kernel, params, views, epilogues) => {
      const unable = withoutHalves(kernel, views);
      if (unable !== undefined) {
        refuse(
          tensor.name,
          `half precision has no text of ${kernel.name} for its ${unable}, which ${tensor.source!.operation.name} needs`,
          'Use --precision f32.',
        );
      }
      this.dispatches.push(kernel.dispatch(this.gpu, params, views, undefined, epilogues));
    };
  }

  /** The combination that the operation applies, with its operand, which is made once. */
  private combinedOf(maker: Tensor): Combined | undefined {
    const combination = this.analysis.combination(maker);
    if (combination === undefined) return undefined;
    return once(this.combined, maker, () => {
      const { is, operand } = combination.tensor.source!.operation.combination!;
      return { combination: is, operand: operand(this.of(combination.tensor), combination.input) };
    });
  }
}

/** What the map has under the key, made where it has nothing yet. */
function once<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
