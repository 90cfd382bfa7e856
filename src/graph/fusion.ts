/** Which maps of single values are done where their argument is written, and their derivatives where their gradient is. */
import type { Gpu } from '../gpu/device.ts';
import type { MapBefore } from '../kernels/epilogue.ts';
import { contributions, isAlias, sourceOf } from './tape.ts';
import type { Tensor } from './tensor.ts';

/** What the operation that makes a tensor applies to it. */
export interface Fusion {
  /** the output of the map */
  readonly map?: Tensor;
  /** the output of the combination, of which the tensor is this input */
  readonly combination?: { readonly tensor: Tensor; readonly input: number };
}

export interface Fusions {
  /** from what is applied by another to its argument, which is then never written */
  readonly arguments: ReadonlyMap<Tensor, Tensor>;
  /** by the tensor whose operation applies it */
  readonly applied: ReadonlyMap<Tensor, Fusion>;
}

/**
 * The combinations and maps whose argument is made by an operation that can apply them itself, first the one, then the
 * other, and that nobody else reads. Backward is as ever, for their derivatives do not read the argument, or are not wanted.
 */
export function fusions(
  tape: readonly Tensor[],
  read: readonly (Tensor | undefined)[],
  needed: ReadonlySet<Tensor>,
  training: boolean,
): Fusions {
  const readers = new Map<Tensor, number>();
  for (const tensor of tape) {
    for (const source of tensor.source?.inputs ?? []) readers.set(source, (readers.get(source) ?? 0) + 1);
  }
  const place = new Map(tape.map((tensor, i) => [tensor, i]));
  const argumentsOf = new Map<Tensor, Tensor>();
  const applied = new Map<Tensor, Fusion>();
  const alone = (tensor: Tensor) => readers.get(tensor) === 1 && !read.includes(tensor);
  for (const tensor of tape) {
    if (tensor.source === undefined || isAlias(tensor, training)) continue;
    const { operation, inputs } = tensor.source;
    const { combination, epilogue } = operation;
    if (combination !== undefined && !(combination.derivativeOf === 'input' && needed.has(tensor))) {
      const input = combination.of.find((i) => {
        const maker = inputs[i].source?.operation;
        // The operand must be there when the argument's kernels run.
        const ready = (other: Tensor) => other.source === undefined || place.get(other)! < place.get(inputs[i])!;
        const last = inputs.every((other, k) => k === i || ready(other));
        return last && alone(inputs[i]) && !applied.has(inputs[i]) && maker?.combines?.(combination.is);
      });
      if (input === undefined) continue;
      argumentsOf.set(tensor, inputs[input]);
      applied.set(inputs[input], { combination: { tensor, input } });
    } else if (epilogue !== undefined && !(epilogue.derivativeOf === 'input' && needed.has(tensor))) {
      const [argument] = inputs;
      const maker = argumentsOf.get(argument) ?? argument;
      const before = applied.get(maker);
      if (!alone(argument) || before?.map !== undefined || !maker.source?.operation.fuses?.(epilogue)) continue;
      argumentsOf.set(tensor, argument);
      applied.set(maker, { ...before, map: tensor });
    }
  }
  return { arguments: argumentsOf, applied };
}

/** What `passedEpilogues` finds. */
export interface PassedEpilogues {
  /** whose gradient is that of what they read, as it is */
  readonly maps: ReadonlySet<Tensor>;
  /** by the tensor whose operation applies their derivative */
  readonly readers: ReadonlyMap<Tensor, MapBefore>;
}

/**
 * The epilogues whose derivative the operation that reads them applies, as the one that alone contributes to their gradient,
 * which nobody wants to read: what it writes is the gradient of their argument. And those with what stands `behind` them.
 */
export function passedEpilogues(
  gpu: Gpu,
  {
    operations,
    needed,
    asked,
    training,
  }: {
    readonly operations: readonly Tensor[];
    readonly needed: ReadonlySet<Tensor>;
    readonly asked: readonly Tensor[];
    readonly training: boolean;
  },
): PassedEpilogues {
  const pending = contributions(operations, needed);
  const maps = new Set<Tensor>();
  const readers = new Map<Tensor, MapBefore>();
  /** from the reader's input to the epilogue, through reshapes */
  const alone = (tensor: Tensor): boolean =>
    pending.get(tensor) === 1 &&
    !asked.includes(tensor) &&
    (!isAlias(tensor, training) || alone(tensor.source!.inputs[0]));
  for (const tensor of operations) {
    const { operation, inputs } = tensor.source!;
    if (!needed.has(tensor) || isAlias(tensor, training)) continue;
    const last = sourceOf(inputs[0], training);
    if (!alone(inputs[0])) continue;
    // The map itself, or what stands behind it.
    const behind = last.source?.operation.behind;
    const map = behind === undefined ? last : sourceOf(last.source!.inputs[0], training);
    const epilogue = map.source?.operation.epilogue;
    if (epilogue?.derivativeOf !== 'output' || !needed.has(map)) continue;
    if (behind !== undefined && !alone(last.source!.inputs[0])) continue;
    const before = behind === undefined ? epilogue : behind(epilogue);
    if (before === undefined || !operation.fusesBefore?.(gpu, before)) continue;
    for (const one of [last, map]) maps.add(one);
    readers.set(tensor, before);
  }
  return { maps, readers };
}
