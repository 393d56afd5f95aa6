#!/usr/bin/env bash
# A real Slurm of one node on loopback, from Debian's packages slurmctld slurmd slurm-client munge.
#
#     slurm.sh start FOLDER     then: source FOLDER/environment
#     slurm.sh stop FOLDER
#
# All state lies in FOLDER; nothing listens off loopback. Needs root.
set -euo pipefail

start() {
    local folder=$1
    mkdir -p "$folder/state" "$folder/spool"
    cat > "$folder/slurm.conf" <<CONF
ClusterName=rung-test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$((21000 + $$ % 10000))
SlurmdPort=$((31000 + $$ % 10000))
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=5,batch_sched_delay=0
SlurmdParameters=config_overrides
KillWait=5
ReturnToService=2
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=60 State=UP
PartitionName=learn Nodes=localhost MaxTime=30 State=UP
CONF
    echo "export SLURM_CONF=$folder/slurm.conf" > "$folder/environment"
    install -d -o munge -g munge -m 0755 "$folder/munge"
    # munged refuses folders that others may write to, as temporary ones may be: hence --force.
    runuser -u munge -- munged --force --key-file=/etc/munge/munge.key \
        --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
        --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
    ln -sfn "$folder/munge/socket" "$folder/munge.socket"
    source "$folder/environment"
    slurmctld -c
    slurmd -N localhost
    for _ in $(seq 100); do
        if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then
            return 0
        fi
        sleep 0.2
    done
    echo "the node does not become idle:" >&2
    sinfo >&2 || true
    tail -n 20 "$folder"/*.log >&2
    return 1
}

stop() {
    local folder=$1 pid
    for pid in "$folder"/slurmctld.pid "$folder"/slurmd.pid "$folder"/munge/pid; do
        if [ -s "$pid" ]; then
            kill "$(cat "$pid")" 2>/dev/null || true
        fi
    done
}

case ${1:-} in
    start | stop) "$1" "${2:?a folder is missing}" ;;
    *) sed -n '2,8p' "$0" >&2; exit 2 ;;
esac
