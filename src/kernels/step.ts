/**
 * What changes from one training step to the next, in one small buffer that kernels read (array<u32>, numbers with a
 * fraction as the bits of an f32): a recorded program serves every step, and only these 20 bytes are written anew.
 */
export interface StepValues {
  /** global learning rate; a parameter's mask multiplies it */
  readonly learningRate: number;
  readonly momentum: number;
  /** L2 factor; a parameter's decay factor multiplies it */
  readonly weightDecay: number;
  /** number of the step, from 0; dropout draws anew at each */
  readonly step: number;
  /** seed of the run */
  readonly seed: number;
}

/** Words of the buffer. */
export const STEP_WORDS = 5;

export function packStep({ learningRate, momentum, weightDecay, step, seed }: StepValues): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(STEP_WORDS);
  new Float32Array(words.buffer).set([learningRate, momentum, weightDecay]);
  words[3] = step;
  words[4] = seed;
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
