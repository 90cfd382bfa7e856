/**
 * The families of kernels that no operator has to itself: the loss, updates, augmentation, what several operators share.
 * All families: src/operators/all.ts.
 */
import type { KernelFamily } from './case.ts';
import { augmentFamily } from './cases/augment.ts';
import { batchedFamily } from './cases/batched.ts';
import { addFamily, biasFamily } from './cases/elementwise.ts';
import { gemmFamily } from './cases/gemm.ts';
import { lossScaleFamily } from './cases/loss-scale.ts';
import { rooflineFamily } from './cases/roofline.ts';
import { correctCountFamily, softmaxLossFamily } from './cases/softmax.ts';
import { adamFamily, sgdmFamily } from './cases/training.ts';

export const graphFamilies: readonly KernelFamily[] = [
  adamFamily,
  gemmFamily,
  batchedFamily,
  addFamily,
  augmentFamily,
  biasFamily,
  correctCountFamily,
  lossScaleFamily,
  rooflineFamily,
  sgdmFamily,
  softmaxLossFamily,
];
