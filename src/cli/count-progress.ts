/** A bar for something counted: images opened, bytes fetched. Drawn on a terminal only. */
import { Presets, SingleBar } from 'cli-progress';
import type { Context } from './command.ts';

export interface CountProgress {
  readonly update: (done: number, total: number) => void;
  /** Restores the terminal; also done when the command ends. */
  readonly stop: () => void;
}

/** @param what such as 'images', or a function that says where it stands */
export function countProgress(
  { stderr, defer }: Pick<Context, 'stderr' | 'defer'>,
  what: string | ((done: number, total: number) => string),
): CountProgress {
  if (!stderr.isTTY) return { update() {}, stop() {} };
  const text = typeof what === 'string' ? (done: number, total: number) => `${done} of ${total} ${what}` : what;
  const bar = new SingleBar(
    { stream: stderr, format: '{bar} {text}', barsize: 30, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  );
  let started = false;
  const stop = () => {
    if (started) bar.stop();
    started = false;
  };
  defer(stop);
  return {
    update(done, total) {
      const payload = { text: text(done, total) };
      if (started) bar.update(done, payload);
      else bar.start(total, done, payload);
      started = true;
    },
    stop,
  };
}
