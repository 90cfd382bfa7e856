/** What `compile` is asked for, and what of it is refused, before anything has memory. */
import { describeValue, FLAG } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import { tapeOf } from './tape.ts';
import { Parameter, Tensor } from './tensor.ts';
import { type Optimizer, optimizerOf } from './update.ts';

/** What `compile` is to compute: outputs, a loss to differentiate, gradients to be read, updates. */
export interface CompileOptions {
  /** tensors to be read after a run */
  readonly outputs?: readonly Tensor[];
  /** the tensor to differentiate: of one value, or of any shape with `upstream` */
  readonly loss?: Tensor;
  /**
   * dL/d loss, an `input` of the loss's shape; default 1. With it, backward gives the vector-Jacobian product: PyTorch's
   * `backward(gradient)`.
   */
  readonly upstream?: Tensor;
  /** update the trainable parameters after each backward pass; true: by SGD with momentum */
  readonly update?: boolean | Optimizer;
  /** tensors (parameters, inputs, any in between) whose gradients are to be read after a run */
  readonly gradients?: readonly Tensor[];
  /** dropout draws; default: whether there is a loss to differentiate */
  readonly training?: boolean;
  /**
   * copies in other layouts of parameters that are not trained are made once, as far as memory allows; false: in each run,
   * so that its time holds them. Default true
   */
  readonly keepPacked?: boolean;
}

const COMPILE_OPTIONS: OptionNames<CompileOptions> = {
  outputs: true,
  loss: true,
  upstream: true,
  update: true,
  gradients: true,
  training: FLAG,
  keepPacked: FLAG,
};

/** What is asked for, checked, with what was left out filled in. */
export interface Wanted {
  readonly outputs: readonly Tensor[];
  readonly loss: Tensor | undefined;
  readonly upstream: Tensor | undefined;
  /** tensors whose gradients are to be read */
  readonly asked: readonly Tensor[];
  /** what the loss is made of; nothing where there is none */
  readonly lossTape: ReadonlySet<Tensor>;
  /** by what the trainable parameters are updated, if they are */
  readonly optimizer: Optimizer | undefined;
  readonly training: boolean;
  readonly keepPacked: boolean;
}

/** @throws FrostlineError for an option that is none, or one that could only be ignored */
export function wantedOf(options: CompileOptions): Wanted {
  checkOptions('compile', options, COMPILE_OPTIONS);
  checkTensors(options);
  const lossTape = checkLoss(options);
  const { loss, upstream, outputs = [], gradients: asked = [] } = options;
  const optimizer = optimizerOf(options.update ?? false);
  const { training = loss !== undefined, keepPacked = true } = options;
  return { outputs, loss, upstream, asked, lossTape, optimizer, training, keepPacked };
}

/** Refuses what is no tensor where one is expected, and a graph that computes nothing. */
function checkTensors(options: CompileOptions): void {
  const { loss, upstream, outputs = [], gradients = [] } = options;
  for (const [name, list] of Object.entries({ outputs, gradients })) {
    const stranger = Array.isArray(list) ? list.find((one) => !(one instanceof Tensor)) : list;
    if (Array.isArray(list) && list.every((one) => one instanceof Tensor)) continue;
    throw new FrostlineError(`compile: ${name} holds ${describeValue(stranger)}. Give a list of tensors.`);
  }
  for (const [name, one] of Object.entries({ loss, upstream })) {
    if (one === undefined || one instanceof Tensor) continue;
    throw new FrostlineError(`compile: ${name} is ${describeValue(one)}. Give a tensor.`);
  }
  if (loss === undefined && outputs.length === 0) {
    throw new FrostlineError('compile: there is nothing to compute. Give `outputs`, or a `loss`.');
  }
}

/** What the loss is made of; refuses what could only be ignored. */
function checkLoss({ loss, upstream, update, gradients = [] }: CompileOptions): ReadonlySet<Tensor> {
  if (loss === undefined) {
    if (upstream === undefined && !update && gradients.length === 0) return new Set();
    throw new FrostlineError('Gradients, `upstream` and `update` need a loss to differentiate. Give `loss`.');
  }
  if (update && loss instanceof Parameter) {
    throw new FrostlineError(
      `The loss is the parameter ${loss.name} itself: updates follow the operations that read parameters, and none does. ` +
        'Give a tensor that an operation makes of it.',
    );
  }
  if (upstream === undefined && loss.size !== 1) {
    throw new FrostlineError(
      `The loss ${loss.name} [${loss.shape.join(', ')}] has ${loss.size} values; it must have one. ` +
        'Give `upstream` to differentiate a tensor of any shape.',
    );
  }
  if (upstream !== undefined) {
    const plain = upstream.source === undefined && !(upstream instanceof Parameter) && upstream.type === 'f32';
    if (!plain || upstream.shape.join() !== loss.shape.join()) {
      throw new FrostlineError(
        `upstream ${upstream.name} [${upstream.shape.join(', ')}] must be an input of f32 in the shape of ` +
          `${loss.name}, [${loss.shape.join(', ')}].`,
      );
    }
  }
  const lossTape = new Set(tapeOf([loss]));
  for (const tensor of gradients) {
    if (lossTape.has(tensor) && tensor.type === 'f32') continue;
    const reason = tensor.type === 'f32' ? `${loss.name} does not depend on it` : 'it holds integers';
    throw new FrostlineError(`The gradient of ${tensor.name} was asked for, but ${reason}. Leave it out.`);
  }
  return lossTape;
}
