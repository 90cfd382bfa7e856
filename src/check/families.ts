/** Every family of kernel cases: what tests, `frostline gradcheck kernels` and the mutation check go through. */
import type { KernelFamily } from './case.ts';
import { augmentFamily } from './cases/augment.ts';
import { conv2dFamily } from './cases/conv2d.ts';
import { addFamily, affineFamily, biasFamily, clipFamily, concatFamily, reluFamily } from './cases/elementwise.ts';
import { gemmFamily } from './cases/gemm.ts';
import { linearFamily } from './cases/linear.ts';
import { lrnFamily } from './cases/lrn.ts';
import { phasesFamily } from './cases/phases.ts';
import { averagePoolFamily, maxPoolFamily } from './cases/pooling.ts';
import { rooflineFamily } from './cases/roofline.ts';
import { correctCountFamily, logSoftmaxFamily, softmaxFamily, softmaxLossFamily } from './cases/softmax.ts';
import { stripsFamily } from './cases/strips.ts';
import { binaryFamily, padFamily, transposeFamily } from './cases/tensors.ts';
import { dropoutFamily, sgdmFamily } from './cases/training.ts';
import { winogradFamily } from './cases/winograd.ts';

export const kernelFamilies: readonly KernelFamily[] = [
  conv2dFamily,
  gemmFamily,
  addFamily,
  affineFamily,
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
  phasesFamily,
  reluFamily,
  rooflineFamily,
  sgdmFamily,
  softmaxFamily,
  softmaxLossFamily,
  stripsFamily,
  transposeFamily,
  winogradFamily,
];
