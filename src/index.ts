/// <reference types="@webgpu/types" preserve="true" />
/**
 * The library: open an adapter, build networks from operations or ONNX files, train them, check their gradients.
 * Everything exported here has its documentation where it is declared.
 */
export { defineFamily, drawKernelCases, type KernelCase, type KernelFamily } from './check/case.ts';
export { type CaseFinding, checkKernelCases, checkReferences } from './check/check-kernels.ts';
export { checkWgsl, type WgslBinding, type WgslCheck, type WgslReport } from './check/check-wgsl.ts';
export type { Choose } from './check/choose.ts';
export type { DerivativeClaim } from './check/derivative.ts';
export { type Expected, exactly, sumsOf } from './check/expected.ts';
export { type Kind as ValueKind, valuesOf } from './check/values.ts';
export { type AugmentPreset, augmentPresets } from './data/augment.ts';
export { type DecodedImages, decodeImages } from './data/decode.ts';
export { type DatasetOptions, loadDataset } from './data/load.ts';
export { readNpy, writeNpy } from './data/npy.ts';
export { stratifiedSplit } from './data/split.ts';
export { FrostlineError } from './errors.ts';
export { Gpu, type Limits, type OpenOptions } from './gpu/device.ts';
export { type CompiledGraph, type CompileOptions, compile } from './graph/compile.ts';
export {
  GradcheckError,
  type GradcheckInput,
  type GradcheckInputReport,
  type GradcheckOptions,
  type GradcheckReport,
  type GradcheckSample,
  gradcheck,
} from './graph/gradcheck.ts';
export { apply, type BackwardEmitter, type ForwardEmitter, type Operation } from './graph/operation.ts';
export { argMax, countCorrect, softmaxCrossEntropy } from './graph/ops/classification.ts';
export { type WarpOptions, warp } from './graph/ops/warp.ts';
export { input, type Mask, Parameter, type ParameterOptions, type Shape, Tensor } from './graph/tensor.ts';
export { defineKernel, type Kernel, type KernelSpec, perElement, type Variant } from './kernels/kernel.ts';
export { type LimitName, raiseLimits } from './limits.ts';
export { type BuiltNetwork, buildNetwork, parametersOf } from './models/build.ts';
export { replaceClassifier } from './models/classifier.ts';
export { exportOnnx } from './models/export-onnx.ts';
export { type ImportOptions, importOnnx } from './models/import-onnx.ts';
export { freezePoints, freezeThrough } from './models/layers.ts';
export { loadNetwork } from './models/load.ts';
export type { Network, Node, Op, Preprocessing } from './models/network.ts';
export { alexnet, alexnetSmall, vgg16 } from './models/tables.ts';
export { readModel } from './onnx/read.ts';
export { writeModelFile } from './onnx/write.ts';
export { affine } from './operators/affine/graph.ts';
export { add, divide, multiply, subtract } from './operators/arithmetic/graph.ts';
export {
  type BatchNormalizationOptions,
  batchNormalization,
  type NormalizeBatchOptions,
  normalizeBatch,
} from './operators/batch-normalization/graph.ts';
export {
  checkAgainstReference,
  type PlainTensor,
  type ReferenceQuestion,
  type ReferenceReport,
} from './operators/check-against-reference.ts';
export { clip } from './operators/clip/graph.ts';
export { concat } from './operators/concat/graph.ts';
export { type Conv2dOptions, conv2d } from './operators/conv2d/graph.ts';
export { dropout } from './operators/dropout/graph.ts';
export { hardSwish } from './operators/hard-swish/graph.ts';
export { allKernels } from './operators/kernels.ts';
export { leakyRelu } from './operators/leaky-relu/graph.ts';
export { linear } from './operators/linear/graph.ts';
export { type LrnOptions, lrn } from './operators/lrn/graph.ts';
export { matMul } from './operators/mat-mul/graph.ts';
export { type PadOptions, pad } from './operators/pad/graph.ts';
export { averagePool, globalAveragePool, maxPool, type PoolOptions } from './operators/pooling/graph.ts';
export { relu } from './operators/relu/graph.ts';
export { flatten, reshape } from './operators/reshape/graph.ts';
export { sigmoid } from './operators/sigmoid/graph.ts';
export { silu } from './operators/silu/graph.ts';
export { logSoftmax, softmax } from './operators/softmax/graph.ts';
export { transpose } from './operators/transpose/graph.ts';
export { Random } from './random.ts';
export type { TrainingData } from './train/data.ts';
export { DivergedError } from './train/diverged.ts';
export { type Evaluation, Evaluator } from './train/evaluate.ts';
export { type Experiment, openExperiment } from './train/experiment.ts';
export { type FitSettings, type StepRecord, TrainingStep } from './train/fit.ts';
export { runGrid } from './train/grid.ts';
export { computeMetrics, confusionMatrix, type Metrics } from './train/metrics.ts';
export { createModel, exportModel, type Model, parseMaskRules, setMasks } from './train/model.ts';
export type { GridPlan } from './train/plan.ts';
export { type RunOptions, type RunResult, trainOnce } from './train/run.ts';
export { frostlineVersion } from './version.ts';
