#!/bin/sh
# A sentinel is healthy if it answers and knows its primary.
set -eu
. "$(dirname "$0")/find-primary.sh"
[ "${SENTINEL_AUTH-}" = yes ] || password=
[ -n "$(ask 127.0.0.1 "$SENTINEL_PORT" SENTINEL get-master-addr-by-name "$SENTINEL_MASTER_SET")" ]
