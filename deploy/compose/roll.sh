#!/bin/sh
# Replaces every process of the program, one service after the other, each ready before the next one goes: nobody
# notices. For a new version build or pull the image first. With arguments: only these services.
set -eu
cd "$(dirname "$0")"
# A read model of a new version is filled from the whole log before its process is ready.
READY_SECONDS_MAX=${READY_SECONDS_MAX:-21600}

[ $# -gt 0 ] || set -- project-a api-a api-b relay project-b agents
docker compose run --rm --no-deps migrate
for service in "$@"; do
    docker compose up --detach --no-deps --force-recreate --wait --wait-timeout "$READY_SECONDS_MAX" "$service"
done
