/**
 * ONNX's own operators as each operator set has them: the element types of inputs and outputs, and the attributes with the
 * values that they may take. It is the one place where this stands; `schema.ts` and `element-types.ts` hold nodes to it.
 *
 * Of each version that changed anything of this: its operator set, inputs > outputs, attributes.
 *
 * - An input or output is a variable, with the types it stands for where it is first named (`T=float T > T`: both inputs
 *   and the output are of one type, which is one of `float`), or types alone (`=int64`); in brackets it may be left out,
 *   `...` says that there are one or more. Types are words of `sets`, or ONNX's own, joined by `|`. A `+` adds bfloat16.
 * - An attribute is a name and a letter of `kinds`; `!` says that it must be there.
 *
 * Source: https://onnx.ai/onnx/operators/, made from `onnx.defs`, to which `schema.test.ts` holds it. Operators that are not
 * here are supported nowhere.
 */
import { type DataType, dataTypes } from '../../onnx/data-types.ts';
import type { Attribute } from '../../onnx/model.ts';

/** The newest operator set whose changes stand below. */
export const newestOpset = 28;

const table: Readonly<Record<string, readonly string[]>> = {
  Abs: ['1 T=float > T consumed_inputs:I', '6 T=number > T', '13 T=number+ > T'],
  Acos: ['7 T=float > T', '22 T=float+ > T'],
  Acosh: ['9 T=float > T', '22 T=float+ > T'],
  Add: [
    '1 T=float T > T axis:i broadcast:b consumed_inputs:I',
    '6 T=wide T > T axis:i broadcast:b',
    '7 T=wide T > T',
    '13 T=wide+ T > T',
    '14 T=number+ T > T',
  ],
  And: ['1 T=bool T > T1=bool axis:i broadcast:b', '7 T=bool T > T1=bool'],
  ArgMax: [
    '1 T=number > =int64 axis:i keepdims:b',
    '12 T=number > =int64 axis:i keepdims:b select_last_index:b',
    '13 T=number+ > =int64 axis:i keepdims:b select_last_index:b',
  ],
  ArgMin: [
    '1 T=number > =int64 axis:i keepdims:b',
    '12 T=number > =int64 axis:i keepdims:b select_last_index:b',
    '13 T=number+ > =int64 axis:i keepdims:b select_last_index:b',
  ],
  Asin: ['7 T=float > T', '22 T=float+ > T'],
  Asinh: ['9 T=float > T', '22 T=float+ > T'],
  Atan: ['7 T=float > T', '22 T=float+ > T'],
  Atanh: ['9 T=float > T', '22 T=float+ > T'],
  AveragePool: [
    '1 T=float > T auto_pad:a kernel_shape:N! pads:P strides:N',
    '7 T=float > T auto_pad:a count_include_pad:b kernel_shape:N! pads:P strides:N',
    '10 T=float > T auto_pad:a ceil_mode:b count_include_pad:b kernel_shape:N! pads:P strides:N',
    '19 T=float > T auto_pad:a ceil_mode:b count_include_pad:b dilations:N kernel_shape:N! pads:P strides:N',
    '22 T=float+ > T auto_pad:a ceil_mode:b count_include_pad:b dilations:N kernel_shape:N! pads:P strides:N',
  ],
  BatchNormalization: [
    '1 T=float T T T T > T [T] [T] [T] [T] consumed_inputs:I! epsilon:f is_test:b momentum:f spatial:b',
    '6 T=float T T T T > T [T] [T] [T] [T] epsilon:f is_test:b momentum:f spatial:b',
    '7 T=float T T T T > T [T] [T] [T] [T] epsilon:f momentum:f spatial:b',
    '9 T=float T T T T > T [T] [T] [T] [T] epsilon:f momentum:f',
    '14 T=float+ T T U=float+ U > T [U] [U] epsilon:f momentum:f training_mode:b',
    '15 T=float+ T1=float+ T1 T2=float+ T2 > T [T2] [T2] epsilon:f momentum:f training_mode:b',
  ],
  Cast: [
    '1 T1=plain > T2=plain to:s!',
    '6 T1=plain > T2=plain to:i!',
    '9 T1=any > T2=any to:i!',
    '13 T1=any+ > T2=any+ to:i!',
    '19 T1=any+ > T2=any+ saturate:b to:i!',
    '24 T1=any+ > T2=any+ round_mode:s=up|down|nearest saturate:b to:i!',
  ],
  CastLike: [
    '15 T1=any+ T2=any+ > T2',
    '19 T1=any+ T2=any+ > T2 saturate:b',
    '24 T1=any+ T2=any+ > T2 round_mode:s=up|down|nearest saturate:b',
  ],
  Ceil: ['1 T=float > T consumed_inputs:I', '6 T=float > T', '13 T=float+ > T'],
  Clip: [
    '1 T=float > T consumed_inputs:I max:f min:f',
    '6 T=float > T max:f min:f',
    '11 T=float [T] [T] > T',
    '12 T=number [T] [T] > T',
    '13 T=number+ [T] [T] > T',
  ],
  Compress: ['9 T=any T1=bool > T axis:i', '28 T=any+ T1=bool > T axis:i'],
  Concat: ['1 T=float... > T axis:i', '4 T=any... > T axis:i!', '13 T=any+... > T axis:i!'],
  Constant: [
    '1 > T=float value:t!',
    '9 > T=any value:t!',
    '11 > T=any sparse_value:x value:t',
    '12 > T=any sparse_value:x value:t value_float:f value_floats:F value_int:i value_ints:I value_string:s value_strings:S',
    '13 > T=any+ sparse_value:x value:t value_float:f value_floats:F value_int:i value_ints:I value_string:s value_strings:S',
  ],
  ConstantOfShape: ['9 T1=int64 > T2=plain value:t', '20 T1=int64 > T2=number+|bool value:t'],
  Conv: [
    '1 T=float T [T] > T auto_pad:a dilations:N group:n kernel_shape:N pads:P strides:N',
    '22 T=float+ T [T] > T auto_pad:a dilations:N group:n kernel_shape:N pads:P strides:N',
  ],
  Cos: ['7 T=float > T', '22 T=float+ > T'],
  Cosh: ['9 T=float > T', '22 T=float+ > T'],
  CumSum: [
    '11 T=float32|int32|int64|float64|uint32|uint64 T2=int32|int64 > T exclusive:b reverse:b',
    '14 T=wide+ T2=int32|int64 > T exclusive:b reverse:b',
  ],
  DepthToSpace: [
    '1 T=any > T blocksize:n!',
    '11 T=any > T blocksize:n! mode:s=DCR|CRD',
    '13 T=any+ > T blocksize:n! mode:s=DCR|CRD',
  ],
  DequantizeLinear: [
    '10 T=uint8|int8|int32 =float32 [T] > =float32',
    '13 T=uint8|int8|int32 =float32 [T] > =float32 axis:i',
    '19 T1=uint8|int8|int32 T2=float32|float16|bfloat16 [T1] > T2 axis:i',
    '21 T1=uint8|int8|uint16|int16|int32 T2=float32|float16|bfloat16 [T1] > T2 axis:i block_size:i',
    '23 T1=uint8|int8|uint16|int16|int32 T2=float32|float16|bfloat16 [T1] > T3=float32|float16|bfloat16 axis:i block_size:i output_dtype:i',
  ],
  Div: [
    '1 T=float T > T axis:i broadcast:b consumed_inputs:I',
    '6 T=wide T > T axis:i broadcast:b',
    '7 T=wide T > T',
    '13 T=wide+ T > T',
    '14 T=number+ T > T',
  ],
  Dropout: [
    '1 T=float > T [T] consumed_inputs:I is_test:b ratio:f',
    '6 T=float > T [T] is_test:b ratio:f',
    '7 T=float > T [T] ratio:f',
    '10 T=float > T [T1=bool] ratio:f',
    '12 T=float [T1=float] [T2=bool] > T [T2] seed:i',
    '13 T=float+ [T1=float] [T2=bool] > T [T2] seed:i',
    '22 T=float+ [T1=float+] [T2=bool] > T [T2] seed:i',
  ],
  Einsum: ['12 T=number... > T equation:s!', '28 T=number+... > T equation:s!'],
  Elu: ['1 T=float > T alpha:f consumed_inputs:I', '6 T=float > T alpha:f', '22 T=float+ > T alpha:f'],
  Equal: [
    '1 T=int32|int64|bool T > T1=bool axis:i broadcast:b',
    '7 T=int32|int64|bool T > T1=bool',
    '11 T=plain T > T1=bool',
    '13 T=number+|bool T > T1=bool',
    '19 T=any+ T > T1=bool',
  ],
  Erf: ['9 T=number > T', '13 T=float+ > T'],
  Exp: ['1 T=float > T consumed_inputs:I', '6 T=float > T', '13 T=float+ > T'],
  Expand: ['8 T=any =int64 > T', '13 T=any+ =int64 > T'],
  EyeLike: ['9 T1=plain > T2=plain dtype:i k:i', '22 T1=number+|bool > T2=number+|bool dtype:i k:i'],
  Flatten: ['1 T=float > T axis:i', '9 T=any > T axis:i', '13 T=any+ > T axis:i'],
  Floor: ['1 T=float > T consumed_inputs:I', '6 T=float > T', '13 T=float+ > T'],
  Gather: ['1 T=any Tind=int32|int64 > T axis:i', '13 T=any+ Tind=int32|int64 > T axis:i'],
  GatherElements: ['11 T=any Tind=int32|int64 > T axis:i', '13 T=any+ Tind=int32|int64 > T axis:i'],
  GatherND: ['11 T=any =int64 > T', '12 T=any =int64 > T batch_dims:i', '13 T=any+ =int64 > T batch_dims:i'],
  Gemm: [
    '1 T=float T T > T alpha:f beta:f broadcast:b transA:b transB:b',
    '7 T=float T T > T alpha:f beta:f transA:b transB:b',
    '9 T=wide T T > T alpha:f beta:f transA:b transB:b',
    '11 T=wide T [T] > T alpha:f beta:f transA:b transB:b',
    '13 T=wide+ T [T] > T alpha:f beta:f transA:b transB:b',
  ],
  GlobalAveragePool: ['1 T=float > T', '22 T=float+ > T'],
  GlobalMaxPool: ['1 T=float > T', '22 T=float+ > T'],
  Greater: [
    '1 T=float T > T1=bool axis:i broadcast:b',
    '7 T=float T > T1=bool',
    '9 T=number T > T1=bool',
    '13 T=number+ T > T1=bool',
  ],
  GreaterOrEqual: ['12 T=number T > T1=bool', '16 T=number+ T > T1=bool'],
  HardSigmoid: [
    '1 T=float > T alpha:f beta:f consumed_inputs:I',
    '6 T=float > T alpha:f beta:f',
    '22 T=float+ > T alpha:f beta:f',
  ],
  HardSwish: ['14 T=float > T', '22 T=float+ > T'],
  Identity: ['1 T=any > T', '13 T=any+ > T', '14 V=any+ > V'],
  If: ['1 B=bool > V=any... else_branch:g! then_branch:g!', '16 B=bool > V=any+... else_branch:g! then_branch:g!'],
  IsInf: [
    '10 T1=float32|float64 > T2=bool detect_negative:b detect_positive:b',
    '20 T1=float+ > T2=bool detect_negative:b detect_positive:b',
  ],
  IsNaN: ['9 T1=float > T2=bool', '13 T1=float+ > T2=bool'],
  LRN: ['1 T=float > T alpha:p beta:p bias:f size:n!', '13 T=float+ > T alpha:p beta:p bias:f size:n!'],
  LeakyRelu: ['1 T=float > T alpha:f consumed_inputs:I', '6 T=float > T alpha:f', '16 T=float+ > T alpha:f'],
  Less: [
    '1 T=float T > T1=bool axis:i broadcast:b',
    '7 T=float T > T1=bool',
    '9 T=number T > T1=bool',
    '13 T=number+ T > T1=bool',
  ],
  LessOrEqual: ['12 T=number T > T1=bool', '16 T=number+ T > T1=bool'],
  Log: ['1 T=float > T consumed_inputs:I', '6 T=float > T', '13 T=float+ > T'],
  LogSoftmax: ['1 T=float > T axis:i', '13 T=float+ > T axis:i'],
  LpNormalization: ['1 T=float > T axis:i p:i', '22 T=float+ > T axis:i p:i'],
  MatMul: ['1 T=float T > T', '9 T=wide T > T', '13 T=wide+ T > T'],
  Max: ['1 T=float... > T consumed_inputs:I', '6 T=float... > T', '12 T=number... > T', '13 T=number+... > T'],
  MaxPool: [
    '1 T=float > T auto_pad:a kernel_shape:N! pads:P strides:N',
    '8 T=float > T [I=int64] auto_pad:a kernel_shape:N! pads:P storage_order:b strides:N',
    '10 T=float > T [I=int64] auto_pad:a ceil_mode:b dilations:N kernel_shape:N! pads:P storage_order:b strides:N',
    '12 T=float|uint8|int8 > T [I=int64] auto_pad:a ceil_mode:b dilations:N kernel_shape:N! pads:P storage_order:b strides:N',
    '22 T=float+|uint8|int8 > T [I=int64] auto_pad:a ceil_mode:b dilations:N kernel_shape:N! pads:P storage_order:b strides:N',
  ],
  Mean: ['1 T=float... > T consumed_inputs:I', '6 T=float... > T', '13 T=float+... > T'],
  Min: ['1 T=float... > T consumed_inputs:I', '6 T=float... > T', '12 T=number... > T', '13 T=number+... > T'],
  Mod: ['10 T=number T > T fmod:b', '13 T=number+ T > T fmod:b'],
  Mul: [
    '1 T=float T > T axis:i broadcast:b consumed_inputs:I',
    '6 T=wide T > T axis:i broadcast:b',
    '7 T=wide T > T',
    '13 T=wide+ T > T',
    '14 T=number+ T > T',
  ],
  Neg: [
    '1 T=float > T consumed_inputs:I',
    '6 T=float|int8|int16|int32|int64 > T',
    '13 T=float+|int8|int16|int32|int64 > T',
  ],
  NonZero: ['9 T=any > =int64', '13 T=any+ > =int64'],
  Not: ['1 T=bool > T'],
  OneHot: ['9 T1=number T2=number T3=any > T3 axis:i', '28 T1=number T2=number T3=any+ > T3 axis:i'],
  Or: ['1 T=bool T > T1=bool axis:i broadcast:b', '7 T=bool T > T1=bool'],
  PRelu: ['1 T=float T > T consumed_inputs:I', '6 T=float T > T', '9 T=wide T > T', '16 T=wide+ T > T'],
  Pad: [
    '1 T=float > T mode:s=|constant|reflect|edge paddings:I! value:f',
    '2 T=float > T mode:s=|constant|reflect|edge pads:I! value:f',
    '11 T=number =int64 [T] > T mode:s=|constant|reflect|edge',
    '13 T=any+ =int64 [T] > T mode:s=|constant|reflect|edge',
    '18 T=any+ =int64 [T] [Tind=int32|int64] > T mode:s=|constant|reflect|edge',
    '19 T=any+ =int64 [T] [Tind=int32|int64] > T mode:s=|constant|reflect|edge|wrap',
  ],
  Pow: [
    '1 T=float T > T axis:i broadcast:b',
    '7 T=float T > T',
    '12 T=float|int32|int64 T1=number > T',
    '13 T=float+|int32|int64 T1=number > T',
    '15 T=float+|int32|int64 T1=number+ > T',
  ],
  Range: ['11 T=float32|int16|int32|int64|float64 T T > T', '27 T=float+|int16|int32|int64 T T > T stash_type:i'],
  Reciprocal: ['1 T=float > T consumed_inputs:I', '6 T=float > T', '13 T=float+ > T'],
  ReduceL1: [
    '1 T=wide > T axes:I keepdims:b',
    '13 T=wide+ > T axes:I keepdims:b',
    '18 T=wide+ [=int64] > T keepdims:b noop_with_empty_axes:b',
  ],
  ReduceL2: [
    '1 T=wide > T axes:I keepdims:b',
    '13 T=wide+ > T axes:I keepdims:b',
    '18 T=wide+ [=int64] > T keepdims:b noop_with_empty_axes:b',
  ],
  ReduceLogSum: [
    '1 T=wide > T axes:I keepdims:b',
    '13 T=wide+ > T axes:I keepdims:b',
    '18 T=wide+ [=int64] > T keepdims:b noop_with_empty_axes:b',
    '28 T=float+ [=int64] > T keepdims:b noop_with_empty_axes:b',
  ],
  ReduceLogSumExp: [
    '1 T=wide > T axes:I keepdims:b',
    '13 T=wide+ > T axes:I keepdims:b',
    '18 T=wide+ [=int64] > T keepdims:b noop_with_empty_axes:b',
    '28 T=float+ [=int64] > T keepdims:b noop_with_empty_axes:b',
  ],
  ReduceMax: [
    '1 T=wide > T axes:I keepdims:b',
    '12 T=wide|uint8|int8 > T axes:I keepdims:b',
    '13 T=wide+|uint8|int8 > T axes:I keepdims:b',
    '18 T=wide+|uint8|int8 [=int64] > T keepdims:b noop_with_empty_axes:b',
    '20 T=wide+|uint8|int8|bool [=int64] > T keepdims:b noop_with_empty_axes:b',
  ],
  ReduceMean: [
    '1 T=wide > T axes:I keepdims:b',
    '13 T=wide+ > T axes:I keepdims:b',
    '18 T=wide+ [=int64] > T keepdims:b noop_with_empty_axes:b',
  ],
  ReduceMin: [
    '1 T=wide > T axes:I keepdims:b',
    '12 T=wide|uint8|int8 > T axes:I keepdims:b',
    '13 T=wide+|uint8|int8 > T axes:I keepdims:b',
    '18 T=wide+|uint8|int8 [=int64] > T keepdims:b noop_with_empty_axes:b',
    '20 T=wide+|uint8|int8|bool [=int64] > T keepdims:b noop_with_empty_axes:b',
  ],
  ReduceProd: [
    '1 T=wide > T axes:I keepdims:b',
    '13 T=wide+ > T axes:I keepdims:b',
    '18 T=wide+ [=int64] > T keepdims:b noop_with_empty_axes:b',
  ],
  ReduceSum: ['1 T=wide > T axes:I keepdims:b', '13 T=wide+ [=int64] > T keepdims:b noop_with_empty_axes:b'],
  ReduceSumSquare: [
    '1 T=wide > T axes:I keepdims:b',
    '13 T=wide+ > T axes:I keepdims:b',
    '18 T=wide+ [=int64] > T keepdims:b noop_with_empty_axes:b',
  ],
  Relu: [
    '1 T=float > T consumed_inputs:I',
    '6 T=float > T',
    '13 T=float+ > T',
    '14 T=float+|int8|int16|int32|int64 > T',
  ],
  Reshape: [
    '1 T=float > T consumed_inputs:I shape:I',
    '5 T=any =int64 > T',
    '13 T=any+ =int64 > T',
    '14 T=any+ =int64 > T allowzero:b',
  ],
  Round: ['11 T=float > T', '22 T=float+ > T'],
  ScatterElements: [
    '11 T=any Tind=int32|int64 T > T axis:i',
    '13 T=any+ Tind=int32|int64 T > T axis:i',
    '16 T=any+ Tind=int32|int64 T > T axis:i reduction:s=none|add|mul',
    '18 T=any+ Tind=int32|int64 T > T axis:i reduction:s=none|add|mul|max|min',
  ],
  ScatterND: [
    '11 T=any =int64 T > T',
    '13 T=any+ =int64 T > T',
    '16 T=any+ =int64 T > T reduction:s=none|add|mul',
    '18 T=any+ =int64 T > T reduction:s=none|add|mul|max|min',
  ],
  Selu: [
    '1 T=float > T alpha:f consumed_inputs:I gamma:f',
    '6 T=float > T alpha:f gamma:f',
    '22 T=float+ > T alpha:f gamma:f',
  ],
  Shape: ['1 T=any > T1=int64', '13 T=any+ > T1=int64', '15 T=any+ > T1=int64 end:i start:i'],
  Sigmoid: ['1 T=float > T consumed_inputs:I', '6 T=float > T', '13 T=float+ > T'],
  Sign: ['9 T=number > T', '13 T=number+ > T'],
  Sin: ['7 T=float > T', '22 T=float+ > T'],
  Sinh: ['9 T=float > T', '22 T=float+ > T'],
  Size: ['1 T=any > T1=int64', '13 T=any+ > T1=int64'],
  Slice: [
    '1 T=any > T axes:I ends:I! starts:I!',
    '10 T=any Tind=int32|int64 Tind [Tind] [Tind] > T',
    '13 T=any+ Tind=int32|int64 Tind [Tind] [Tind] > T',
  ],
  Softmax: ['1 T=float > T axis:i', '13 T=float+ > T axis:i'],
  Softplus: ['1 T=float > T', '22 T=float+ > T'],
  Softsign: ['1 T=float > T', '22 T=float+ > T'],
  SpaceToDepth: ['1 T=any > T blocksize:n!', '13 T=any+ > T blocksize:n!', '28 T=any+ > T blocksize:n! mode:s=DCR|CRD'],
  Split: [
    '1 T=float [T] > T... axis:i split:I',
    '2 T=any > T... axis:i split:I',
    '13 T=any+ [=int64] > T... axis:i',
    '18 T=any+ [=int64] > T... axis:i num_outputs:n',
  ],
  Sqrt: ['1 T=float > T consumed_inputs:I', '6 T=float > T', '13 T=float+ > T'],
  Squeeze: ['1 T=any > T axes:I', '13 T=any+ [=int64] > T'],
  Sub: [
    '1 T=float T > T axis:i broadcast:b consumed_inputs:I',
    '6 T=wide T > T axis:i broadcast:b',
    '7 T=wide T > T',
    '13 T=wide+ T > T',
    '14 T=number+ T > T',
  ],
  Sum: ['1 T=float... > T consumed_inputs:I', '6 T=float... > T', '13 T=float+... > T'],
  Swish: ['24 T=float+ > T alpha:f'],
  Tan: ['7 T=float > T', '22 T=float+ > T'],
  Tanh: ['1 T=float > T consumed_inputs:I', '6 T=float > T', '13 T=float+ > T'],
  ThresholdedRelu: ['10 T=float > T alpha:f', '22 T=float+ > T alpha:f'],
  Tile: ['1 T=float T T > T', '6 T=any T1=int64 > T', '13 T=any+ T1=int64 > T'],
  TopK: [
    '1 T=float > T I=int64 axis:i k:i!',
    '10 T=float =int64 > T I=int64 axis:i',
    '11 T=number =int64 > T I=int64 axis:i largest:b sorted:b',
    '24 T=number+ =int64 > T I=int64 axis:i largest:b sorted:b',
  ],
  Transpose: ['1 T=any > T perm:I', '13 T=any+ > T perm:I'],
  Trilu: ['14 T=any+ [=int64] > T upper:b'],
  Unsqueeze: ['1 T=any > T axes:I!', '13 T=any+ =int64 > T'],
  Where: ['9 B=bool T=any T > T', '16 B=bool T=any+ T > T'],
  Xor: ['1 T=bool T > T1=bool axis:i broadcast:b', '7 T=bool T > T1=bool'],
};

const floats = ['float16', 'float32', 'float64'];
const wide = [...floats, 'int32', 'int64', 'uint32', 'uint64'];
const numbers = [...wide, 'int8', 'int16', 'uint8', 'uint16'];
const sets: Readonly<Record<string, readonly string[]>> = {
  float: floats,
  wide,
  number: numbers,
  plain: [...numbers, 'bool'],
  any: [...numbers, 'bool', 'string'],
};

interface Kind {
  readonly type: Attribute['type'];
  /** the values it may take, where not all */
  readonly allows?: (value: unknown) => boolean;
  /** those values, for messages */
  readonly expected?: string;
}

const least = (low: number) => (value: unknown) => (value as number) >= low;
const all = (test: (value: unknown) => boolean) => (values: unknown) => (values as readonly unknown[]).every(test);
const words = (...given: readonly string[]): Kind => ({
  type: 'string',
  allows: (value) => given.includes(value as string),
  expected: given.filter((word) => word !== '').join(', '),
});

const kinds: Readonly<Record<string, Kind>> = {
  f: { type: 'float' },
  i: { type: 'int' },
  s: { type: 'string' },
  t: { type: 'tensor' },
  g: { type: 'graph' },
  F: { type: 'floats' },
  I: { type: 'ints' },
  S: { type: 'strings' },
  // Sparse tensors and types have no values here.
  x: { type: 'opaque' },
  p: { type: 'float', allows: (value) => (value as number) > 0, expected: 'A number above 0' },
  // A flag: other numbers are true to one runtime and false to another.
  b: { type: 'int', allows: (value) => value === 0 || value === 1, expected: '0 or 1' },
  n: { type: 'int', allows: least(1), expected: '1 or more' },
  N: {
    type: 'ints',
    allows: (values) => (values as []).length > 0 && all(least(1))(values),
    expected: '1 or more each',
  },
  P: { type: 'ints', allows: all(least(0)), expected: '0 or more each' },
  // Runtimes take an empty text for the default.
  a: words('', 'NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'),
};

/** An input or output of a schema. */
export interface Formal {
  /** inputs and outputs of one variable are of one type */
  readonly variable?: string;
  readonly types: ReadonlySet<DataType>;
  readonly form: 'one' | 'optional' | 'many';
}

/** What an operator is in one operator set. */
export interface Schema {
  readonly since: number;
  readonly inputs: readonly Formal[];
  readonly outputs: readonly Formal[];
  readonly attributes: ReadonlyMap<string, Kind & { readonly required: boolean }>;
}

function typesOf(text: string): ReadonlySet<DataType> {
  const names = text.split('|').flatMap((word) => {
    const set = sets[word.replace('+', '')] ?? [word];
    return word.endsWith('+') ? [...set, 'bfloat16'] : set;
  });
  const known = Object.keys(dataTypes).filter((type): type is DataType => names.includes(type));
  if (known.length !== names.length) throw new Error(`'${text}' names no types`);
  return new Set(known);
}

function formal(token: string, variables: Map<string, ReadonlySet<DataType>>): Formal {
  const form = token.startsWith('[') ? 'optional' : token.endsWith('...') ? 'many' : 'one';
  const [variable, text] = token.replace(/^\[|\]$|\.\.\.$/g, '').split('=');
  const types = text === undefined ? variables.get(variable)! : typesOf(text);
  if (variable === '') return { types, form };
  variables.set(variable, types);
  return { variable, types, form };
}

function parsed(version: string): Schema {
  const [since, ...tokens] = version.split(' ');
  const variables = new Map<string, ReadonlySet<DataType>>();
  const between = tokens.indexOf('>');
  const places = tokens.filter((token) => !token.includes(':'));
  const attributes = tokens.slice(places.length).map((token) => {
    const [name, text] = token.split(':');
    const [letter, values] = text.replace('!', '').split('=');
    const kind = values === undefined ? kinds[letter] : words(...values.split('|'));
    return [name, { ...kind, required: text.endsWith('!') }] as const;
  });
  return {
    since: Number(since),
    inputs: places.slice(0, between).map((token) => formal(token, variables)),
    outputs: places.slice(between + 1).map((token) => formal(token, variables)),
    attributes: new Map(attributes),
  };
}

const versions = new Map<string, readonly Schema[]>();

/** All versions of an operator's schema, oldest first; undefined for one that is not known. Parsed when first asked for. */
export function versionsOf(opType: string): readonly Schema[] | undefined {
  if (!Object.hasOwn(table, opType)) return undefined;
  const known = versions.get(opType) ?? table[opType].map(parsed);
  versions.set(opType, known);
  return known;
}

/** The schema of an operator in an operator set; undefined where it has none. */
export const schemaOf = (opType: string, opset: number): Schema | undefined =>
  versionsOf(opType)?.findLast(({ since }) => since <= opset);

/** Operators with schemas, for tests. */
export const schemaNames: readonly string[] = Object.keys(table);

/** How many inputs or outputs there may be. */
export function rangeOf(formals: readonly Formal[]): readonly [least: number, most: number] {
  const many = formals.at(-1)?.form === 'many';
  return [formals.filter(({ form }) => form !== 'optional').length, many ? Number.POSITIVE_INFINITY : formals.length];
}
