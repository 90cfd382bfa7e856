/** The kernels that no operator in src/operators has; all of them: src/operators/all.ts. */
import { addAccumulate } from './add/add.ts';
import { augmentWarp } from './augment/augment.ts';
import { averagePoolBackward, averagePoolForward } from './avgpool/avgpool.ts';
import { biasForward, biasGradient } from './bias/bias.ts';
import { binaryKernels, broadcastGradient } from './binary/binary.ts';
import { clipBackward, clipForward } from './clip/clip.ts';
import { concatCopy } from './concat/concat.ts';
import { contraction } from './contraction/contraction.ts';
import { contractionSum } from './contraction/split.ts';
import { correctCount, predict } from './correct-count/correct-count.ts';
import { dropoutBackward, dropoutForward } from './dropout/dropout.ts';
import { fillConstant } from './fill/fill.ts';
import { panelBatch, panelProduct } from './gemm/panels.ts';
import type { Kernel } from './kernel.ts';
import { linearBackward } from './linear/backward.ts';
import { linearForward } from './linear/forward.ts';
import { linearInputGradient } from './linear/input-gradient.ts';
import { linearUpdate } from './linear/update.ts';
import { logSoftmaxBackward, logSoftmaxForward } from './log-softmax/log-softmax.ts';
import { lrnBackward, lrnForward } from './lrn/lrn.ts';
import { maxPoolBackward, maxPoolForward, maxPoolInference } from './maxpool/maxpool.ts';
import { padBackward, padForward } from './pad/pad.ts';
import { packPanels } from './panels/pack.ts';
import { rooflineCopy } from './roofline/copy.ts';
import { rooflineMultiplyAdd } from './roofline/multiply-add.ts';
import { sgdm, sgdmMasked } from './sgdm/sgdm.ts';
import { softmaxBackward, softmaxForward } from './softmax/softmax.ts';
import { softmaxLoss, softmaxLossGradient, softmaxLossWeights } from './softmax-loss/softmax-loss.ts';
import { transposeForward } from './transpose/transpose.ts';

export const legacyKernels: readonly Kernel[] = [
  addAccumulate,
  augmentWarp,
  averagePoolBackward,
  averagePoolForward,
  biasForward,
  biasGradient,
  ...Object.values(binaryKernels),
  broadcastGradient,
  clipBackward,
  clipForward,
  concatCopy,
  contraction,
  contractionSum,
  correctCount,
  dropoutBackward,
  dropoutForward,
  fillConstant,
  linearBackward,
  linearForward,
  linearInputGradient,
  linearUpdate,
  logSoftmaxBackward,
  logSoftmaxForward,
  lrnBackward,
  lrnForward,
  maxPoolBackward,
  maxPoolForward,
  maxPoolInference,
  padBackward,
  packPanels,
  padForward,
  panelBatch,
  panelProduct,
  predict,
  rooflineCopy,
  rooflineMultiplyAdd,
  sgdm,
  sgdmMasked,
  softmaxBackward,
  softmaxForward,
  softmaxLoss,
  softmaxLossGradient,
  softmaxLossWeights,
  transposeForward,
];
