/** What one operation's `backward` sees: the gradient of its output, and where what it gives to its inputs goes. */
import type { Storage } from '../gpu/storage.ts';
import type { InputGradients } from './input-gradients.ts';
import { type BackwardEmitter, type ForwardEmitter, inMemory, refuse } from './operation.ts';
import type { OwnUpdates } from './own-updates.ts';
import type { Tensor } from './tensor.ts';

/** The gradients that come to an operation's outputs. */
export type OutputGradients = Pick<BackwardEmitter, 'outputGradient' | 'outputGradientIsOne' | 'partGradient'>;

export function backwardEmitter(
  emit: ForwardEmitter,
  outputs: OutputGradients,
  given: InputGradients,
  own: OwnUpdates,
): BackwardEmitter {
  const inputAt = (i: number): Tensor => emit.inputs[i] ?? refuseInput(emit.output, i);
  const gradient = (i: number): Storage | undefined => given.write(inputAt(i));
  const destination: BackwardEmitter['destination'] = (i) => {
    const source = inputAt(i);
    if (!given.tell(source)) return undefined;
    return (whole) => own.inKernels(source, whole) ?? inMemory(gradient(i)!)(whole);
  };
  /** An update in place of a gradient is given as that is. */
  const told = <U>(i: number, update: U | undefined): U | undefined => {
    if (update !== undefined) given.tell(inputAt(i));
    return update;
  };
  const gives: Omit<BackwardEmitter, keyof ForwardEmitter | keyof OutputGradients> = {
    passOn: (i, storage) => given.passOn(inputAt(i), storage),
    gradient,
    destination,
    sumTo(i, whole, write) {
      if (own.inSumThatWaits(inputAt(i), whole, write)) {
        given.tell(inputAt(i));
        return;
      }
      const to = destination(i)?.(whole);
      if (to !== undefined) write(to);
    },
    updates: (i) => own.isInOwnText(inputAt(i)),
    update: (i) => told(i, own.inOwnText(inputAt(i))),
    scaledUpdate: (i) => told(i, own.inOwnTextScaled(inputAt(i))),
  };
  // Getters stay getters: what an operation asks for is noted.
  const all = [emit, outputs, gives].map((part) => Object.getOwnPropertyDescriptors(part));
  return Object.defineProperties({}, Object.assign({}, ...all)) as BackwardEmitter;
}

function refuseInput({ source }: Tensor, i: number): never {
  const { operation, inputs } = source!;
  const last = inputs.length - 1;
  refuse(operation.name, `backward asks for the gradient of input ${i}`, `Give one of 0 to ${last}, as in \`apply\`.`);
}
