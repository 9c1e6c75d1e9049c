# Functions of the start scripts of nodes and sentinels: they find the primary.
# SENTINEL_PEERS (host:port of every node), SENTINEL_SELF (that of this node), SENTINEL_MASTER_SET
password=${REDIS_PASSWORD-}
if [ -n "${REDIS_PASSWORD_FILE-}" ]; then password=$(cat -- "$REDIS_PASSWORD_FILE"); fi

say() { echo "$(basename "$0"): $*" >&2; }

# Sends a command to a server: host, port, command. Fails if there is no answer within 3 seconds.
ask() {
  ask_host=$1 ask_port=$2
  shift 2
  if [ -n "$password" ]; then export REDISCLI_AUTH="$password"; fi
  if [ "${REDIS_TLS_ENABLED-}" = yes ]; then
    timeout 3 redis-cli --raw --tls --cacert "$REDIS_TLS_CA_FILE" --cert "$REDIS_TLS_CERT_FILE" --key "$REDIS_TLS_KEY_FILE" \
      -h "$ask_host" -p "$ask_port" "$@" 2>/dev/null
  else
    timeout 3 redis-cli --raw -h "$ask_host" -p "$ask_port" "$@" 2>/dev/null
  fi
}

# Prints "host port" of the primary that another node's sentinel names; fails when none names one.
primary_of_sentinels() {
  for peer in $SENTINEL_PEERS; do
    if [ "$peer" = "$SENTINEL_SELF" ]; then continue; fi
    answer=$(ask "${peer%:*}" "${peer##*:}" SENTINEL get-master-addr-by-name "$SENTINEL_MASTER_SET" | tr '\n' ' ') || continue
    # An error has other words in this place.
    case $answer in
      *' '[0-9]*' ')
        echo "${answer% }"
        return
        ;;
    esac
  done
  return 1
}

# Asks every other sentinel for a fail-over; succeeds when no replica could become the primary.
no_replica_left() {
  for peer in $SENTINEL_PEERS; do
    if [ "$peer" = "$SENTINEL_SELF" ]; then continue; fi
    case $(ask "${peer%:*}" "${peer##*:}" SENTINEL failover "$SENTINEL_MASTER_SET") in
      *NOGOODSLAVE*) return 0 ;;
    esac
  done
  return 1
}
