/**
 * The kernels that no operator has to itself: the loss, updates, augmentation, what several operators share. All kernels:
 * src/operators/kernels.ts.
 */
import { adam, adamMasked } from './adam/adam.ts';
import { addAccumulate } from './add/add.ts';
import { affineSampleKernel } from './augment/augment.ts';
import { biasGradient } from './bias/bias.ts';
import { castCopy } from './cast/cast.ts';
import { contraction } from './contraction/contraction.ts';
import { contractionSum } from './contraction/split.ts';
import { correctCount, predict } from './correct-count/correct-count.ts';
import { fillConstant } from './fill/fill.ts';
import { packMatrix } from './gemm/pack.ts';
import { packedGemm, packedGemmBatch } from './gemm/packed.ts';
import type { Kernel } from './kernel.ts';
import { lossScaleCheck, lossScaleNext } from './loss-scale/loss-scale.ts';
import { rooflineCopy } from './roofline/copy.ts';
import { rooflineMultiplyAdd } from './roofline/multiply-add.ts';
import { sgdm, sgdmMasked, sgdmScaled, sgdmScaledCopied } from './sgdm/sgdm.ts';
import { softmaxLoss, softmaxLossGradient, softmaxLossWeights } from './softmax-loss/softmax-loss.ts';

export const sharedKernels: readonly Kernel[] = [
  adam,
  adamMasked,
  addAccumulate,
  affineSampleKernel,
  biasGradient,
  castCopy,
  contraction,
  contractionSum,
  correctCount,
  fillConstant,
  lossScaleCheck,
  lossScaleNext,
  packMatrix,
  packedGemmBatch,
  packedGemm,
  predict,
  rooflineCopy,
  rooflineMultiplyAdd,
  sgdm,
  sgdmMasked,
  sgdmScaled,
  sgdmScaledCopied,
  softmaxLoss,
  softmaxLossGradient,
  softmaxLossWeights,
];
