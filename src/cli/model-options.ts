/** Options of the commands that read a model. */
import { z } from 'zod';
import type { Network, Pair } from '../models/network.ts';
import type { Context } from './command.ts';

export const inputSizeOption = z
  .array(z.int().positive())
  .length(2)
  .transform(([height, width]): Pair => [height, width])
  .optional()
  .meta({ valueName: 'PIXELS' })
  .describe("height and width of the image input in place of the file's, such as 227,227");

/**
 * Of a network with the paper's layers under other numbers, where a layer was given by its number: what numbers mean here.
 */
export async function noteNumbers(network: Network, context: Context): Promise<void> {
  const { aboutNumbers, hasPaperNumbers, paperNetworkLike } = await import('../models/numbering.ts');
  const like = paperNetworkLike(network);
  if (like !== undefined && !hasPaperNumbers(network, like)) context.note(`layers: ${aboutNumbers(network)}`);
}

/** Tells which outputs of a file its network has not. */
export function noteLeftOut({ leftOut = [] }: Network, context: Context): void {
  for (const { name, why } of leftOut) context.note(`model: output '${name}' is left out: ${why}`);
}
