/** How a data set on disk is read: the options that every command with a data set takes. */
import { z } from 'zod';
import type { DatasetOptions } from '../data/load.ts';

export const masksOption = z
  .enum(['leave-out', 'use'])
  .optional()
  .describe('what is named as a mask of another image: left out, or used as an image');

export const maxPixelsOption = z
  .int()
  .positive()
  .optional()
  .describe('largest image that is decoded; 89478485, 256 MB of RGB, unless given');

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
  parts: z
    .array(z.string())
    .optional()
    .meta({ valueName: 'KIND=FOLDER' })
    .describe('folder: which folders are the parts train, val, test, where their names do not say so; or none'),
  masks: masksOption,
  exclude: z.array(z.string()).optional().describe('names of classes to leave out'),
  classNames: z.array(z.string()).optional().describe('idx, npy: names of the classes in the order of the labels'),
  pathColumn: z.string().optional().describe("csv: column of image files, by header or number from 1, else 'path'"),
  labelColumn: z.string().optional().describe("csv: column of class names, else 'label'"),
  labelColumns: z
    .array(z.string())
    .optional()
    .describe('csv: columns of a class each, 1 for the class of the row (one-hot)'),
  groupColumn: z.string().optional().describe("csv: column of groups, else 'group' where there is one"),
  delimiter: z.string().optional().describe('csv: between cells, else what the first line shows'),
  encoding: z.string().optional().describe('csv: of its text, such as windows-1252; UTF-8 unless given'),
  task: z
    .enum(['melanoma', 'three-class'])
    .optional()
    .describe('ph2: melanoma against the rest (unless told otherwise), or common, atypical, melanoma'),
  allowCounts: z.boolean().optional().describe('ph2: accept other numbers of cases than 80, 80 and 40'),
  maxUnpacked: z
    .number()
    .positive()
    .optional()
    .describe('idx, ph2: megabytes that a compressed file may become; 1024 unless given'),
} as const satisfies { readonly [K in keyof DatasetOptions]?: z.ZodType<DatasetOptions[K]> };
