#!/bin/sh
# Healthy is a sentinel that answers and knows its primary.
set -eu
. "$(dirname "$0")/find-primary.sh"
[ "${SENTINEL_AUTH-}" = yes ] || password=
[ -n "$(ask 127.0.0.1 "$SENTINEL_PORT" SENTINEL get-master-addr-by-name "$SENTINEL_MASTER_SET")" ]
