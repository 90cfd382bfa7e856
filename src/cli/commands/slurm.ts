import { join, resolve } from 'node:path';
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { typedRows } from '../printed-options.ts';
import { folderOf, sweepArguments, sweepOptions } from '../sweep/options.ts';

// What a budget drops hangs on all cells, and a task of an array may never wait for one that has not begun.
const { shard: _, merge: __, dryRun: ___, budget: ____, ...passedOn } = sweepOptions;

export const command = defineCommand({
  description:
    "Writes what Slurm needs to run a grid in shards, and starts nothing: the sweep's options as a file, an array job of one task a shard, a job that merges after it, and submit.sh, which sends both. A task that is preempted or runs out of its time goes on from its last checkpoint.",
  arguments: z.object(sweepArguments),
  options: z.object({
    ...passedOn,
    shards: z.int().min(1).describe('tasks of the array; more than there are cells are of no use'),
    jobs: z.string().default('slurm').meta({ valueName: 'DIR' }).describe('folder for the scripts and their logs'),
    jobName: z
      .string()
      .regex(/^[\w.-]+$/, 'expected letters, digits, dots, dashes and underscores')
      .default('frostline')
      .describe('name of the jobs'),
    time: z.int().min(3).default(60).describe('minutes that a task may run before it is stopped and sent again'),
    sbatch: z
      .array(z.string())
      .default([])
      .describe("further options of the array's job, as --sbatch=--gres=gpu:1,--partition=long"),
  }),
  json: true,
  examples: [
    {
      what: 'the paper on PH2, a GPU a task',
      line: 'paper-vgg16 --data PH2Dataset --out runs/vgg16 --shards 8 --sbatch=--gres=gpu:1',
    },
    { what: 'a grid from a file', line: '--config grid.yaml --shards 4 --time 30' },
  ],
  async run({ preset, shards, jobs, jobName, time, sbatch, ...sweep }, context) {
    const [{ writeFilesAtomically }, { slurmFiles }] = await Promise.all([
      import('../../files.ts'),
      import('../slurm-files.ts'),
    ]);
    // What every task would refuse is refused before any is sent.
    await typedRows(sweep.printed, sweep.printedCounts);
    const folder = resolve(jobs);
    const out = resolve(folderOf({ out: sweep.out, preset }));
    const files = slurmFiles({
      preset,
      settings: { ...sweep, out },
      out,
      folder,
      cwd: process.cwd(),
      program: [process.execPath, resolve(process.argv[1])],
      shards,
      jobName,
      time,
      sbatch,
    });
    const paths = await writeFilesAtomically(folder, files);
    if (context.json) return context.printJson({ files: paths });
    context.print(`${paths.join('\n')}\nsend them: sh ${join(jobs, 'submit.sh')}`);
  },
});
