/**
 * A training step without its buffers: operations are walked forward and backward as the compiler walks them, and what they
 * would run is noted.
 */
import type { Gpu } from '../gpu/device.ts';
import { Storage, type View } from '../gpu/storage.ts';
import { type BackwardEmitter, inMemory } from '../graph/operation.ts';
import { Parameter, type Tensor } from '../graph/tensor.ts';
import { flatWindows, rows } from '../graph/windows.ts';
import type { Kernel } from '../kernels/kernel.ts';
import { sgdm } from '../kernels/sgdm/sgdm.ts';
import { STEP_WORDS } from '../kernels/step.ts';

/** What an operation's inputs are. */
const ROLES = ['input', 'weight', 'bias'];

/**
 * Is told of a kernel run.
 * @param direction what is computed: 'forward', 'gradient of weight', 'update of bias', ...
 */
export type NoteRun = (layer: string, direction: string, kernel: Kernel, params: object, views: object) => void;

export class DryStep {
  private readonly gpu: Gpu;
  private readonly loss: Tensor;
  private readonly note: NoteRun;
  private readonly storages = new Map<Tensor, Storage>();
  private readonly step = new Storage('step', 4 * STEP_WORDS);
  /** parameters whose update the operation wrote itself */
  private readonly updated = new Set<Tensor>();

  constructor(gpu: Gpu, loss: Tensor, note: NoteRun) {
    this.gpu = gpu;
    this.loss = loss;
    this.note = note;
  }

  /** @param tensor what an operation makes */
  forward(tensor: Tensor): void {
    tensor.source!.operation.forward(this.emitter(tensor, () => 'forward'));
  }

  /** The derivatives, and the updates of its parameters. */
  backward(tensor: Tensor): void {
    const { operation, inputs } = tensor.source!;
    operation.backward?.(this.emitter(tensor, writtenGradient));
    for (const [i, parameter] of inputs.entries()) {
      if (parameter instanceof Parameter && !this.updated.has(parameter)) this.update(tensor.name, parameter, ROLES[i]);
    }
  }

  /** By a kernel of its own, window after window. */
  private update(layer: string, parameter: Parameter, role: string): void {
    for (const window of flatWindows(this.gpu, parameter.size)) {
      const part = (label: string) => rows(new Storage(label, parameter.bytes), 4, window);
      const views = { g: part('g'), step: this.step.view(), w: part('w'), v: part('v') };
      const params = { count: window.count, mask: 1, decay_factor: 1 };
      this.note(layer, `update of ${role}`, sgdm as unknown as Kernel, params, views);
    }
  }

  private storageOf(tensor: Tensor): Storage {
    const known = this.storages.get(tensor);
    if (known !== undefined) return known;
    const storage = new Storage(tensor.name, tensor.bytes);
    this.storages.set(tensor, storage);
    return storage;
  }

  private emitter(tensor: Tensor, directionOf: (views: object) => string): BackwardEmitter {
    const { inputs } = tensor.source!;
    const { updated, note } = this;
    return {
      gpu: this.gpu,
      inputs,
      output: tensor,
      training: true,
      differentiated: true,
      ordinal: 0,
      step: this.step,
      // A ReLU that follows, or went before, has rows of its own here; in a step the kernels around it apply it.
      after: undefined,
      combined: undefined,
      before: undefined,
      state: (i) => this.storageOf(inputs[i]),
      value: (of) => this.storageOf(of),
      // Each direction by itself: none leaves anything to another.
      needs: () => false,
      saved: (name, bytes, precision) => new Storage(name, bytes, { precision }),
      constant: (name, values) => new Storage(name, values.byteLength),
      outputGradient: new Storage('gradient of output', tensor.bytes),
      outputGradientIsOne: tensor === this.loss,
      passOn() {},
      part: () => undefined,
      partGradient: () => undefined,
      gradient(i) {
        const source = inputs[i];
        const differentiable = source.source !== undefined || source instanceof Parameter;
        return differentiable ? new Storage(`gradient of ${ROLES[i]}`, source.bytes) : undefined;
      },
      destination(i) {
        const storage = this.gradient(i);
        return storage && inMemory(storage);
      },
      sumTo(i, whole, write) {
        const to = this.destination(i)?.(whole);
        if (to !== undefined) write(to);
      },
      updates: (i) => inputs[i] instanceof Parameter,
      update(i) {
        const source = inputs[i];
        if (!(source instanceof Parameter)) return undefined;
        updated.add(source);
        const [w, v] = [`update of ${ROLES[i]}`, 'momentum'].map((label) => new Storage(label, source.bytes));
        return { w, v, mask: 1, decayFactor: 1 };
      },
      scaledUpdate: () => undefined,
      lasts: () => false,
      prepared(_, name, bytes, make) {
        const to = new Storage(name, bytes).view();
        make(this.run, to);
        return to;
      },
      run(kernel, params, views) {
        note(tensor.name, directionOf(views), kernel as unknown as Kernel, params, views);
      },
    };
  }
}

/** A kernel run of the way back is named by the gradient that it writes. */
const writtenGradient = (views: object): string =>
  (Object.values(views) as View[])
    .map(({ storage }) => storage.label.replace(/ in parts$/, ''))
    .findLast((label) => /^(gradient of (input|weight|bias)|update of weight)$/.test(label)) ?? 'backward';
