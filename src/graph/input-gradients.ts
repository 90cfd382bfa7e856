/**
 * What one operation contributes to the gradients of its inputs. The first contribution to a gradient is written in its
 * place; another goes to memory of its own and is added when the operation has given all of its own, or, where the
 * operation passes one on that lies elsewhere, is added from there.
 */
import { Storage } from '../gpu/storage.ts';
import type { Gradients } from './gradients.ts';
import type { LossScaling } from './loss-scaling.ts';
import type { ForwardEmitter } from './operation.ts';
import type { Tensor } from './tensor.ts';

export class InputGradients {
  private readonly gradients: Gradients;
  private readonly needed: ReadonlySet<Tensor>;
  private readonly emit: ForwardEmitter;
  private readonly additions: [Tensor, Storage][] = [];
  /** inputs of which backward has given a gradient, or an update */
  private readonly told = new Set<Tensor>();

  constructor(gradients: Gradients, needed: ReadonlySet<Tensor>, emit: ForwardEmitter) {
    this.gradients = gradients;
    this.needed = needed;
    this.emit = emit;
  }

  /** Says that the operation gives an input's gradient, or its update. @returns whether somebody needs it */
  tell(source: Tensor): boolean {
    this.told.add(source);
    return this.needed.has(source);
  }

  /** Where the operation is to write an input's gradient, or nothing where nobody needs it. */
  write(source: Tensor): Storage | undefined {
    if (!this.tell(source)) return undefined;
    const before = this.gradients.of(source);
    if (before === undefined) return this.gradients.place(source);
    const { precision } = before;
    const addition = new Storage(`addition to the gradient of ${source.name}`, source.bytes, { precision });
    this.additions.push([source, addition]);
    return addition;
  }

  /** Says that an input's gradient lies there. */
  passOn(source: Tensor, from: Storage): void {
    const { gradients, emit } = this;
    if (!this.tell(source)) return;
    if (gradients.has(source)) this.additions.push([source, from]);
    // A gradient that will be read keeps its bytes: what else comes to the other must not be added to it.
    else if (gradients.isAsked(source) || gradients.isAsked(emit.output)) gradients.placeCopy(source, from, emit.run);
    else gradients.set(source, from);
  }

  /** The first input that needs a gradient and got none. */
  get forgotten(): number | undefined {
    const { inputs } = this.emit;
    const found = inputs.findIndex((source) => this.needed.has(source) && !this.told.has(source));
    return found >= 0 ? found : undefined;
  }

  /** Adds what is to be added; not to what an update still waits for, which is copied first. */
  addUp(scaling: LossScaling | undefined): void {
    const { gradients, emit } = this;
    for (const [source, addition] of this.additions) {
      const before = gradients.of(source)!;
      if (scaling?.holds(before)) gradients.placeCopy(source, before, emit.run);
      gradients.add(source, addition, emit.run);
    }
  }
}
