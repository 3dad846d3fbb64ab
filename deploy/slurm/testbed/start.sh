#!/bin/bash
# Starts a Slurm cluster of two nodes on this machine, with Debian's packages slurmctld, slurmd, slurm-client and munge, as root:
#
#   deploy/slurm/testbed/start.sh FOLDER        # then: export SLURM_CONF=FOLDER/slurm.conf
#   deploy/slurm/testbed/stop.sh FOLDER
#
# Everything of it lies in FOLDER. The two GPUs of each node are devices that are none (/dev/null by another name).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?a folder was wanted: start.sh FOLDER}
base=${STILLHOUSE_TESTBED_PORT:-16817}
mkdir -p "$folder"/{state,spool.n1,spool.n2,log,run}
folder=$(cd "$folder" && pwd)
sed -e "s#@D@#$folder#g" -e "s#@HOST@#$(hostname)#g" -e "s#@CTLD_PORT@#$base#; s#@N1_PORT@#$((base + 1))#; s#@N2_PORT@#$((base + 2))#" \
  "$here/slurm.conf.in" >"$folder/slurm.conf"
echo "NodeName=n[1-2] Name=gpu File=$folder/run/gpu[0-1]" >"$folder/gres.conf"
for gpu in 0 1; do [ -e "$folder/run/gpu$gpu" ] || mknod "$folder/run/gpu$gpu" c 1 3; done
(umask 077 && head -c 1024 /dev/urandom >"$folder/run/munge.key")
chmod 711 "$folder" "$folder/run"
munged --force --socket="$folder/run/munge.socket" --key-file="$folder/run/munge.key" --pid-file="$folder/run/munged.pid" \
  --log-file="$folder/log/munged.log" --seed-file="$folder/run/munge.seed" </dev/null >/dev/null 2>&1
export SLURM_CONF="$folder/slurm.conf"
slurmctld -f "$SLURM_CONF" </dev/null >/dev/null 2>&1
for node in n1 n2; do slurmd -N "$node" -f "$SLURM_CONF" </dev/null >/dev/null 2>&1; done
for _ in $(seq 100); do
  [ "$(sinfo -h -N -p batch -o '%T' 2>/dev/null | sort -u)" = idle ] && exit 0
  sleep 0.2
done
echo "the cluster does not come up: $(sinfo -h -N -o '%N %T' 2>&1)" >&2
exit 1
