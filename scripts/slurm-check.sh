#!/usr/bin/env bash
# npm run slurm:check: a grid through a real Slurm of one machine, as `frostline slurm` sends it. Two shards run, an urgent
# job preempts them, they go on from their checkpoints, the merge follows; what comes must be what one process makes, but
# for the times. Needs root, slurm-wlm and munge (Debian's); everything lies in one folder, nothing under /etc changes.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in slurmctld slurmd sbatch munged; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed (apt-get install slurm-wlm munge)"; exit 0; }
done
[ "$(id -u)" = 0 ] || { echo 'skipped: the daemons of this check need root'; exit 0; }
[ -f dist/cli/main.js ] || { echo 'dist/ is missing: npm run build' >&2; exit 2; }
S=$(mktemp -d)
mkdir -p "$S"/{state,spool-n1,spool-n2,log,munge}
chmod 700 "$S/munge"
stop() {
  local pid
  for pid in "$S"/slurmd-n1.pid "$S"/slurmd-n2.pid "$S"/slurmctld.pid "$S"/munge/pid; do
    [ ! -f "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true
  done
  sleep 1
  rm -rf "$S"
}
trap stop EXIT
dd if=/dev/urandom of="$S/munge/key" bs=128 count=1 status=none
chmod 600 "$S/munge/key"
munged --force --key-file="$S/munge/key" --socket="$S/munge/socket" --pid-file="$S/munge/pid" \
  --log-file="$S/munge/log" --seed-file="$S/munge/seed" 2>/dev/null
# A task that is put back in the queue waits cred_expire + 1 seconds.
cat >"$S/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=6817
AuthType=auth/munge
AuthInfo=socket=$S/munge/socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$S/state
SlurmdSpoolDir=$S/spool-%n
SlurmctldPidFile=$S/slurmctld.pid
SlurmdPidFile=$S/slurmd-%n.pid
SlurmctldLogFile=$S/log/slurmctld.log
SlurmdLogFile=$S/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
SchedulerType=sched/builtin
SchedulerParameters=sched_min_interval=1000000,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
KillWait=5
SlurmdTimeout=5
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
CommunicationParameters=NoCtldInAddrAny
SlurmdParameters=config_overrides
NodeName=n[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[6821-6822] CPUs=1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP PriorityTier=1 GraceTime=5
PartitionName=urgent Nodes=ALL MaxTime=60 State=UP PriorityTier=10 PreemptMode=OFF
CONF
export SLURM_CONF=$S/slurm.conf
slurmctld -c
sleep 2
slurmd -N n1
slurmd -N n2
sleep 3
echo "Slurm $(sbatch --version | cut -d' ' -f2), nodes: $(sinfo -N -h -o '%N %t' | tr '\n' ' ')"

grid=(quickstart --freeze 2,10 --splits 2 --repeats 2 --epochs 12 --augment paper)
node bin/frostline.mjs slurm "${grid[@]}" --out "$S/grid" --jobs "$S/jobs" --shards 2 --time 10 >/dev/null
sh "$S/jobs/submit.sh" | tee "$S/sent"
array=$(sed -E 's/^shards ([0-9]+).*/\1/' "$S/sent")
merge=$(sed -E 's/.*merge ([0-9]+)$/\1/' "$S/sent")
# Not before there is something to go on from.
for ((i = 0; i < 600; i++)); do
  compgen -G "$S/grid/cells/*/checkpoint.bin" >/dev/null && break
  sleep 0.2
done
compgen -G "$S/grid/cells/*/checkpoint.bin" >/dev/null || { echo 'no cell reached a checkpoint' >&2; exit 1; }
sbatch --parsable --wait --partition=urgent --ntasks=2 --output="$S/urgent.out" --wrap 'sleep 2' >/dev/null
restarts=$(scontrol show job "$array" | grep -oE 'Restarts=[0-9]+' | cut -d= -f2 | paste -sd+ | bc)
echo "restarts of the two tasks after the urgent job: $restarts"
[ "$restarts" -gt 0 ] || { echo 'no task was preempted' >&2; exit 1; }
for ((i = 0; i < 600; i++)); do
  state=$(scontrol show job "$merge" | grep -oE 'JobState=[A-Z_]+' | cut -d= -f2)
  case $state in COMPLETED) break ;; FAILED | CANCELLED | TIMEOUT) break ;; esac
  sleep 1
done
echo "merge: $state"
if [ "$state" != COMPLETED ]; then
  tail -n 20 "$S"/jobs/*.out >&2
  exit 1
fi
grep -h 'goes on after step' "$S"/jobs/*.out || { echo 'no cell went on from a checkpoint' >&2; exit 1; }

node bin/frostline.mjs sweep "${grid[@]}" --out "$S/alone" >/dev/null 2>&1
without_times() { node --input-type=module -e '
  import { readFileSync } from "node:fs";
  import { parse } from "csv-parse/sync";
  for (const { seconds, ...row } of parse(readFileSync(process.argv[1]), { columns: true })) console.log(JSON.stringify(row));
' "$1"; }
diff <(without_times "$S/grid/results.csv") <(without_times "$S/alone/results.csv")
cmp "$S/grid/predictions.csv" "$S/alone/predictions.csv"
cmp "$S/grid/verdict.json" "$S/alone/verdict.json"
cmp "$S/grid/best.onnx" "$S/alone/best.onnx"
echo "as one process: results.csv but for the times, predictions.csv, verdict.json, best.onnx ($(wc -l <"$S/alone/results.csv") lines of results)"
