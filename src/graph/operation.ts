/**
 * What an operation is: how it is computed and how its derivative is, each as dispatches of kernels. The type demands a
 * derivative; an operation that has none (an arg max) says so with `null` and is refused when it stands between a loss
 * and a parameter, at compile time.
 */
import { checkArguments, type Expectation, FUNCTION, OBJECT, orNothing, TEXT, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Precision, Storage, View } from '../gpu/storage.ts';
import type { Combination, Epilogue, Epilogues, MapBefore } from '../kernels/epilogue.ts';
import type { BindingSchema, Kernel, ParamSchema, Params } from '../kernels/kernel.ts';
import { RELU, type Relu } from '../kernels/relu/rule.ts';
import type { KernelUpdate } from '../kernels/update.ts';
import type { PieceWise } from './pieces.ts';
import { checkTensors, type ElementType, type Shape, Tensor } from './tensor.ts';
import { rows, type Window } from './windows.ts';

/** What `forward` of an operation gets: tensors and their memory, memory of its own, and `run` to dispatch kernels. */
export interface ForwardEmitter {
  readonly gpu: Gpu;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /** dropout is active, choices are kept */
  readonly training: boolean;
  /** the derivative of this operation will run too */
  readonly differentiated: boolean;
  /** number of the operation among those of its name: the stream of its random draws, whatever stands between them */
  readonly ordinal: number;
  /** the rates, the step's number and the seed: kernels/step.ts */
  readonly step: Storage;
  /** where a tensor's values are */
  value(tensor: Tensor): Storage;
  /** the epilogue that follows is applied to what is written: only where the operation `fuses` it */
  readonly after: Epilogue | undefined;
  /** what is written is first combined with an operand, of a combination that the operation `combines` */
  readonly combined: Combined | undefined;
  /**
   * input 0 is the output of this epilogue, and backward's gradient(0) is to be that of the epilogue's argument: only
   * where the operation `fusesBefore` it
   */
  readonly before: MapBefore | undefined;
  /** where output k of `applyAll` goes, k of 1 or more; nothing where nobody reads it */
  part(k: number): Storage | undefined;
  /** whether backward is to give the gradient of this input, or its update */
  needs(input: Tensor): boolean;
  /** memory of this operation's own, f32 unless said otherwise; `backward` finds it again under the same name */
  saved(name: string, bytes: number, precision?: Precision): Storage;
  /**
   * Where the new values of input i go, an input that the operation `writes`; nothing in inference, where state stands
   * still. Whoever reads the old values does so before.
   */
  state(i: number): Storage | undefined;
  /** constants, on the device once and for all */
  constant(name: string, values: Float32Array<ArrayBuffer>): Storage;
  /** whether what is `prepared` of a tensor can outlast a run, as long as memory is left for it */
  lasts(tensor: Tensor): boolean;
  /**
   * A tensor's values in another layout, which `make` writes. Of a parameter that this graph does not train it is made
   * once, and anew only after the parameter's values have changed, as long as such copies stay few beside the parameters;
   * else in each run. What is made of another layout must not be smaller than that, or it might last longer.
   */
  prepared(
    tensor: Tensor,
    name: string,
    bytes: number,
    make: (run: Run, to: View) => void,
    /** what the copy stores; f32 where left out */
    precision?: Precision,
  ): View;
  readonly run: Run;
}

/** A combination with where its operand lies. */
export interface Combined {
  readonly combination: Combination;
  readonly operand: Storage;
}

/** Adds one run of a kernel, with epilogues in its text where they are given. */
export type Run = <P extends ParamSchema, B extends BindingSchema>(
  kernel: Kernel<P, B>,
  params: Params<P>,
  views: { readonly [K in keyof B]: View },
  epilogues?: Epilogues,
) => void;

/** What the kernel that writes is told: a code that its text knows, or epilogues for its text; and the operand. */
export interface Applied {
  readonly relu: Relu;
  readonly epilogues: Epilogues;
  /** of the combination, laid out as that says */
  readonly operand: Storage | undefined;
}

const EMITTER: Expectation = { ...OBJECT, words: 'what forward and backward are called with' };
const MAP_BEFORE = withMembers('a map, with a name', { name: TEXT.is, derivative: orNothing(TEXT).is });

/** What is applied to an operation's output. */
export function epiloguesOf(emit: Pick<ForwardEmitter, 'after' | 'combined'>): Applied {
  checkArguments('epiloguesOf', { emit: [emit, EMITTER] });
  const { after, combined } = emit;
  const coded = after?.code !== undefined;
  const map = coded ? undefined : after;
  const relu = coded ? (after.code as Relu) : RELU.none;
  return { relu, epilogues: { combination: combined?.combination, map }, operand: combined?.operand };
}

/** Whether the derivative of a map can be applied where a gradient is written, from the map's output: for `fusesBefore`. */
export function hasDerivative(epilogue: MapBefore): boolean {
  checkArguments('hasDerivative', { epilogue: [epilogue, MAP_BEFORE] });
  return epilogue.derivative !== undefined;
}

/** What is applied to the gradient by input 0: the derivative of the epilogue `before`, which reads that input. */
export function derivativeBefore(emit: Pick<ForwardEmitter, 'before' | 'inputs' | 'value'>): Applied {
  checkArguments('derivativeBefore', { emit: [emit, EMITTER] });
  const { before, inputs, value } = emit;
  if (before === undefined) return { relu: RELU.none, epilogues: {}, operand: undefined };
  const operand = value(inputs[0]);
  // A ReLU's stands in every text.
  if (before.code === RELU.after) return { relu: RELU.before, epilogues: {}, operand };
  const derivative = { name: `derivative of ${before.name}`, wgsl: before.derivative! };
  return { relu: RELU.before, epilogues: { derivative }, operand };
}

/** What `backward` of an operation gets: dL/dy, its inputs' values, and where gradients go. */
export interface BackwardEmitter extends ForwardEmitter {
  /** dL/d output; of several outputs, the first */
  readonly outputGradient: Storage;
  /** dL/d output k of `applyAll`; nothing where no gradient comes to it */
  partGradient(k: number): Storage | undefined;
  /** the output is the loss itself: dL/d output is the constant 1 */
  readonly outputGradientIsOne: boolean;
  /** where dL/d input i is to be written (overwritten, every element), or nothing where nobody needs it */
  gradient(i: number): Storage | undefined;
  /**
   * Says that dL/d input i is in `storage`, which is this operation's own, in place of `gradient(i)`. What others
   * contribute may be added to it.
   */
  passOn(i: number, storage: Storage): void;
  /**
   * Where kernels that can update (kernels/update.ts) write dL/d input i, in place of `gradient(i)`: to memory, or, of a
   * trained parameter that only this operation uses and whose gradient nobody asked for, into its update, after the last use
   * of its old values. Nothing where nobody needs it.
   */
  destination(i: number): Destination | undefined;
  /**
   * The same of a sum over dL/dy, output 0's, which may be taken late: where losses are scaled and another update waits for
   * dL/dy anyway, `write` runs after all gradients of the step are checked, and updates; else at once.
   */
  sumTo(i: number, whole: boolean, write: (to: GradientRows) => void): void;
  /** Whether `update` or `scaledUpdate` of input i would give something; asks, and takes nothing. */
  updates(i: number): boolean;
  /**
   * For an input that is a trained parameter of one mask which only this operation uses and whose gradient nobody asked
   * for: where its update is to be written, after the last use of its old values, in place of a gradient. Who takes it
   * must not ask for `gradient(i)`.
   */
  update(i: number): Update | undefined;
  /**
   * The same where losses are scaled, in place of `update`: the gradient by output 0 has the loss scale in it, and `write` runs
   * after all gradients of the step are checked.
   */
  scaledUpdate(i: number): ScaledUpdate | undefined;
}

/** What a kernel writes rows of a gradient to, and what it does in place of that: for its epilogues. */
export type GradientRows = (
  rowBytes: number,
  part: Window,
) => { readonly view: View; readonly update: KernelUpdate | undefined };

/** Where a gradient goes; to be called once. @param whole each value is written by one kernel, in one piece: no sums of windows */
export type Destination = (whole: boolean) => GradientRows;

/** A gradient that is written to memory, whoever writes it. */
export const inMemory =
  (storage: Storage): Destination =>
  () =>
  (rowBytes, part) => ({ view: rows(storage, rowBytes, part), update: undefined });

/** v <- momentum v - rate mask (g + decay decayFactor w); w <- w + v */
export interface Update {
  readonly w: Storage;
  readonly v: Storage;
  readonly mask: number;
  readonly decayFactor: number;
}

/** An update by a gradient with the loss scale in it. */
export interface ScaledUpdate extends Update {
  /** where the weight is kept a second time, as halves */
  readonly half: Storage;
  readonly scaling: Storage;
  later(write: () => void): void;
}

/**
 * A differentiable operation of the graph: how its forward and backward become dispatches. `apply` makes a tensor of
 * it.
 */
export interface Operation {
  readonly name: string;
  /** The output has the input's bytes, no kernel at all: always (reshape), or in inference (dropout). */
  readonly alias?: 'always' | 'inference';
  /** which inputs hold integers (u32); all others are f32 */
  readonly integers?: readonly number[];
  /**
   * Of inputs that hold integers, by their place: what each value must be less than, as labels the number of classes. Others
   * would be taken for places in memory; `CompiledGraph.write` refuses them.
   */
  readonly below?: Readonly<Record<number, number>>;
  /** It maps single values, and whoever writes its argument may do it. */
  readonly epilogue?: Epilogue;
  /**
   * It combines the value of one input, place by place, with an operand: whoever writes that input may do it. `forward` is
   * not called then.
   */
  readonly combination?: {
    readonly is: Combination;
    /** the inputs that may be the value; the other ones are the operand, or it is made of them */
    readonly of: readonly number[];
    /** whether backward reads the value, which is not written then */
    readonly derivativeOf: 'neither' | 'input';
    /** where the operand lies, where input i is the value; it may be made here, of inputs that are there by then */
    operand(emit: ForwardEmitter, i: number): Storage;
  };
  /** its kernels can apply an epilogue to what they write */
  fuses?(epilogue: Epilogue): boolean;
  /** its kernels can combine what they write with an operand, before the epilogue */
  combines?(combination: Combination): boolean;
  /** its derivative can apply that of the epilogue that made input 0, at no more passes over memory */
  fusesBefore?(gpu: Gpu, epilogue: MapBefore): boolean;
  /**
   * Where input 0 is the output of this map: the two in turn, if their derivative is made of this operation's output.
   * Whoever reads that may apply it, as an epilogue's; then neither has a backward pass.
   */
  behind?(map: Epilogue): MapBefore | undefined;
  /** It is output k of the operation that made its only input: `applyAll`. */
  readonly part?: number;
  /**
   * Inputs that forward overwrites in training besides its output: state (running statistics). They are `Parameter`s that
   * no gradient reaches; `emit.state(i)` is where the new values go.
   */
  readonly writes?: readonly number[];
  /**
   * Where forward is smooth only piece by piece: which piece the values of input 0 lie on. `gradcheck` takes an operation
   * without it for smooth.
   */
  readonly pieces?: PieceWise;
  /**
   * What `gradcheck` lets its derivative be off by, relative, where no `rtol` is given: for one that is only an
   * approximation. 3e-4 where left out.
   */
  readonly tolerance?: number;
  forward(emit: ForwardEmitter): void;
  backward: ((emit: BackwardEmitter) => void) | null;
}

const OPERATION = withMembers('an operation, with a name, forward and backward (null: it has no derivative)', {
  name: TEXT.is,
  forward: FUNCTION.is,
  backward: (value) => value === null || FUNCTION.is(value),
});
const INPUTS: Expectation = { is: Array.isArray, words: 'a list of tensors' };

/** The tensor that `operation` makes of `inputs`. */
export function apply(
  operation: Operation,
  inputs: readonly Tensor[],
  shape: Shape,
  name = operation.name,
  type: ElementType = 'f32',
): Tensor {
  checkArguments('apply', { operation: [operation, OPERATION], inputs: [inputs, INPUTS] });
  inputs.forEach((input, i) => {
    checkTensors(name, { [`input ${i}`]: input });
    const expected = operation.integers?.includes(i) ? 'u32' : 'f32';
    if (input.type !== expected) refuse(name, `input ${input.name} holds ${input.type}`, `Give ${expected}.`);
  });
  return new Tensor(name, shape, type, { operation, inputs });
}

const OUTPUTS: Expectation = {
  is: (value) => Array.isArray(value) && value.length > 0 && value.every(OBJECT.is),
  words: 'a list of outputs, each { shape } or { shape, name }',
};

/**
 * The tensors that an operation of several outputs makes, f32 all. The first stands for the operation: `emit.output`,
 * `emit.outputGradient`. Of the others, k from 1 on, `emit.part(k)` is where the values go and `emit.partGradient(k)` their
 * gradient; either is missing where nobody needs it.
 *
 * @throws FrostlineError for inputs of the wrong type and shapes that are none
 * @example
 * const [positive, negative] = applyAll(halves, [x], [{ shape: x.shape }, { shape: x.shape, name: 'negative' }]);
 */
export function applyAll(
  operation: Operation,
  inputs: readonly Tensor[],
  outputs: readonly [{ shape: Shape; name?: string }, ...{ shape: Shape; name?: string }[]],
): readonly Tensor[] {
  checkArguments('applyAll', {
    operation: [operation, OPERATION],
    inputs: [inputs, INPUTS],
    outputs: [outputs, OUTPUTS],
  });
  const [{ shape, name }, ...others] = outputs;
  // So the tape stays a list of tensors, in order: each other output reads the first and is written by it, and one that
  // nobody reads does not stand in it.
  const first = apply(operation, inputs, shape, name);
  const rest = others.map(({ shape, name = `${first.name} ${operation.name}` }, i) => {
    const part: Operation = { name: `${operation.name} output`, part: i + 1, forward() {}, backward() {} };
    return new Tensor(name, shape, 'f32', {
      operation: operation.backward === null ? { ...part, backward: null } : part,
      inputs: [first],
    });
  });
  return [first, ...rest];
}

/** Refuses an operation when the graph is built. */
export function refuse(operation: string, what: string, remedy: string): never {
  throw new FrostlineError(`${operation}: ${what}. ${remedy}`);
}

export const shapeText = (shape: Shape) => `[${shape.join(', ')}]`;

/** The four extents of an N,C,H,W tensor. */
export function expect4d(operation: string, tensor: Tensor): [number, number, number, number] {
  checkTensors(operation, { x: tensor });
  if (tensor.shape.length !== 4) {
    refuse(operation, `input ${tensor.name} has shape ${shapeText(tensor.shape)}`, 'Give N, C, H, W.');
  }
  return tensor.shape as [number, number, number, number];
}
