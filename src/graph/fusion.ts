/** Which maps of single values are done where their argument is written, and their derivatives where their gradient is. */
import type { Gpu } from '../gpu/device.ts';
import type { Epilogue } from '../kernels/epilogue.ts';
import { isAlias, sourceOf } from './tape.ts';
import type { Tensor } from './tensor.ts';

/**
 * The epilogues whose argument is made by an operation that can apply them itself, and that nobody else reads: the
 * argument is then never written. Backward is as ever, for their derivative is made of the output, or is not wanted.
 */
export function fusedEpilogues(
  tape: readonly Tensor[],
  read: readonly (Tensor | undefined)[],
  needed: ReadonlySet<Tensor>,
  training: boolean,
): Set<Tensor> {
  const readers = new Map<Tensor, number>();
  for (const tensor of tape) {
    for (const source of tensor.source?.inputs ?? []) readers.set(source, (readers.get(source) ?? 0) + 1);
  }
  return new Set(
    tape.filter((tensor) => {
      const epilogue = tensor.source?.operation.epilogue;
      if (tensor.source === undefined || epilogue === undefined || isAlias(tensor, training)) return false;
      if (epilogue.derivativeOf === 'input' && needed.has(tensor)) return false;
      const [argument] = tensor.source.inputs;
      return argument.source?.operation.fuses?.(epilogue) && readers.get(argument) === 1 && !read.includes(argument);
    }),
  );
}

/**
 * The epilogues whose derivative the operation that reads them applies, as the one that alone contributes to their gradient,
 * which nobody wants to read: what it writes is the gradient of their argument.
 */
export function passedEpilogues(
  gpu: Gpu,
  {
    operations,
    needed,
    pending,
    asked,
    training,
  }: {
    readonly operations: readonly Tensor[];
    readonly needed: ReadonlySet<Tensor>;
    readonly pending: ReadonlyMap<Tensor, number>;
    readonly asked: readonly Tensor[];
    readonly training: boolean;
  },
): { passed: ReadonlySet<Tensor>; readers: ReadonlyMap<Tensor, Epilogue> } {
  const passed = new Set<Tensor>();
  const readers = new Map<Tensor, Epilogue>();
  /** from the reader's input to the epilogue, through reshapes */
  const alone = (tensor: Tensor): boolean =>
    pending.get(tensor) === 1 &&
    !asked.includes(tensor) &&
    (!isAlias(tensor, training) || alone(tensor.source!.inputs[0]));
  for (const tensor of operations) {
    const { operation, inputs } = tensor.source!;
    if (!needed.has(tensor) || isAlias(tensor, training)) continue;
    const map = sourceOf(inputs[0], training);
    const epilogue = map.source?.operation.epilogue;
    if (epilogue?.derivativeOf !== 'output' || !needed.has(map) || !alone(inputs[0])) continue;
    if (!operation.fusesBefore?.(gpu, epilogue)) continue;
    passed.add(map);
    readers.set(tensor, epilogue);
  }
  return { passed, readers };
}
