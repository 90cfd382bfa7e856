/**
 * What changes from one training step to the next, in one small buffer that kernels read (array<u32>, numbers with a
 * fraction as the bits of an f32): a recorded program serves every step, and only these bytes are written anew.
 */
export interface StepValues {
  /** global learning rate; a parameter's mask multiplies it */
  readonly learningRate: number;
  /** of SGD the factor on the velocity; of Adam beta_1 */
  readonly momentum: number;
  /** L2 factor; a parameter's decay factor multiplies it */
  readonly weightDecay: number;
  /** number of the step, from 0; dropout draws anew at each */
  readonly step: number;
  /** seed of the run */
  readonly seed: number;
  /** of Adam: beta_2, 0.999 unless given */
  readonly secondMomentum?: number;
  /** of Adam: what is added to the root, 1e-8 unless given */
  readonly epsilon?: number;
  /** of Adam: updates since its state was zero, from 0; `step` unless given */
  readonly updates?: number;
}

/** Words of the buffer. */
export const STEP_WORDS = 11;

export function packStep(values: StepValues): Uint32Array<ArrayBuffer> {
  const { learningRate, momentum, weightDecay, step, seed } = values;
  const { secondMomentum = 0.999, epsilon = 1e-8, updates = step } = values;
  const words = new Uint32Array(STEP_WORDS);
  const floats = new Float32Array(words.buffer);
  floats.set([learningRate, momentum, weightDecay]);
  words[3] = step;
  words[4] = seed;
  const corrections = [1 / (1 - momentum ** (updates + 1)), 1 / Math.sqrt(1 - secondMomentum ** (updates + 1))];
  floats.set([secondMomentum, 1 - momentum, 1 - secondMomentum, epsilon, ...corrections], 5);
  return words;
}

/** The binding, under the name that `stepFunctions` reads. */
export const stepBinding = { access: 'read', type: 'u32' } as const;

/** The same layout in WGSL, for kernels that bind it as `step`. */
export const stepFunctions = /* wgsl */ `
fn learning_rate() -> f32 { return bitcast<f32>(step[p.step_base]); }
fn momentum() -> f32 { return bitcast<f32>(step[p.step_base + 1u]); }
fn weight_decay() -> f32 { return bitcast<f32>(step[p.step_base + 2u]); }
fn step_number() -> u32 { return step[p.step_base + 3u]; }
fn seed() -> u32 { return step[p.step_base + 4u]; }`;

/** What Adam reads beside them; beta_1 is `momentum()`. */
export const adamFunctions = /* wgsl */ `
fn beta_2() -> f32 { return bitcast<f32>(step[p.step_base + 5u]); }
fn rest_1() -> f32 { return bitcast<f32>(step[p.step_base + 6u]); }
fn rest_2() -> f32 { return bitcast<f32>(step[p.step_base + 7u]); }
fn epsilon() -> f32 { return bitcast<f32>(step[p.step_base + 8u]); }
fn correction_1() -> f32 { return bitcast<f32>(step[p.step_base + 9u]); }
fn correction_2() -> f32 { return bitcast<f32>(step[p.step_base + 10u]); }`;
