#!/bin/bash
# Ends the cluster that start.sh FOLDER has started.
set -uo pipefail
folder=${1:?a folder was wanted: stop.sh FOLDER}
for name in slurmd.n1 slurmd.n2 slurmctld munged; do
  pid=$(cat "$folder/run/$name.pid" 2>/dev/null) || continue
  kill "$pid" 2>/dev/null
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null
done
exit 0
