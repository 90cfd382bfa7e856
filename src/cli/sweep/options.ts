/** What `sweep` takes, and `slurm` passes on to it. */
import { z } from 'zod';
import { adapterOption } from '../adapter.ts';
import {
  dataOptions,
  divisionOptions,
  fitOptions,
  logitsOption,
  modelOptions,
  scoreOptions,
  strategyOption,
} from '../experiment-options.ts';
import { printedOptions } from '../printed-options.ts';
import { trackingOptions } from '../tracking.ts';

export const sweepArguments = {
  preset: z.enum(['quickstart', 'textures', 'paper-alexnet', 'paper-vgg16']).optional().describe('a named experiment'),
};

export const sweepOptions = {
  model: z.string().optional().meta({ valueName: 'FILE|NAME' }).describe('ONNX file, or a name from weights list'),
  ...modelOptions,
  ...dataOptions,
  freeze: z
    .array(z.union([z.number(), z.string()]))
    .min(1)
    .default(['all-points'])
    .describe('freeze points: numbers or names of layers, none, all; or all-points'),
  tuneOnly: z
    .array(z.string())
    .min(1)
    .optional()
    .meta({ valueName: 'BLOCKS' })
    .describe('further points: blocks that alone are trained beside the new layer, as in conv3..conv5,conv1+fc7'),
  strategy: z
    .array(strategyOption)
    .min(1)
    .optional()
    .meta({ valueName: 'STRATEGIES' })
    .describe(
      'how each point is trained, side by side: direct, head-first[=EPOCHS], gradual[=EPOCHS], layer-decay=FACTOR; YAML files of phases are further points',
    ),
  learningRates: z.array(z.number().positive()).min(1).optional().describe('global learning rates'),
  allFrozenRates: z
    .array(z.number().positive())
    .optional()
    .describe('further rates of the new layer, tried with all others frozen'),
  momentum: z
    .array(z.number().min(0).lt(1))
    .min(1)
    .optional()
    .describe('of SGD, the paper has 0.99; of Adam beta 1; several are tried side by side, as in 0.99,0.9'),
  ...fitOptions,
  ...scoreOptions,
  epochs: fitOptions.epochs.unwrap().optional().describe('passes over the training images; 6'),
  augment: fitOptions.augment.unwrap().optional().describe('random changes of the images; paper, quick starts none'),
  ...divisionOptions,
  select: z
    .enum(['validation', 'test'])
    .optional()
    .describe(
      'where rates and the best cell are chosen: on the validation part, or as the paper did on the test part, whose scores are then too good; test, unless --validation-fraction is given',
    ),
  budget: z
    .number()
    .int()
    .min(1)
    .optional()
    .meta({ valueName: 'EPOCHS' })
    .describe(
      'successive halving: after so many epochs the better half of points and rates goes on, by the validation part, and again after twice as many; cells that end are those of the full grid to the bit',
    ),
  repeats: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('runs of each cell on each split, with seeds counting up from --seed'),
  keep: z
    .enum(['best', 'all', 'none'])
    .default('best')
    .describe("trained networks that are kept, as model.onnx in the cell's folder"),
  logits: logitsOption,
  out: z.string().optional().meta({ valueName: 'DIR' }).describe('folder of the grid (default runs/PRESET)'),
  title: z.string().optional().describe('heading of the report'),
  shard: z
    .string()
    .regex(/^\d+\/\d+$/, 'expected I/N, as in 1/4')
    .optional()
    .meta({ valueName: 'I/N' })
    .describe('run every N-th cell from the I-th on, beside other processes of the same grid and --out'),
  merge: z
    .boolean()
    .default(false)
    .describe('run no cell: gather the results of shards, which must be complete, and write the report'),
  dryRun: z
    .boolean()
    .default(false)
    .describe('run no cell: list them with their arithmetic and a time, from a few steps that are timed and dropped'),
  ...printedOptions,
  ...trackingOptions,
  adapter: adapterOption,
};

export type SweepValues = z.output<z.ZodObject<typeof sweepArguments & typeof sweepOptions>>;

/** The folder of the grid. */
export const folderOf = ({ out, preset }: Pick<SweepValues, 'out' | 'preset'>): string =>
  out ?? `runs/${preset ?? 'sweep'}`;
