/** Eight small images as tensors, of two classes in turn: for runs of few steps. */
import type { TrainingData } from '../../src/train/data.ts';

export const stripedTensors: TrainingData = {
  kind: 'tensors',
  values: Float32Array.from({ length: 8 * 3 * 64 * 64 }, (_, i) => ((i * 31) % 17) / 17 - 0.4),
  shape: [3, 64, 64],
  labels: Uint32Array.from({ length: 8 }, (_, i) => i % 2),
};
