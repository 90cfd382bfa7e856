/** What a step does to a parameter last: its update, by one of the optimizers, with the state that it keeps from step to step. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Storage, View } from '../gpu/storage.ts';
import { adam, adamMasked } from '../kernels/adam/adam.ts';
import type { Kernel, ParamSchema, Params } from '../kernels/kernel.ts';
import { sgdm, sgdmMasked, sgdmScaled, sgdmScaledCopied } from '../kernels/sgdm/sgdm.ts';
import type { UpdateRule } from '../kernels/update.ts';
import type { LossScaling } from './loss-scaling.ts';
import type { ForwardEmitter, GradientRows, Update } from './operation.ts';
import type { Storages } from './storages.ts';
import type { Parameter } from './tensor.ts';
import { flatWindows, rows, type Window } from './windows.ts';

/** SGD with momentum as MATLAB's sgdm; Adam with the decay in the gradient; AdamW with it taken off the weight. */
export type Optimizer = 'sgdm' | 'adam' | 'adamw';

/** @throws FrostlineError for a name that is none */
export function optimizerOf(update: boolean | Optimizer): Optimizer | undefined {
  if (update === false) return undefined;
  if (update === true) return 'sgdm';
  if (update === 'sgdm' || update === 'adam' || update === 'adamw') return update;
  throw new FrostlineError(`There is no optimizer '${update}'. Give update: 'sgdm', 'adam' or 'adamw'.`);
}

/** The update of a parameter, of all of it. */
interface ParameterUpdate {
  /** by a gradient that is in memory; its rule, for kernels that update where they finish it */
  readonly pass: Kernel & { readonly rule: UpdateRule };
  readonly params: Params<ParamSchema>;
  /** what the rule binds: as many values as the parameter has, or the same for all of them */
  readonly own: Readonly<Record<string, Storage>>;
  readonly common: Readonly<Record<string, View>>;
}

/** Writes the updates of a graph, each parameter's once, and makes what the optimizer keeps of it. */
export class Updates {
  readonly optimizer: Optimizer;
  private readonly gpu: Gpu;
  private readonly storages: Storages;
  private readonly scaling: LossScaling | undefined;
  private readonly byKernels = new Set<Parameter>();

  constructor(gpu: Gpu, storages: Storages, optimizer: Optimizer, scaling: LossScaling | undefined) {
    this.gpu = gpu;
    this.storages = storages;
    this.optimizer = optimizer;
    this.scaling = scaling;
  }

  /** Whether the kernels that finish its gradient update it. */
  isByKernels(parameter: Parameter): boolean {
    return this.byKernels.has(parameter);
  }

  /** By a gradient that is complete, and in memory. */
  byGradient(parameter: Parameter, gradient: Storage, emit: Pick<ForwardEmitter, 'value' | 'run'>): void {
    const value = emit.value(parameter);
    const update = this.updateOf(parameter, value.precision === 'f16' ? value : undefined);
    for (const window of flatWindows(this.gpu, parameter.size)) {
      const views = { g: rows(gradient, 4, window), w: rows(parameter.reserve(this.gpu), 4, window) };
      const params = { count: window.count, ...update.params };
      emit.run(update.pass, params, { ...views, ...viewsOf(update, 4, window) });
    }
  }

  /** By kernels that know update rules, where they finish the gradient: what they write in its place, and do to it. */
  inKernels(parameter: Parameter): GradientRows {
    this.byKernels.add(parameter);
    const update = this.updateOf(parameter);
    const { pass, params } = update;
    return (rowBytes, part) => ({
      view: rows(parameter.reserve(this.gpu), rowBytes, part),
      update: { rule: pass.rule, params, views: viewsOf(update, rowBytes, part) },
    });
  }

  /** By kernels that have SGD with momentum, by one mask, in their own text. */
  inOwnText(parameter: Parameter): Update {
    this.byKernels.add(parameter);
    const { mask, decayFactor } = parameter;
    const v = this.keep('momentum', parameter);
    return { w: parameter.reserve(this.gpu), v, mask: mask as number, decayFactor };
  }

  /** @param half where the values are kept a second time, as halves, if they are */
  private updateOf(parameter: Parameter, half?: Storage): ParameterUpdate {
    const { scaling, optimizer } = this;
    const { mask, decayFactor } = parameter;
    const whole: Params<ParamSchema> = typeof mask === 'number' ? { mask } : {};
    const masks: Record<string, Storage> =
      typeof mask === 'number' ? {} : { mask: this.storages.pin(`mask of ${parameter.name}`, mask) };
    const byElement = typeof mask !== 'number';
    const common: Record<string, View> = { step: this.storages.step.view() };
    if (optimizer === 'sgdm') {
      const params = { decay_factor: decayFactor, ...whole };
      const own = { ...masks, v: this.keep('momentum', parameter) };
      if (scaling === undefined) {
        return { pass: byElement ? sgdmMasked : sgdm, params, own, common };
      }
      const scaled = { params, common: { ...common, scaling: scaling.storage.view() } };
      return half === undefined
        ? { pass: sgdmScaled, ...scaled, own }
        : { pass: sgdmScaledCopied, ...scaled, own: { ...own, h: half } };
    }
    const decay =
      optimizer === 'adam' ? { decay_factor: decayFactor, shrink: 0 } : { decay_factor: 0, shrink: decayFactor };
    const own = {
      ...masks,
      m: this.keep('mean gradient', parameter),
      v: this.keep('mean square of the gradient', parameter),
    };
    return { pass: byElement ? adamMasked : adam, params: { ...decay, ...whole }, own, common };
  }

  /** What is kept of it from step to step: as many values as the parameter has. */
  private keep(what: string, parameter: Parameter): Storage {
    const precision = this.scaling === undefined ? 'f32' : 'f16';
    return this.storages.keepMomentum(`${what} of ${parameter.name}`, parameter.bytes, precision);
  }
}

/** The views of a rule's bindings, of a part of the parameter. */
const viewsOf = ({ own, common }: ParameterUpdate, rowBytes: number, part: Window): Record<string, View> => ({
  ...common,
  ...Object.fromEntries(Object.entries(own).map(([name, storage]) => [name, rows(storage, rowBytes, part)])),
});
