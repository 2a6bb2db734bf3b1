#!/bin/sh
# Starts an account's Jupyter server, as that account: what it makes is closed to others, and its limits can't be raised.
set -eu
umask 077
chmod 700 "$HOME"
mkdir -p "$TMPDIR"
if [ -n "${DL1_MEMORY:-}" ]; then
    exec prlimit --data="$DL1_MEMORY" --nproc="$DL1_PROCESSES" --core=0 -- "$@"
fi
exec "$@"
