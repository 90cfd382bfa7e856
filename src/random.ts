/**
 * Counter-based random numbers: the value depends only on (seed, counter), never on the order of calls.
 * The same function stands in WGSL (kernels/dropout), so that a mask drawn on the GPU can be replayed on the host.
 *
 * `hash32` is the PCG output permutation on a 32-bit word (Jarzynski and Olano, "Hash Functions for GPU Rendering",
 * JCGT 2020, "pcg"); two words are mixed by nesting it.
 */
import { checkArguments, INTEGER } from './arguments.ts';

/** A word mixed to another: the PCG permutation. */
export function hash32(word: number): number {
  const state = (Math.imul(word, 747796405) + 2891336453) >>> 0;
  const mixed = Math.imul(((state >>> ((state >>> 28) + 4)) ^ state) >>> 0, 277803737) >>> 0;
  return ((mixed >>> 22) ^ mixed) >>> 0;
}

/** 32 random bits at position `counter` of the stream `seed`. */
export function randomBits(seed: number, counter: number): number {
  return hash32((hash32(seed >>> 0) ^ (counter >>> 0)) >>> 0);
}

/** A sequential reader over one counter-based stream. Same seed, same numbers, on every machine. */
export class Random {
  private counter = 0;
  private readonly seed: number;

  /** @param seed any integer; @param stream separates independent uses of one seed (split, shuffle, initialisation). */
  constructor(seed: number, stream = 0) {
    checkArguments('Random', { seed: [seed, INTEGER], stream: [stream, INTEGER] });
    this.seed = randomBits(seed >>> 0, (stream ^ 0x9e3779b9) >>> 0);
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    const high = randomBits(this.seed, this.counter++) >>> 5;
    const low = randomBits(this.seed, this.counter++) >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** Uniform integer in [0, n). */
  integer(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** Standard normal (Box-Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** The numbers 0..n-1 in random order (Fisher-Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
