/** The gradient of what is added to every place of a channel: of convolutions and of fully connected layers. */
import type { Storage } from '../gpu/storage.ts';
import { biasGradient } from '../kernels/bias/bias.ts';
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

/** db[c] = sum over items and places of dy, in windows of items. */
export function emitBiasGradient(emit: ForwardEmitter, { dy, db, batch, channels, plane, name }: BiasGradient): void {
  const itemBytes = 4 * channels * plane;
  for (const items of windows(emit.gpu, batch, [itemBytes], `${name}: one item`)) {
    emit.run(
      biasGradient,
      { batch: items.count, channels, plane, accumulate: items.first > 0 ? 1 : 0 },
      { dy: rows(dy, itemBytes, items), db: db.view() },
    );
  }
}
