/** The last dispatches of a parameter: its update, by one of the optimizers, with the state that it keeps from step to step. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Storage, View } from '../gpu/storage.ts';
import { adam, adamMasked } from '../kernels/adam/adam.ts';
import type { Kernel, ParamSchema, Params } from '../kernels/kernel.ts';
import { sgdm, sgdmMasked, sgdmScaled, sgdmScaledCopied } from '../kernels/sgdm/sgdm.ts';
import type { UpdateRule } from '../kernels/update.ts';
import type { Built } from './compiled-graph.ts';
import type { ForwardEmitter, GradientRows } from './operation.ts';
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

/** As many values as the parameter has, zero at first; cleared by `resetMomentum`, part of `readState`. */
export function stateOfUpdate(gpu: Gpu, what: string, parameter: Parameter, { momentum, scaling }: Built): Storage {
  const storage = gpu.storage(`${what} of ${parameter.name}`, parameter.bytes, scaling === undefined ? 'f32' : 'f16');
  momentum.push(storage);
  return storage;
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

interface UpdateContext {
  readonly built: Built;
  pin(label: string, contents: Float32Array<ArrayBuffer>): Storage;
}

/** @param half where the values are kept a second time, as halves, if they are */
function updateOf(
  gpu: Gpu,
  parameter: Parameter,
  optimizer: Optimizer,
  { built, pin }: UpdateContext,
  half?: Storage,
): ParameterUpdate {
  const { mask, decayFactor } = parameter;
  const whole: Params<ParamSchema> = typeof mask === 'number' ? { mask } : {};
  const masks: Record<string, Storage> =
    typeof mask === 'number' ? {} : { mask: pin(`mask of ${parameter.name}`, mask) };
  const byElement = typeof mask !== 'number';
  const common: Record<string, View> = { step: built.step.view() };
  if (optimizer === 'sgdm') {
    const params = { decay_factor: decayFactor, ...whole };
    const own = { ...masks, v: stateOfUpdate(gpu, 'momentum', parameter, built) };
    if (built.scaling === undefined) {
      return { pass: byElement ? sgdmMasked : sgdm, params, own, common };
    }
    const scaled = { params, common: { ...common, scaling: built.scaling.storage.view() } };
    return half === undefined
      ? { pass: sgdmScaled, ...scaled, own }
      : { pass: sgdmScaledCopied, ...scaled, own: { ...own, h: half } };
  }
  const decay =
    optimizer === 'adam' ? { decay_factor: decayFactor, shrink: 0 } : { decay_factor: 0, shrink: decayFactor };
  const own = {
    ...masks,
    m: stateOfUpdate(gpu, 'mean gradient', parameter, built),
    v: stateOfUpdate(gpu, 'mean square of the gradient', parameter, built),
  };
  return { pass: byElement ? adamMasked : adam, params: { ...decay, ...whole }, own, common };
}

/** The views of a rule's bindings, of a part of the parameter. */
const viewsOf = ({ own, common }: ParameterUpdate, rowBytes: number, part: Window): Record<string, View> => ({
  ...common,
  ...Object.fromEntries(Object.entries(own).map(([name, storage]) => [name, rows(storage, rowBytes, part)])),
});

/** Of a parameter whose gradient is complete, and in memory. */
export function emitUpdate(
  gpu: Gpu,
  parameter: Parameter,
  emit: ForwardEmitter,
  optimizer: Optimizer,
  context: UpdateContext,
): void {
  const value = emit.value(parameter);
  const update = updateOf(gpu, parameter, optimizer, context, value.precision === 'f16' ? value : undefined);
  for (const window of flatWindows(gpu, parameter.size)) {
    const g = rows(context.built.gradients.get(parameter)!, 4, window);
    const views = { g, w: rows(parameter.reserve(gpu), 4, window), ...viewsOf(update, 4, window) };
    emit.run(update.pass, { count: window.count, ...update.params }, views);
  }
}

/** A parameter that kernels update where they finish its gradient: what they write in its place, and do to it. */
export function updatedRows(
  gpu: Gpu,
  parameter: Parameter,
  optimizer: Optimizer,
  context: UpdateContext,
): GradientRows {
  const update = updateOf(gpu, parameter, optimizer, context);
  const { pass, params } = update;
  return (rowBytes, part) => ({
    view: rows(parameter.reserve(gpu), rowBytes, part),
    update: { rule: pass.rule, params, views: viewsOf(update, rowBytes, part) },
  });
}
