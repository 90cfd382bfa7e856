/**
 * What dynamic loss scaling knows from one step to the next, on the device: five numbers of f32, whose first is the
 * gradient of the scaled loss, with which backward begins. `loss-scale/next` (./loss-scale.ts) writes them after backward
 * and before the updates, which read them.
 */

/** Where each number lies. */
export const SCALING = {
  /** S of the next backward pass: dL/dL */
  scale: 0,
  /** steps since S was last changed, all of them finite */
  good: 1,
  /** 1 where a gradient of this step was not finite: the updates change nothing */
  skipped: 2,
  /** 1 / S of this step */
  unscale: 3,
  /** steps skipped so far; exact up to 2^24 */
  total: 4,
} as const;
export const SCALING_WORDS = 5;

/**
 * S at first. The gradient of ten logits is at most a tenth of it, far from the largest half, 65504; and what is larger
 * than 7e-9 is still a normal half.
 */
export const FIRST_SCALE = 2 ** 13;
/** S is doubled after so many steps without an overflow, up to `LARGEST_SCALE`. */
export const GROWTH_INTERVAL = 1000;
export const LARGEST_SCALE = 2 ** 24;

/**
 * Velocities are kept as halves, so many times as large: between 1.5e-8, below which a half is no longer normal, and 16. The
 * weight takes the one in single precision, before it is rounded.
 */
export const VELOCITY_SCALE = 2 ** 12;

export const scalingBinding = { access: 'read' } as const;

/** For kernels that bind it as `scaling`. */
export const scalingFunctions = /* wgsl */ `
fn skipped() -> bool { return scaling[p.scaling_base + ${SCALING.skipped}u] > 0.0; }
fn unscale() -> f32 { return scaling[p.scaling_base + ${SCALING.unscale}u]; }`;
