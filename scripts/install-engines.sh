#!/bin/sh
# Installs what `make test-all` drives: nginx and wrk from Debian, and the real clients where their kit lies beside the project.
set -eu
need=""
command -v nginx >/dev/null 2>&1 || need="$need nginx-light"
command -v wrk >/dev/null 2>&1 || need="$need wrk"
if [ -n "$need" ]; then
    if command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $need
    else
        echo "missing:$need (install them by hand; the tests that need them are skipped by name)" >&2
    fi
fi
kit="$(dirname "$0")/../../shared/clients/install.sh"
if [ -f "$kit" ] && command -v npm >/dev/null 2>&1; then
    bash "$kit"
else
    echo "the kit of real clients or npm is missing; their tests are skipped by name" >&2
fi
