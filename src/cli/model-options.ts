/** Options of the commands that read a model. */
import { z } from 'zod';
import type { Pair } from '../models/network.ts';

export const inputSizeOption = z
  .array(z.int().positive())
  .length(2)
  .transform(([height, width]): Pair => [height, width])
  .optional()
  .meta({ valueName: 'PIXELS' })
  .describe("height and width of the image input in place of the file's, such as 227,227");
