#!/bin/sh
# Starts Redis on a node with a sentinel: as a replica of the primary that the sentinels name, or as the primary.
set -eu
. "$(dirname "$0")/find-primary.sh"
data=${REDIS_DATA:-/data}
deadline=$(($(date +%s) + SENTINEL_GET_MASTER_SECONDS))
self="$NODE_HOST $NODE_PORT"

has_data() { [ -e "$data/appendonlydir" ] || [ -e "$data/dump.rdb" ]; }
is_late() { [ "$(date +%s)" -ge "$deadline" ]; }
is_first() { [ "$POD_NAME" = "$FIRST_NODE" ]; }

find_primary() {
  while :; do
    if primary=$(primary_of_sentinels); then
      # This node was the primary. With its data it still is. Without, the replicas would copy an empty data set: one of them takes over.
      if [ "$primary" != "$self" ] || has_data || no_replica_left; then return; fi
      say 'the sentinels name this node, which has no data: asked for a fail-over'
    elif [ -n "${EXTERNAL_PRIMARY-}" ]; then
      primary=$EXTERNAL_PRIMARY
      return
    elif is_first && ! has_data; then
      # The first start of the release: nobody has data, and no sentinel runs before a primary does.
      primary=$self
      return
    fi
    if is_late; then
      if is_first && [ "$SENTINEL_RECOVER" = yes ]; then
        say 'no sentinel names a primary: this node becomes it'
        primary=$self
        return
      fi
      say "no sentinel named a primary within $SENTINEL_GET_MASTER_SECONDS seconds"
      exit 1
    fi
    sleep 1
  done
}

# Names of nodes exist only after the cluster has published them.
wait_for_own_name() {
  failed=0
  until getent hosts "$NODE_HOST" >/dev/null; do
    failed=$((failed + 1))
    if [ "$failed" -ge "$NAME_RESOLUTION_THRESHOLD" ]; then
      say "$NODE_HOST has no address after $failed look-ups"
      return
    fi
    sleep "$NAME_RESOLUTION_SECONDS"
  done
}

wait_for_own_name
find_primary
if [ "$primary" = "$self" ]; then
  say 'starts as the primary'
  REDIS_REPLICATION_MODE=master
else
  say "starts as a replica of $primary"
  REDIS_REPLICATION_MODE=replica
  REDIS_MASTER_HOST=${primary% *}
  REDIS_MASTER_PORT_NUMBER=${primary##* }
  export REDIS_MASTER_HOST REDIS_MASTER_PORT_NUMBER
fi
export REDIS_REPLICATION_MODE
exec /usr/local/bin/redis-entrypoint redis-server --replica-announce-ip "$NODE_HOST" --replica-announce-port "$NODE_PORT" "$@"
