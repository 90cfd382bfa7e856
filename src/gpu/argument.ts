/** A device as an argument: told by what it does, so that who asks need not load the host's side of it (device.ts). */
import type { Expectation } from '../arguments.ts';
import type { Gpu } from './device.ts';

/** A device to compute on, as an argument. */
export const GPU: Expectation = {
  is: (value) => typeof (value as Gpu | undefined)?.storage === 'function',
  words: 'what Gpu.open() or Gpu.from() gives',
};
