/**
 * Dynamic loss scaling in a graph of halves (the arithmetic: ../kernels/loss-scale/loss-scale.ts):
 *
 *   S -> backward (gradients of values as halves, of parameters as f32) -> checks -> next S, skipped? -> all updates
 *
 * No update may run before all gradients are known to be finite. So each one waits, and with it what it reads: the
 * gradient of its parameter, or, where an operation makes that in the update itself, the gradient of its output.
 */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { Storage } from '../gpu/storage.ts';
import {
  checkOf,
  checksOf,
  GRADIENTS,
  LARGEST,
  lossScaleCheck,
  lossScaleNext,
} from '../kernels/loss-scale/loss-scale.ts';
import { FIRST_SCALE, GROWTH_INTERVAL, LARGEST_SCALE, SCALING_WORDS } from '../kernels/loss-scale/state.ts';
import type { Wanted } from './compile-options.ts';
import type { ForwardEmitter } from './operation.ts';
import type { Storages } from './storages.ts';
import { type Parameter, Tensor } from './tensor.ts';
import { flatWindows, rows } from './windows.ts';

/** S at first, and nothing known. */
export const initialScaling = () => Float32Array.of(FIRST_SCALE, 0, 0, 1 / FIRST_SCALE, 0);

/** The loss scale of one graph, and the updates that wait for what it decides. */
export class LossScaling {
  /** the five numbers of ../kernels/loss-scale/state.ts, on the device; begins with dL/dL */
  readonly storage: Storage;
  /** the same for who reads outputs */
  readonly tensor = new Tensor('loss scale', [SCALING_WORDS]);
  private readonly gradients = new Map<Storage, number>();
  private readonly updates: (() => void)[] = [];

  constructor(gpu: Gpu) {
    this.storage = gpu.storage(this.tensor.name, initialScaling());
  }

  /** @param gradient what the update reads: `count` values, which must be finite, and which nobody may change any more */
  wait(gradient: Storage, count: number, update: () => void): void {
    this.gradients.set(gradient, count);
    this.updates.push(update);
  }

  /** Whether somebody is still to read it as it is: an update, or, of the scale itself, the next step. */
  holds(gradient: Storage): boolean {
    return gradient === this.storage || this.gradients.has(gradient);
  }

  /** The checks, the next scale, and every update. */
  finish({ gpu, run }: Pick<ForwardEmitter, 'gpu' | 'run'>): void {
    const parts = [...this.gradients].flatMap(([gradient, count]) =>
      flatWindows(gpu, count).map((window) => ({ gradient, window, checks: checksOf(window.count) })),
    );
    const total = parts.reduce((sum, { checks }) => sum + checks, 0);
    const bad = new Storage('gradients that are not finite', 4 * total);
    let first = 0;
    for (let at = 0; at < parts.length; at += GRADIENTS) {
      const together = parts.slice(at, at + GRADIENTS);
      const count = together.reduce((sum, { checks }) => sum + checks, 0);
      const { params, views } = checkOf(
        together.map(({ gradient, window, checks }) => ({
          g: rows(gradient, 4, window),
          count: window.count,
          checks,
          largest: LARGEST[gradient.precision],
        })),
      );
      run(lossScaleCheck, params, { ...views, bad: rows(bad, 4, { first, count }) });
      first += count;
    }
    run(
      lossScaleNext,
      { checks: total, interval: GROWTH_INTERVAL, largest: LARGEST_SCALE },
      { bad: bad.view(), scaling: this.storage.view() },
    );
    for (const update of this.updates) update();
  }
}

/** The loss scale of a graph, if it trains halves; refuses what would read scaled gradients, and updates that know no scale. */
export function scalingOf(
  gpu: Gpu,
  { optimizer, upstream, asked }: Pick<Wanted, 'optimizer' | 'upstream' | 'asked'>,
  parameters: readonly Parameter[],
  storages: Storages,
): LossScaling | undefined {
  if (optimizer === undefined || gpu.precision !== 'f16') return undefined;
  if (upstream !== undefined || asked.length > 0) {
    throw new FrostlineError(
      'Half precision scales the loss of a graph that updates parameters, and with it every gradient. Leave `update` out ' +
        "where `upstream` or `gradients` are given, or open the adapter with precision 'f32'.",
    );
  }
  if (optimizer !== 'sgdm') {
    throw new FrostlineError(`Half precision has no update by ${optimizer}. Use --optimizer sgdm, or --precision f32.`);
  }
  const masked = parameters.find(({ mask, trainable }) => trainable && typeof mask !== 'number');
  if (masked !== undefined) {
    throw new FrostlineError(
      `Half precision has no update by a mask for each element, as ${masked.name} has. Give it one number, or use ` +
        '--precision f32.',
    );
  }
  const scaling = new LossScaling(gpu);
  storages.pinned.push(scaling.storage);
  return scaling;
}
