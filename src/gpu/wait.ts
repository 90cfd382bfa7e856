/**
 * Waiting without a busy core. While a promise of Dawn's is pending, its Node bindings poll the device in every turn of
 * the event loop, which keeps a whole core busy. Where the device is the processor itself (lavapipe, SwiftShader), that
 * core is missing from the computation. So for as long as something is awaited, every turn of the loop sleeps a little:
 * at first not at all, then longer the longer the wait, up to MAX_SLEEP.
 */

/** Milliseconds that a turn of the event loop may sleep: what a wait may take too long, and other work be delayed. */
const MAX_SLEEP = 1;

/**
 * Share of the time waited so far that a turn sleeps. A poll takes some 50 microseconds of one core: with a fiftieth, a
 * product of 19 ms on two cores took 1.5 ms longer than with a tenth.
 */
const SHARE = 0.1;

const cell = new Int32Array(new SharedArrayBuffer(4));

export class Waiter {
  private pending = 0;
  private since = 0;
  /** whether a turn is in the queue: one at a time, however waits follow each other */
  private scheduled = false;

  /** The same promise; the event loop is slowed down until it is settled. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    this.since = performance.now();
    this.pending++;
    this.schedule();
    try {
      return await promise;
    } finally {
      this.pending--;
      this.since = performance.now();
    }
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.turn);
  }

  private readonly turn = (): void => {
    this.scheduled = false;
    if (this.pending === 0) return;
    const sleep = Math.min(MAX_SLEEP, SHARE * (performance.now() - this.since));
    if (sleep > 0.02) Atomics.wait(cell, 0, 0, sleep);
    this.schedule();
  };
}
