/**
 * Updates that an operation writes itself, in place of a gradient: of a trained parameter whose whole gradient it makes, and
 * that nobody is to read. It needs no memory for the gradient then, and no pass that reads it.
 *
 * Where losses are scaled, no update may run before the gradients of the step are checked, and it waits. One that is
 * written in place of its gradient waits for the gradient of the output in its stead, which is checked, and which must
 * not be the scale itself: the checks change that.
 */
import type { Storage } from '../gpu/storage.ts';
import type { Gradients } from './gradients.ts';
import type { LossScaling } from './loss-scaling.ts';
import type { ForwardEmitter, GradientRows, ScaledUpdate, Update } from './operation.ts';
import { Parameter, type Tensor } from './tensor.ts';
import type { Updates } from './update.ts';

export class OwnUpdates {
  private readonly emit: Pick<ForwardEmitter, 'output' | 'value'>;
  private readonly dy: Storage;
  private readonly gradients: Gradients;
  private readonly updates: Updates | undefined;
  private readonly scaling: LossScaling | undefined;

  /** @param dy the gradient of the operation's output */
  constructor(
    emit: Pick<ForwardEmitter, 'output' | 'value'>,
    dy: Storage,
    gradients: Gradients,
    updates: Updates | undefined,
    scaling: LossScaling | undefined,
  ) {
    this.emit = emit;
    this.dy = dy;
    this.gradients = gradients;
    this.updates = updates;
    this.scaling = scaling;
  }

  /** What kernels that know update rules write in place of a gradient, where the operation may update. */
  inKernels(source: Tensor, whole: boolean): GradientRows | undefined {
    return whole && this.scaling === undefined && this.isOwn(source) ? this.updates!.inKernels(source) : undefined;
  }

  /** The same of a sum over dy that is f32, by an update which waits. @returns whether it does */
  inSumThatWaits(source: Tensor, whole: boolean, write: (to: GradientRows) => void): boolean {
    const { dy, scaling } = this;
    if (!this.waits || !scaling!.holds(dy) || !whole || !this.isPlain(source) || this.isScaled(source)) return false;
    const to = this.updates!.inKernels(source);
    scaling!.wait(dy, this.emit.output.size, () => write(to));
    return true;
  }

  /** Whether kernels with an update in their own text may write this one. */
  isInOwnText(source: Tensor): boolean {
    return this.isPlain(source) && (this.scaling === undefined || this.isScaled(source));
  }

  /** The update by such kernels. */
  inOwnText(source: Tensor): Update | undefined {
    return this.scaling === undefined && this.isPlain(source) ? this.updates!.inOwnText(source) : undefined;
  }

  /** The same by a gradient with the loss scale in it. */
  inOwnTextScaled(source: Tensor): ScaledUpdate | undefined {
    if (!this.isScaled(source) || !this.isPlain(source)) return undefined;
    const { dy, emit } = this;
    const scaling = this.scaling!;
    const later = (write: () => void) => scaling.wait(dy, emit.output.size, write);
    return { ...this.updates!.inOwnText(source), half: emit.value(source), scaling: scaling.storage, later };
  }

  /** A parameter that only this operation reads, whose gradient nobody else wants. */
  private isOwn(source: Tensor): source is Parameter {
    const trained = this.updates !== undefined && source instanceof Parameter && source.trainable;
    return trained && this.gradients.isOfOne(source);
  }

  /** One whose update kernels can have in their own text. */
  private isPlain(source: Tensor): source is Parameter {
    return this.updates?.optimizer === 'sgdm' && this.isOwn(source) && typeof source.mask === 'number';
  }

  private get waits(): boolean {
    return this.scaling !== undefined && this.dy !== this.scaling.storage;
  }

  /** One that is kept as halves, too. */
  private isScaled(source: Tensor): boolean {
    return this.waits && this.emit.value(source).precision === 'f16';
  }
}
