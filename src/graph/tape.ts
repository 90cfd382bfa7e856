/** What is computed, in order, and what of it is differentiated: the tape, the frost line, and who contributes to what. */
import { FrostlineError } from '../errors.ts';
import { Parameter, type Tensor } from './tensor.ts';

/** Everything that `wanted` is made of, sources first. */
export function tapeOf(wanted: readonly Tensor[]): Tensor[] {
  const seen = new Set<Tensor>();
  const pending = [...wanted];
  for (let tensor = pending.pop(); tensor !== undefined; tensor = pending.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    pending.push(...(tensor.source?.inputs ?? []));
  }
  return [...seen].sort((a, b) => a.order - b.order);
}

export function isAlias(tensor: Tensor, training: boolean): boolean {
  const alias = tensor.source?.operation.alias;
  return alias === 'always' || (alias === 'inference' && !training);
}

/** The tensor whose values this one has in another shape, or in the same. */
export function sourceOf(tensor: Tensor, training: boolean): Tensor {
  return isAlias(tensor, training) ? sourceOf(tensor.source!.inputs[0], training) : tensor;
}

/** Second and further outputs that somebody reads, by the tensor that stands for the operation, and by number. */
export type Parts = ReadonlyMap<Tensor, ReadonlyMap<number, Tensor>>;

export function partsOf(operations: readonly Tensor[]): Parts {
  const parts = new Map<Tensor, Map<number, Tensor>>();
  for (const tensor of operations) {
    const { operation, inputs } = tensor.source!;
    if (operation.part === undefined) continue;
    parts.set(inputs[0], (parts.get(inputs[0]) ?? new Map<number, Tensor>()).set(operation.part, tensor));
  }
  return parts;
}

/** What operations write besides their outputs. Two writers of one value would leave its order to chance. */
export function stateOf(operations: readonly Tensor[]): Set<Parameter> {
  const state = new Set<Parameter>();
  for (const { name, source } of operations) {
    for (const i of source!.operation.writes ?? []) {
      const parameter = source!.inputs[i];
      if (!(parameter instanceof Parameter) || state.has(parameter)) {
        throw new FrostlineError(
          `${name}: ${parameter.name} is to be written, but is no parameter of its own. Give one.`,
        );
      }
      state.add(parameter);
    }
  }
  return state;
}

/** The tensors that need a gradient. */
export function frostLine(
  tape: readonly Tensor[],
  lossTape: ReadonlySet<Tensor>,
  asked: readonly Tensor[],
  update: boolean,
  state: ReadonlySet<Tensor>,
): Set<Tensor> {
  const needed = new Set<Tensor>();
  for (const tensor of tape) {
    if (!lossTape.has(tensor)) continue;
    if (state.has(tensor)) continue;
    const own = asked.includes(tensor) || (update && tensor instanceof Parameter && tensor.trainable);
    const inherited = tensor.source?.inputs.some((input) => needed.has(input)) ?? false;
    if (inherited && tensor.source!.operation.backward === null) {
      throw new FrostlineError(
        `${tensor.source!.operation.name} (${tensor.name}) has no derivative, and parameters before it are to be ` +
          'trained. Freeze them, or take the loss from a tensor before it.',
      );
    }
    if (own || inherited) needed.add(tensor);
  }
  return needed;
}

/** How many operations contribute to a tensor's gradient. */
export function contributions(operations: readonly Tensor[], needed: ReadonlySet<Tensor>): Map<Tensor, number> {
  const pending = new Map<Tensor, number>();
  for (const tensor of operations) {
    if (!needed.has(tensor)) continue;
    for (const input of tensor.source!.inputs) pending.set(input, (pending.get(input) ?? 0) + 1);
  }
  return pending;
}
