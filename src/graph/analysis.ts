/**
 * What the tape says before anything has memory: what is computed and in which order, what of it is differentiated, and
 * which tensors no kernel of their own writes: aliases, and what is applied where its argument is made (fusion.ts). None
 * of it changes any more.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Epilogue, MapBefore } from '../kernels/epilogue.ts';
import type { Wanted } from './compile-options.ts';
import { type Fusion, type Fusions, fusions, type PassedEpilogues, passedEpilogues } from './fusion.ts';
import { frostLine, isAlias, type Parts, partsOf, stateOf, tapeOf } from './tape.ts';
import { Parameter, type Tensor } from './tensor.ts';

export class Analysis {
  /** all that the wanted tensors are made of, in order of creation */
  readonly tape: readonly Tensor[];
  /** those that an operation makes */
  readonly operations: readonly Tensor[];
  readonly parameters: readonly Parameter[];
  /** parameters that operations write in forward: running statistics */
  readonly state: ReadonlySet<Parameter>;
  /** what needs a gradient: all above the frost line */
  readonly needed: ReadonlySet<Tensor>;
  private readonly parts: Parts;
  private readonly training: boolean;
  private readonly fused: Fusions;
  private readonly passed: PassedEpilogues;

  constructor(gpu: Gpu, { outputs, loss, upstream, asked, lossTape, optimizer, training }: Wanted) {
    this.training = training;
    this.tape = tapeOf([loss, upstream, ...outputs].filter((tensor) => tensor !== undefined));
    this.operations = this.tape.filter((tensor) => tensor.source !== undefined);
    this.parameters = this.tape.filter((tensor) => tensor instanceof Parameter);
    this.state = training ? stateOf(this.operations) : new Set();
    this.needed = frostLine(this.tape, lossTape, asked, optimizer !== undefined, this.state);
    this.parts = partsOf(this.operations);
    this.fused = fusions(this.tape, [loss, ...outputs, ...asked], this.needed, training);
    this.passed = passedEpilogues(gpu, { operations: this.operations, needed: this.needed, asked, training });
  }

  /** Whether no kernel of its own writes it: it has its argument's bytes, or those that another operation makes of it. */
  hasNoKernel(tensor: Tensor): boolean {
    return isAlias(tensor, this.training) || this.fused.arguments.has(tensor);
  }

  /** Of such a one, the tensor before it: its input, or what it is applied to. */
  argumentOf(tensor: Tensor): Tensor {
    return this.fused.arguments.get(tensor) ?? tensor.source!.inputs[0];
  }

  /** The tensor whose storage holds this one's bytes. */
  holderOf(tensor: Tensor): Tensor {
    return this.hasNoKernel(tensor) ? this.holderOf(this.argumentOf(tensor)) : tensor;
  }

  /** The map that the operation applies to what it writes. */
  after(tensor: Tensor): Epilogue | undefined {
    return this.fused.applied.get(tensor)?.map?.source?.operation.epilogue;
  }

  /** The combination that it applies first. */
  combination(tensor: Tensor): Fusion['combination'] {
    return this.fused.applied.get(tensor)?.combination;
  }

  /** The map behind the operation's input 0 whose derivative it applies to that input's gradient. */
  before(tensor: Tensor): MapBefore | undefined {
    return this.passed.readers.get(tensor);
  }

  /** Output k of the operation that a tensor stands for, where somebody reads it. */
  part(tensor: Tensor, k: number): Tensor | undefined {
    return this.parts.get(tensor)?.get(k);
  }

  /** All outputs but the first that somebody reads. */
  otherParts(tensor: Tensor): readonly Tensor[] {
    return [...(this.parts.get(tensor)?.values() ?? [])];
  }

  /** Whether the operation's derivative will run. */
  isDifferentiated(tensor: Tensor): boolean {
    return this.needed.has(tensor) && tensor.source!.inputs.some((input) => this.needed.has(input));
  }

  /** Whether a tensor's gradient is its input's, as it is: of aliases, and of maps whose derivative their reader applies. */
  passesGradient(tensor: Tensor): boolean {
    return isAlias(tensor, this.training) || this.passed.maps.has(tensor);
  }

  /** The number of the operation among those of its name. */
  ordinal(tensor: Tensor): number {
    const { name } = tensor.source!.operation;
    return this.operations.filter(({ source }) => source!.operation.name === name).indexOf(tensor);
  }
}
