/** How a data set on disk is read: the options that every command with a data set takes. */
import { z } from 'zod';
import type { DatasetOptions } from '../data/load.ts';

/** Each key is one of `DatasetOptions`; `loadDataset` refuses those that the format does not read. */
export const datasetOptions = {
  format: z
    .enum(['auto', 'folder', 'csv', 'ph2', 'idx', 'npy'])
    .default('auto')
    .describe('how the data set lies on disk'),
  split: z
    .enum(['train', 'val', 'test', 'all'])
    .optional()
    .describe('idx, and folders train, val and test: which part to read'),
  exclude: z.array(z.string()).optional().describe('names of classes to leave out'),
  classNames: z.array(z.string()).optional().describe('idx, npy: names of the classes in the order of the labels'),
  pathColumn: z.string().optional().describe("csv: header of the column of image files, else 'path'"),
  labelColumn: z.string().optional().describe("csv: header of the column of class names, else 'label'"),
  groupColumn: z.string().optional().describe("csv: header of the column of groups, else 'group' where there is one"),
  delimiter: z.string().optional().describe("csv: between cells, else ',', in a .tsv file a tab"),
  task: z
    .enum(['melanoma', 'three-class'])
    .optional()
    .describe('ph2: melanoma against the rest (unless told otherwise), or common, atypical, melanoma'),
  allowCounts: z.boolean().optional().describe('ph2: accept other numbers of cases than 80, 80 and 40'),
} as const satisfies { readonly [K in keyof DatasetOptions]?: z.ZodType<DatasetOptions[K]> };
