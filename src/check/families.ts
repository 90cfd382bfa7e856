/** The families of kernels that no operator in src/operators has; all of them: src/operators/all.ts. */
import type { KernelFamily } from './case.ts';
import { augmentFamily } from './cases/augment.ts';
import { addFamily, biasFamily, clipFamily, concatFamily } from './cases/elementwise.ts';
import { gemmFamily } from './cases/gemm.ts';
import { linearFamily } from './cases/linear.ts';
import { lrnFamily } from './cases/lrn.ts';
import { averagePoolFamily, maxPoolFamily } from './cases/pooling.ts';
import { rooflineFamily } from './cases/roofline.ts';
import { correctCountFamily, logSoftmaxFamily, softmaxFamily, softmaxLossFamily } from './cases/softmax.ts';
import { binaryFamily, padFamily, transposeFamily } from './cases/tensors.ts';
import { dropoutFamily, sgdmFamily } from './cases/training.ts';

export const legacyFamilies: readonly KernelFamily[] = [
  gemmFamily,
  addFamily,
  augmentFamily,
  averagePoolFamily,
  biasFamily,
  binaryFamily,
  clipFamily,
  concatFamily,
  correctCountFamily,
  dropoutFamily,
  linearFamily,
  logSoftmaxFamily,
  lrnFamily,
  maxPoolFamily,
  padFamily,
  rooflineFamily,
  sgdmFamily,
  softmaxFamily,
  softmaxLossFamily,
  transposeFamily,
];
