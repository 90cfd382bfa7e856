/** A grid as Slurm jobs: an array of shards into one folder, and a merge that depends on it. Text by file name. */

export interface SlurmJob {
  readonly preset?: string;
  /** the sweep's options, as its --config takes them */
  readonly settings: Readonly<Record<string, unknown>>;
  /** of the grid, on a file system that all nodes share; these four paths are absolute */
  readonly out: string;
  readonly folder: string;
  readonly cwd: string;
  /** node and frostline */
  readonly program: readonly string[];
  readonly shards: number;
  readonly jobName: string;
  /** minutes */
  readonly time: number;
  readonly sbatch: readonly string[];
}

/** Seconds before the end of its time at which a task is told to stop: room for an epoch and its checkpoint. */
const NOTICE = 90;

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

export function slurmFiles(job: SlurmJob): Record<string, string> {
  const { preset, settings, out, folder, cwd, shards, jobName, time, sbatch } = job;
  const program = job.program.map(quote).join(' ');
  const logs = (name: string) => `#SBATCH --output="${folder}/${name}.out" --open-mode=append`;
  const sweep = `${program} sweep ${preset === undefined ? '' : `${preset} `}--config ${quote(`${folder}/sweep.json`)}`;
  return {
    'sweep.json': `${JSON.stringify(settings, null, 2)}\n`,
    'shards.sbatch': `#!/bin/bash
#SBATCH --job-name=${jobName} --array=1-${shards} --time=${time}
${logs('%x_%A_%a')}
#SBATCH --requeue --signal=B:USR1@${NOTICE}
${sbatch.map((option) => `#SBATCH ${option}\n`).join('')}
cd ${quote(cwd)} || exit 2
told=0
child=
# The shell is told, a child is not; and a trap ends 'wait' before the child has ended. It stands before the child begins:
# a shell without it would end at the signal.
trap 'told=1; [ -z "$child" ] || kill -USR1 "$child"' USR1 TERM
${sweep} --shard "$SLURM_ARRAY_TASK_ID/${shards}" &
child=$!
[ "$told" = 0 ] || kill -USR1 "$child"
told=1
while [ "$told" = 1 ]; do
  told=0
  wait "$child"
  code=$?
done
# 75: stopped at a checkpoint. Where the queue takes the task back, it goes on from there.
if [ "$code" = 75 ]; then
  scontrol requeue "\${SLURM_ARRAY_JOB_ID}_\${SLURM_ARRAY_TASK_ID}" && exit 0
fi
exit "$code"
`,
    'merge.sbatch': `#!/bin/bash
#SBATCH --job-name=${jobName}-merge --time=${time}
${logs('%x_%j')}

cd ${quote(cwd)} || exit 2
exec ${program} merge ${quote(out)}
`,
    'submit.sh': `#!/bin/sh
set -eu
array=$(sbatch --parsable ${quote(`${folder}/shards.sbatch`)})
merge=$(sbatch --parsable --dependency="afterok:\${array%%;*}" --kill-on-invalid-dep=yes ${quote(`${folder}/merge.sbatch`)})
echo "shards $array, merge $merge"
`,
  };
}
