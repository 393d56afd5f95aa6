#!/usr/bin/env bash
# A real Grid Engine of one node, from Debian's packages gridengine-master
# gridengine-exec gridengine-client.
#
#     gridengine.sh start FOLDER     then: source FOLDER/environment
#     gridengine.sh stop FOLDER
#
# All state lies in FOLDER, the packages' own cluster stays as it is. Grid Engine cannot be told to
# listen on loopback alone: on machines that others reach, do not leave it running. Needs root.
set -euo pipefail

lib=/usr/lib/gridengine
share=/usr/share/gridengine

start() {
    local folder=$1 host
    host=$(hostname)
    mkdir -p "$folder/cell/common" "$folder/qmaster/job_scripts" "$folder/execd"
    cat > "$folder/environment" <<ENVIRONMENT
export SGE_ROOT=$folder
export SGE_CELL=cell
export SGE_QMASTER_PORT=$((21000 + $$ % 10000))
export SGE_EXECD_PORT=$((31000 + $$ % 10000))
ENVIRONMENT
    source "$folder/environment"
    for part in bin lib util utilbin; do
        ln -sfn "/var/lib/gridengine/$part" "$folder/$part"
    done
    sed -e "s|^spooling_method.*|spooling_method classic|" \
        -e "s|^spooling_lib.*|spooling_lib libspoolc|" \
        -e "s|^spooling_params.*|spooling_params $folder/cell/common;$folder/qmaster|" \
        -e "s|^qmaster_spool_dir.*|qmaster_spool_dir $folder/qmaster|" \
        -e "s|^admin_user.*|admin_user none|" \
        $share/default-bootstrap > "$folder/cell/common/bootstrap"
    # An address must resolve to the name that the host gives itself, and not to localhost.
    echo "$host localhost" > "$folder/cell/common/host_aliases"
    echo "$host" > "$folder/cell/common/act_qmaster"
    "$lib/spoolinit" classic libspoolc "$folder/cell/common;$folder/qmaster" init
    # No login shells: profiles may take a lock (pyenv's does), and a job that is deleted amid one
    # would leave it to the next, which waits for it for a minute.
    sed -e "s|^execd_spool_dir.*|execd_spool_dir $folder/execd|" \
        -e "s|^min_[ug]id.*||" \
        -e "s|^load_report_time.*|load_report_time 00:00:02|" \
        -e "s|^login_shells.*|login_shells NONE|" \
        $share/default-configuration > "$folder/configuration"
    "$lib/spooldefaults" configuration "$folder/configuration"
    "$lib/spooldefaults" complexes $share/util/resources/centry
    "$lib/spooldefaults" usersets $share/util/resources/usersets
    "$lib/spooldefaults" managers root
    "$lib/sge_qmaster"
    configure "$folder" "$host"
    "$lib/sge_execd"
    for _ in $(seq 100); do
        if qstat -f 2>/dev/null | grep -q "main@.* 0/0/4 *[0-9]"; then
            return 0
        fi
        sleep 0.2
    done
    echo "the node does not report:" >&2
    qstat -f >&2 || true
    tail -n 20 "$folder"/qmaster/messages "$folder"/execd/*/messages >&2
    return 1
}

configure() {
    local folder=$1 host=$2
    # sge_qmaster returns before it listens.
    for _ in $(seq 100); do
        if qconf -sh > /dev/null 2>&1; then
            break
        fi
        sleep 0.1
    done
    qconf -as "$host" || true
    qconf -ah "$host" || true
    printf '%s\n' "hostname $host" "load_scaling NONE" "complex_values NONE" "user_lists NONE" \
        "xuser_lists NONE" "projects NONE" "xprojects NONE" "usage_scaling NONE" \
        "report_variables NONE" > "$folder/host"
    qconf -Ae "$folder/host"
    qconf -ssconf | sed "s|^schedule_interval.*|schedule_interval 0:0:1|" > "$folder/scheduler"
    qconf -Msconf "$folder/scheduler"
    qconf -Ap $share/util/resources/pe/smp
    qconf -sq > "$folder/queue"
    sed -i -e "s|^qname.*|qname main|" -e "s|^hostlist.*|hostlist $host|" \
        -e "s|^slots .*|slots 4|" -e "s|^pe_list.*|pe_list smp|" -e "s|^shell .*|shell /bin/bash|" \
        -e "s|^load_thresholds.*|load_thresholds NONE|" "$folder/queue"
    qconf -Aq "$folder/queue"
}

stop() {
    local folder=$1 pid
    for pid in "$folder"/execd/*/execd.pid "$folder"/execd/execd.pid "$folder"/qmaster/qmaster.pid; do
        if [ -s "$pid" ]; then
            kill "$(cat "$pid")" 2>/dev/null || true
        fi
    done
}

case ${1:-} in
    start | stop) "$1" "${2:?a folder is missing}" ;;
    *) sed -n '2,10p' "$0" >&2; exit 2 ;;
esac
