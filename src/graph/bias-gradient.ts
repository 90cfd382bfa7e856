/** The gradient of what is added to every place of a channel: of convolutions and of fully connected layers. */
import { profileOf } from '../gpu/machine.ts';
import { Storage, type View } from '../gpu/storage.ts';
import { biasGradient } from '../kernels/bias/bias.ts';
import type { Capabilities } from '../kernels/kernel.ts';
import type { BackwardEmitter, ForwardEmitter } from './operation.ts';
import { rows, type Window, windows } from './windows.ts';

/** What is summed: dy [batch, channels, plane] over items and places. */
export interface ChannelSums {
  readonly dy: Storage;
  readonly batch: number;
  readonly channels: number;
  readonly plane: number;
  readonly name: string;
}

/** Values of a plane from which a second pass costs less than the cores that stand idle without it. */
const LONG = 1024;

const fewChannels = (adapter: Capabilities, channels: number) => channels < profileOf(adapter).busyChannels;

/** db[c] = sum over items and places of dy, in windows of items. */
export function emitBiasGradient(emit: ForwardEmitter, db: Storage, sums: ChannelSums): void {
  emitSums(emit, sums, windowsOf(emit, sums), (shape, accumulate, dy) =>
    emit.run(biasGradient, { ...shape, accumulate }, { dy, db: db.view() }),
  );
}

/**
 * The gradient of input `bias`, where it is wanted; where it is wanted for an update alone and one window holds all, the
 * update, which uses the sum where it is made.
 */
export function emitBias(emit: BackwardEmitter, bias: number, sums: ChannelSums): void {
  const parts = windowsOf(emit, sums);
  emit.sumTo(bias, parts.length === 1, (to) => {
    const { view: db, update } = to(4, { first: 0, count: sums.channels });
    emitSums(emit, sums, parts, (shape, accumulate, dy) =>
      emit.run(biasGradient, { ...shape, accumulate }, { dy, db }, { update }),
    );
  });
}

const itemBytesOf = ({ channels, plane }: ChannelSums) => 4 * channels * plane;
const windowsOf = (emit: ForwardEmitter, sums: ChannelSums) =>
  windows(emit.gpu, sums.batch, [itemBytesOf(sums)], `${sums.name}: one item`);

/** @param finish runs the kernel whose sums are the last */
function emitSums(
  emit: ForwardEmitter,
  sums: ChannelSums,
  parts: readonly Window[],
  finish: (shape: { batch: number; channels: number; plane: number }, accumulate: number, dy: View) => void,
): void {
  const { dy, channels, plane, name } = sums;
  for (const items of parts) {
    const accumulate = items.first > 0 ? 1 : 0;
    const of = rows(dy, itemBytesOf(sums), items);
    if (plane >= LONG && fewChannels(emit.gpu, channels)) {
      // Each item's planes by themselves, so that there are enough of them; then the items' sums.
      const planes = new Storage(`${name} sums of planes`, 4 * items.count * channels).view();
      const each = { batch: 1, channels: items.count * channels, plane, accumulate: 0 };
      emit.run(biasGradient, each, { dy: of, db: planes });
      finish({ batch: items.count, channels, plane: 1 }, accumulate, planes);
    } else finish({ batch: items.count, channels, plane }, accumulate, of);
  }
}
