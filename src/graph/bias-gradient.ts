/** The gradient of what is added to every place of a channel: of convolutions and of fully connected layers. */
import { machineOf } from '../gpu/machine.ts';
import { Storage } from '../gpu/storage.ts';
import { biasGradient } from '../kernels/bias/bias.ts';
import type { Capabilities } from '../kernels/kernel.ts';
import type { ForwardEmitter } from './operation.ts';
import { rows, windows } from './windows.ts';

export interface BiasGradient {
  readonly dy: Storage;
  readonly db: Storage;
  readonly batch: number;
  readonly channels: number;
  readonly plane: number;
  readonly name: string;
}

/** Values of a plane from which a second pass costs less than the cores that stand idle without it. */
const LONG = 1024;

const fewChannels = ({ kind, machine }: Capabilities, channels: number) =>
  kind === 'hardware' && channels < 2 * machineOf({ machine }).multiprocessors;

/** db[c] = sum over items and places of dy, in windows of items. */
export function emitBiasGradient(emit: ForwardEmitter, { dy, db, batch, channels, plane, name }: BiasGradient): void {
  const itemBytes = 4 * channels * plane;
  for (const items of windows(emit.gpu, batch, [itemBytes], `${name}: one item`)) {
    const accumulate = items.first > 0 ? 1 : 0;
    const of = rows(dy, itemBytes, items);
    if (plane >= LONG && fewChannels(emit.gpu, channels)) {
      // Each item's planes by themselves, so that there are enough of them; then the items' sums.
      const planes = new Storage(`${name} sums of planes`, 4 * items.count * channels).view();
      const each = { batch: 1, channels: items.count * channels, plane, accumulate: 0 };
      emit.run(biasGradient, each, { dy: of, db: planes });
      emit.run(biasGradient, { batch: items.count, channels, plane: 1, accumulate }, { dy: planes, db: db.view() });
    } else emit.run(biasGradient, { batch: items.count, channels, plane, accumulate }, { dy: of, db: db.view() });
  }
}
