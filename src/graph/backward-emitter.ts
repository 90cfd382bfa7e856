/** What one operation's `backward` sees: the gradient of its output, and where what it gives to its inputs goes. */
import type { Storage } from '../gpu/storage.ts';
import type { InputGradients } from './input-gradients.ts';
import { type BackwardEmitter, type ForwardEmitter, inMemory } from './operation.ts';
import type { OwnUpdates } from './own-updates.ts';

/** The gradients that come to an operation's outputs. */
export type OutputGradients = Pick<BackwardEmitter, 'outputGradient' | 'outputGradientIsOne' | 'partGradient'>;

export function backwardEmitter(
  emit: ForwardEmitter,
  outputs: OutputGradients,
  given: InputGradients,
  own: OwnUpdates,
): BackwardEmitter {
  const { inputs } = emit;
  const gradient = (i: number): Storage | undefined => given.write(inputs[i]);
  const destination: BackwardEmitter['destination'] = (i) => {
    const source = inputs[i];
    if (!given.tell(source)) return undefined;
    return (whole) => own.inKernels(source, whole) ?? inMemory(gradient(i)!)(whole);
  };
  /** An update in place of a gradient is given as that is. */
  const told = <U>(i: number, update: U | undefined): U | undefined => {
    if (update !== undefined) given.tell(inputs[i]);
    return update;
  };
  return {
    ...emit,
    ...outputs,
    passOn: (i, storage) => given.passOn(inputs[i], storage),
    gradient,
    destination,
    sumTo(i, whole, write) {
      if (own.inSumThatWaits(inputs[i], whole, write)) {
        given.tell(inputs[i]);
        return;
      }
      const to = destination(i)?.(whole);
      if (to !== undefined) write(to);
    },
    updates: (i) => own.isInOwnText(inputs[i]),
    update: (i) => told(i, own.inOwnText(inputs[i])),
    scaledUpdate: (i) => told(i, own.inOwnTextScaled(inputs[i])),
  };
}
