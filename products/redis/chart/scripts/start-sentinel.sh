#!/bin/sh
# Starts the sentinel of a node. It watches the primary that other sentinels name, else the one that this node's Redis follows.
set -eu
umask 0077
. "$(dirname "$0")/find-primary.sh"
state=${SENTINEL_STATE:-/var/lib/sentinel}
extra=${SENTINEL_CONFIGURATION:-/opt/redis-scripts/sentinel.conf}

# ROLE of Redis: "master …", or "slave", host and port of its primary.
primary_of_node() {
  role=$(ask 127.0.0.1 "$NODE_PORT" ROLE | head -n 3 | tr '\n' ' ') || return 1
  case $role in
    master*) echo "$NODE_HOST $NODE_PORT" ;;
    slave*)
      role=${role#slave }
      echo "${role% }"
      ;;
    *) return 1 ;;
  esac
}

# Printed with printf, because echo of this shell interprets backslashes.
quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }

# Epochs decide between sentinels: a restarted one must not fall behind its own votes. Redis rejects those of a set that is not monitored.
epochs() {
  if [ -e "$state/sentinel.conf" ]; then grep -E "^sentinel (current-epoch|(config|leader)-epoch $SENTINEL_MASTER_SET) " "$state/sentinel.conf" || true; fi
}

configuration() {
  echo "dir $state"
  if [ "${REDIS_TLS_ENABLED-}" = yes ]; then
    printf 'port 0\ntls-port %s\ntls-replication yes\n' "$SENTINEL_PORT"
    printf 'tls-cert-file %s\ntls-key-file %s\n' "$(quoted "$REDIS_TLS_CERT_FILE")" "$(quoted "$REDIS_TLS_KEY_FILE")"
    printf 'tls-ca-cert-file %s\n' "$(quoted "$REDIS_TLS_CA_FILE")"
    echo "tls-auth-clients $REDIS_TLS_AUTH_CLIENTS"
  else
    echo "port $SENTINEL_PORT"
  fi
  echo 'protected-mode no'
  echo "loglevel ${SENTINEL_LOG_LEVEL:-notice}"
  # The same id after every start: a new one would count as one more sentinel, and raise the majority.
  echo "sentinel myid $(printf %s "$SENTINEL_SELF" | sha1sum | cut -d' ' -f1)"
  printf 'sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n'
  printf 'sentinel announce-ip "%s"\nsentinel announce-port %s\n' "$NODE_HOST" "$SENTINEL_PORT"
  echo "sentinel monitor $SENTINEL_MASTER_SET $primary $SENTINEL_QUORUM"
  echo "sentinel down-after-milliseconds $SENTINEL_MASTER_SET $SENTINEL_DOWN_AFTER_MS"
  echo "sentinel failover-timeout $SENTINEL_MASTER_SET $SENTINEL_FAILOVER_TIMEOUT_MS"
  echo "sentinel parallel-syncs $SENTINEL_MASTER_SET $SENTINEL_PARALLEL_SYNCS"
  if [ -n "$password" ]; then
    printf 'sentinel auth-pass %s %s\n' "$SENTINEL_MASTER_SET" "$(quoted "$password")"
    if [ "$SENTINEL_AUTH" = yes ]; then
      printf 'requirepass %s\n' "$(quoted "$password")"
      printf 'sentinel sentinel-pass %s\n' "$(quoted "$password")"
    fi
  fi
  if [ -n "${SENTINEL_USERS_FILE-}" ]; then cat -- "$SENTINEL_USERS_FILE"; fi
  if [ -e "$extra" ]; then cat -- "$extra"; fi
  epochs
}

until primary=$(primary_of_sentinels) || primary=$(primary_of_node); do sleep 1; done
say "watches $primary"
written=$(configuration)
printf '%s\n' "$written" >"$state/sentinel.conf"
unset REDIS_PASSWORD password REDISCLI_AUTH
exec redis-server "$state/sentinel.conf" --sentinel
