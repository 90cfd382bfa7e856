/** The option --adapter, and opening the adapter it names: every command that uses a device says which one it is. */
import { z } from 'zod';
import { forcedAlgorithms, parseAlgorithms } from '../gpu/algorithms.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Precision } from '../gpu/storage.ts';
import type { Context } from './command.ts';

export const adapterOption = z
  .string()
  .optional()
  .describe(
    "auto, hardware, software, embedded, a backend and a number as 'doctor' lists them (vulkan:1), or part of an adapter's name; FROSTLINE_ADAPTER, else auto, if left out",
  )
  .meta({ valueName: 'NAME' });

export const algorithmOption = z
  .string()
  .optional()
  .describe(
    'algorithms to use in place of the quickest by estimate, wherever they compute the case: conv2d=winograd, linear=vectors, or of one result, "conv2d input gradient=direct", "linear backward=one-pass"; several with commas; FROSTLINE_ALGORITHM if left out',
  )
  .meta({ valueName: 'OPERATOR=NAME' });

/** No default: whoever does not ask has the configuration of before. */
export const precisionOption = z
  .enum(['f32', 'f16'])
  .optional()
  .describe(
    'what activations, their gradients and weights are stored as: f32 unless given; f16 halves their bytes, keeps f32 sums and weights, and needs an adapter with shader-f16',
  );

/** What `--algorithm` forces, as `Gpu.open` takes it. */
export const algorithmsOf = (option: string | undefined): Readonly<Record<string, string>> | undefined =>
  option === undefined
    ? undefined
    : Object.fromEntries(forcedAlgorithms(parseAlgorithms(option, '--algorithm'), '--algorithm'));

/** Refuses, of the algorithms that are forced on a device, those that no operator has. */
export async function checkAlgorithms(gpu: Gpu): Promise<void> {
  if (gpu.algorithms.size > 0) (await import('../operators/trials.ts')).refuseUnknownAlgorithms(gpu);
}

/** Opens the adapter, names it on standard error, and closes it when the command ends. */
export async function openAdapter(
  wish: string | undefined,
  context: Context,
  algorithm?: string,
  precision?: Precision,
): Promise<Gpu> {
  const { Gpu } = await import('../gpu/device.ts');
  const algorithms = algorithmsOf(algorithm);
  const gpu = await Gpu.open({
    adapter: wish,
    algorithms,
    precision,
    ...(!context.deviceProbe && { probe: false }),
    warn: (text) => context.note(`warning: ${text}`),
  });
  context.defer(() => gpu.destroy());
  await checkAlgorithms(gpu);
  context.note(`adapter: ${gpu.describe()}${gpu.precision === 'f16' ? ', half precision' : ''}`);
  return gpu;
}
