/// <reference types="@webgpu/types" preserve="true" />
/**
 * The library: open an adapter, build networks from operations or ONNX files, train them, check their gradients.
 * Everything exported here has its documentation where it is declared.
 */
export {
  type KernelTime,
  type TimeOptions,
  type TunedKernel,
  type TuneOptions,
  timeKernels,
  tuneKernel,
} from './bench/own-kernels.ts';
export type { Broken } from './check/broken.ts';
export {
  defineFamily,
  drawKernelCases,
  type FamilyDefinition,
  type KernelCase,
  type KernelFamily,
} from './check/case.ts';
export { type MapReference, mapFamily } from './check/cases/map.ts';
export { type CaseFinding, checkKernelCases, checkReferences } from './check/check-kernels.ts';
export { checkWgsl, type WgslAspect, type WgslBinding, type WgslCheck, type WgslReport } from './check/check-wgsl.ts';
export type { Choose } from './check/choose.ts';
export type { DerivativeClaim, DerivativeFinding, Values as DerivativeValues } from './check/derivative.ts';
export { type Expected, exactly, sumsOf, type Values } from './check/expected.ts';
export { checkMutations, generalMutations, type MutationOutcome, mutateKernel } from './check/mutate.ts';
export { type Kind as ValueKind, type ValuesOptions, valuesOf } from './check/values.ts';
export type { NpyOptions } from './data/arrays.ts';
export { type AugmentPreset, augmentPresets, type Range } from './data/augment.ts';
export type { Shuffle } from './data/batches.ts';
export type { CsvOptions } from './data/csv.ts';
export type { DatasetFormat, ImageArray, ImageDataset, ImageSource, Sample } from './data/dataset.ts';
export { type DecodedImages, type DecodeOptions, decodeImages } from './data/decode.ts';
export type { FolderOptions } from './data/folder.ts';
export type { IdxOptions } from './data/idx.ts';
export { type DatasetOptions, loadDataset } from './data/load.ts';
export { type NpyArray, type NpyType, type NpyTypes, readNpy, writeNpy } from './data/npy.ts';
export type { Part } from './data/parts.ts';
export type { Ph2Options } from './data/ph2.ts';
export { type Split, type SplitOptions, stratifiedSplit } from './data/split.ts';
export type { TableOptions as CsvTableOptions } from './data/table.ts';
export { FrostlineError } from './errors.ts';
export type { AdapterKind } from './gpu/adapter.ts';
export { type FromOptions, Gpu, type Limits, type MemoryReport, type OpenOptions } from './gpu/device.ts';
export type { Machine, MachineOrigin, MachineReport } from './gpu/machine.ts';
export type { BindingAccess, Pipeline, PipelineCache } from './gpu/pipelines.ts';
export type { ProbeReading } from './gpu/probe/reading.ts';
export type { ProbeTimes, Series, Stair } from './gpu/probe/times.ts';
export type { Binding, Dispatch, Program } from './gpu/program.ts';
export type { Precision, Storage, StorageOptions, View } from './gpu/storage.ts';
export type { PassTimer } from './gpu/timer.ts';
export type {
  AlgorithmMeasurement,
  Measurement,
  Timed,
  Tuned,
  TunedAdapter,
  TunedChoice,
  TunedNames,
  TunedProblem,
  TunedShape,
  TunedUse,
  TuningTable,
  UnusedReason,
  UnusedResults,
} from './gpu/tuning.ts';
export { type CompiledGraph, type CompileOptions, compile } from './graph/compile.ts';
export type { Built, CompiledMask, CompiledMemory, Preparation, PreparedCopy } from './graph/compiled-graph.ts';
export {
  GradcheckError,
  type GradcheckInput,
  type GradcheckInputReport,
  type GradcheckOptions,
  type GradcheckReport,
  type GradcheckSample,
  gradcheck,
} from './graph/gradcheck.ts';
export type { LossScaling } from './graph/loss-scaling.ts';
export { type Access as AccessOf, mapValues, type ValueMap } from './graph/map.ts';
export {
  type Applied,
  apply,
  applyAll,
  type BackwardEmitter,
  type Combined,
  type Destination,
  derivativeBefore,
  epiloguesOf,
  type ForwardEmitter,
  type GradientRows,
  hasDerivative,
  type Operation,
  type Run,
  type ScaledUpdate,
  type Update,
} from './graph/operation.ts';
export type { OperationCase, OperationCases } from './graph/operation-case.ts';
export { type AffineSampleOptions, affineSample } from './graph/ops/affine-sample.ts';
export { argMax, countCorrect, type LossOptions, softmaxCrossEntropy } from './graph/ops/classification.ts';
export type { Pieces, PieceWise } from './graph/pieces.ts';
export {
  type ElementType,
  input,
  type Mask,
  Parameter,
  type ParameterOptions,
  type Shape,
  Tensor,
} from './graph/tensor.ts';
export type { Optimizer } from './graph/update.ts';
export { flatWindows, type Limited as BindingLimits, rows, type Window, windows } from './graph/windows.ts';
export type { Normalisation } from './kernels/augment/augment.ts';
export type { Applies, Combination, Derivative, Epilogue, Epilogues, MapBefore } from './kernels/epilogue.ts';
export type { FieldType } from './kernels/field.ts';
export {
  type BindingSchema,
  type BindingSpec,
  type BytesOf,
  type Capabilities,
  type Choice,
  type Configuration,
  type Cost,
  choiceText,
  defineKernel,
  elementwise,
  type Kernel,
  type KernelDispatch,
  type KernelSpec,
  type ParamSchema,
  type Params,
  perElement,
  type Statements,
  type Variant,
  type VariantText,
} from './kernels/kernel.ts';
export {
  type Constants as MapConstants,
  defineMap,
  type MapSpec,
  type Named as NamedConstants,
} from './kernels/map.ts';
export type { Memory } from './kernels/memory.ts';
export type { PadMode } from './kernels/pad/pad.ts';
export type { Relu } from './kernels/relu/rule.ts';
export type { Words } from './kernels/run.ts';
export type { StepValues } from './kernels/step.ts';
export type { KernelUpdate, UpdateRule } from './kernels/update.ts';
export { type LimitName, raiseLimits } from './limits.ts';
export { type BuildOptions, type BuiltNetwork, buildNetwork, parametersOf } from './models/build.ts';
export { replaceClassifier } from './models/classifier.ts';
export { exportOnnx } from './models/export-onnx.ts';
export { type ImportOptions, importOnnx } from './models/import-onnx.ts';
export { type FreezePoint, freezePoints, freezeThrough } from './models/layers.ts';
export { loadNetwork } from './models/load.ts';
export type {
  LeftOut,
  Network,
  NetworkInput,
  Node,
  Op,
  Pair,
  ParameterValue,
  Preprocessing,
} from './models/network.ts';
export {
  alexnet,
  alexnetSmall,
  type TableOptions,
  type VggOptions,
  vgg16,
  type WidthOptions,
} from './models/tables.ts';
export type { DataType, NumericArray, TensorData as OnnxTensorData } from './onnx/data-types.ts';
export type {
  Attribute as OnnxAttribute,
  AttributeValues,
  Dim,
  OnnxFunction,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  ValueInfo,
} from './onnx/model.ts';
export { readModel } from './onnx/read.ts';
export type { OnnxTensor } from './onnx/tensor.ts';
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
  type Bound,
  type Bounded,
  copied,
  eachValue,
  type ReferredCase,
  sized,
  sums,
} from './operators/bounds.ts';
export {
  checkAgainstReference,
  type PlainTensor,
  type ReferenceQuestion,
  type ReferenceReport,
} from './operators/check-against-reference.ts';
export type { Checks, Drawn } from './operators/checks.ts';
export { clip } from './operators/clip/graph.ts';
export { concat } from './operators/concat/graph.ts';
export { type Conv2dOptions, conv2d } from './operators/conv2d/graph.ts';
export type { Conv2dAttributes } from './operators/conv2d/shape.ts';
export { dropout } from './operators/dropout/graph.ts';
export { elu } from './operators/elu/graph.ts';
export { hardSwish } from './operators/hard-swish/graph.ts';
export { allKernels } from './operators/kernels.ts';
export { leakyRelu } from './operators/leaky-relu/graph.ts';
export { linear } from './operators/linear/graph.ts';
export { type LrnOptions, lrn } from './operators/lrn/graph.ts';
export type { LrnAttributes } from './operators/lrn/rule.ts';
export { matMul } from './operators/mat-mul/graph.ts';
export type {
  KnownConstants,
  OnnxForm,
  Read,
  Reading,
  ReadParameter,
  Surroundings,
  Writer,
  Written,
} from './operators/onnx/form.ts';
export {
  type Field as OnnxField,
  type Fields as OnnxFields,
  field as onnxField,
  sameInOnnx,
} from './operators/onnx/form.ts';
export type { Pads, Pair as PairOf } from './operators/onnx/reading.ts';
export type {
  AnyOperator,
  Attribute,
  Building,
  Given,
  Operator,
  Referred,
  Role,
  Schema,
  Shape as StaticShape,
  Value,
} from './operators/operator.ts';
export { defineOperator, type None as NoAttributes, refuse } from './operators/operator.ts';
export { type PadOptions, pad } from './operators/pad/graph.ts';
export { averagePool, globalAveragePool, maxPool, type PoolOptions } from './operators/pooling/graph.ts';
export type { PoolAttributes } from './operators/pooling/rule.ts';
export {
  type Additions,
  type AttributesOf,
  type ForeignKind,
  type ForeignOp,
  type Kind,
  type OperatorSet,
  type OurOp,
  withOperators,
} from './operators/registry.ts';
export { relu } from './operators/relu/graph.ts';
export { flatten, reshape } from './operators/reshape/graph.ts';
export type { Match, Part as PatternPart, Pattern, Rewrite, Via } from './operators/rewrites/match.ts';
export { sigmoid } from './operators/sigmoid/graph.ts';
export { silu } from './operators/silu/graph.ts';
export { type AxisRange, logSoftmax, softmax } from './operators/softmax/graph.ts';
export { transpose } from './operators/transpose/graph.ts';
export { Random } from './random.ts';
export type { ReliabilityBin } from './statistics/calibration.ts';
export type { ClassDetail, DetailedScores, Estimate } from './statistics/detail.ts';
export type { MeasureName } from './statistics/measure.ts';
export type { Draws } from './statistics/resample.ts';
export type { Interval, SplitTest, Verdict, VerdictPair, VerdictPoint } from './statistics/verdict.ts';
export type { ImageData, TensorData, TrainingData } from './train/data.ts';
export { DivergedError } from './train/diverged.ts';
export type { EpochRecord, ValidationScores, Watched } from './train/early-stopping.ts';
export { type Evaluation, Evaluator } from './train/evaluate.ts';
export {
  type DataSource,
  type Division,
  type Experiment,
  type ModelSource,
  openExperiment,
} from './train/experiment.ts';
export { type FeaturePlace, FeatureStore } from './train/feature-store.ts';
export { type FitHooks, type FitSettings, type Progress, type StepRecord, TrainingStep } from './train/fit.ts';
export type { FrozenRecord } from './train/frozen.ts';
export { runGrid } from './train/grid.ts';
export type { GridHooks } from './train/grid-hooks.ts';
export type { Halving, Rung, RungArm } from './train/halving.ts';
export {
  type ClassMetrics,
  type ConfusionMatrix,
  computeMetrics,
  confusionMatrix,
  type Metrics,
} from './train/metrics.ts';
export {
  createModel,
  exportModel,
  type LayerMasks,
  type MaskOptions,
  type MaskRule,
  type Model,
  parseMaskRules,
  setMasks,
} from './train/model.ts';
export type { OptimizerSettings } from './train/optimizer.ts';
export type { PhaseRecord } from './train/phases.ts';
export type { GridPlan, PlannedCell } from './train/plan.ts';
export type { Protocol } from './train/protocol.ts';
export type {
  CellResult,
  DroppedCell,
  FreezePoint as FreezePointRecord,
  GridAdapter,
  GridResult,
  PendingCell,
} from './train/results.ts';
export { type RunOptions, type RunResult, trainOnce } from './train/run.ts';
export type { Settings } from './train/run-folder.ts';
export type { Schedule } from './train/schedule.ts';
export type { Select } from './train/select.ts';
export type { Phase, Strategy, Training } from './train/strategy.ts';
export { frostlineVersion } from './version.ts';
