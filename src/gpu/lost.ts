/** A device that goes away while it is used, and how work that is saved as it goes survives that. */
import { FrostlineError } from '../errors.ts';

/** The driver was reset, the GPU unplugged, put to sleep or given to somebody else: nothing on it can be had any more. */
export class DeviceLostError extends FrostlineError {}

/** Devices that one piece of work may lose before it gives up. */
const MOST_LOSSES = 3;

/**
 * Runs work on a device; where it loses the device, the work is begun anew on another one, three times at most. What of
 * it is saved it must find by itself.
 * @param told of each loss that is gone on from, with how many there were
 * @throws DeviceLostError the last one
 */
export async function acrossLosses<Device, T>(
  device: Device,
  reopen: () => Promise<Device>,
  work: (device: Device) => Promise<T>,
  told: (error: DeviceLostError, losses: number) => void,
): Promise<T> {
  let current = device;
  for (let losses = 1; ; losses++) {
    try {
      return await work(current);
    } catch (error) {
      if (!(error instanceof DeviceLostError) || losses > MOST_LOSSES) throw error;
      told(error, losses);
      current = await reopen();
    }
  }
}
