/** The last dispatches of a parameter: its update, by one of the optimizers, with the state that it keeps from step to step. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Storage } from '../gpu/storage.ts';
import { adam, adamMasked } from '../kernels/adam/adam.ts';
import { castCopy } from '../kernels/cast/cast.ts';
import { sgdm, sgdmMasked, sgdmScaled } from '../kernels/sgdm/sgdm.ts';
import type { Built } from './compiled-graph.ts';
import type { ForwardEmitter } from './operation.ts';
import type { Parameter } from './tensor.ts';
import { flatWindows, rows } from './windows.ts';

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

/** Of a parameter whose gradient is complete. */
export function emitUpdate(
  gpu: Gpu,
  parameter: Parameter,
  emit: ForwardEmitter,
  optimizer: Optimizer,
  { built, pin }: { built: Built; pin: (label: string, contents: Float32Array<ArrayBuffer>) => Storage },
): void {
  const { mask, decayFactor } = parameter;
  const perElement = typeof mask === 'number' ? undefined : pin(`mask of ${parameter.name}`, mask);
  const whole = typeof mask === 'number' ? mask : 1;
  const common = (window: { first: number; count: number }) => ({
    g: rows(built.gradients.get(parameter)!, 4, window),
    step: built.step.view(),
    w: rows(parameter.reserve(gpu), 4, window),
  });
  const masks = (window: { first: number; count: number }) => ({ mask: rows(perElement!, 4, window) });
  if (optimizer === 'sgdm') {
    const momentum = stateOfUpdate(gpu, 'momentum', parameter, built);
    for (const window of flatWindows(gpu, parameter.size)) {
      const views = { ...common(window), v: rows(momentum, 4, window) };
      const params = { count: window.count, decay_factor: decayFactor };
      if (built.scaling !== undefined) {
        emit.run(sgdmScaled, { ...params, mask: whole }, { ...views, scaling: built.scaling.storage.view() });
        const half = emit.value(parameter);
        const copy = { x: views.w, y: rows(half, 4, window) };
        if (half.precision === 'f16') emit.run(castCopy, { count: window.count }, copy);
      } else if (perElement === undefined) emit.run(sgdm, { ...params, mask: whole }, views);
      else emit.run(sgdmMasked, params, { ...views, ...masks(window) });
    }
    return;
  }
  const mean = stateOfUpdate(gpu, 'mean gradient', parameter, built);
  const square = stateOfUpdate(gpu, 'mean square of the gradient', parameter, built);
  const decay =
    optimizer === 'adam' ? { decay_factor: decayFactor, shrink: 0 } : { decay_factor: 0, shrink: decayFactor };
  for (const window of flatWindows(gpu, parameter.size)) {
    const views = { ...common(window), m: rows(mean, 4, window), v: rows(square, 4, window) };
    const params = { count: window.count, ...decay };
    if (perElement === undefined) emit.run(adam, { ...params, mask: whole }, views);
    else emit.run(adamMasked, params, { ...views, ...masks(window) });
  }
}
