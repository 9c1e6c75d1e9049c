# Writes the files that RabbitMQ reads. A part of rabbitmq-entrypoint, which sets the variables.
# shellcheck shell=sh disable=SC2154

# Nodes and tools with the same cookie trust each other. A node without peers needs none that lasts.
# Erlang rejects a file that others can read, and an earlier one may belong to another user.
write_cookie() {
  # Some engines set the home of /etc/passwd, which a read-only root protects.
  mkdir -p "$HOME" 2>/dev/null && [ -w "$HOME" ] || HOME=/tmp/rabbitmq-home
  mkdir -p "$HOME"
  export HOME
  rm -f "$HOME/.erlang.cookie"
  (umask 0377 && printf %s "${cookie:-$(openssl rand -hex 32)}" >"$HOME/.erlang.cookie")
}

# Plugins are files or folders NAME-VERSION.
has_plugin() {
  for path in /usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins/"$1"-[0-9]* /usr/lib/rabbitmq/plugins/"$1"-[0-9]*; do
    if [ -e "$path" ]; then return 0; fi
  done
  return 1
}

# Names are separated by commas, semicolons or spaces.
write_plugins() {
  if [ -z "$plugins$plugins_given" ]; then
    if [ -e "$etc/enabled_plugins" ]; then
      cp "$etc/enabled_plugins" "$run/enabled_plugins"
      return
    fi
    plugins='rabbitmq_management rabbitmq_prometheus'
  fi
  list=
  for plugin in $(printf %s "$plugins" | tr ',;' '  '); do
    has_plugin "$plugin" || fail "RABBITMQ_PLUGINS names $plugin, which is not a plugin of this image"
    list=${list:+$list,}$plugin
  done
  echo "[$list]." >"$run/enabled_plugins"
}

has_definitions() {
  for file in "$etc"/definitions.d/*.json; do
    if [ -e "$file" ]; then return 0; fi
  done
  return 1
}

# A text as JSON.
quoted() {
  printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g; s/\t/\\t/g')"
}

# RabbitMQ stores a password as four random bytes and SHA-256 of them and the password.
hash_password() {
  openssl rand 4 >"$run/salt"
  {
    cat "$run/salt"
    { cat "$run/salt" && printf %s "$password"; } | openssl dgst -sha256 -binary
  } | base64 -w 0
  rm "$run/salt"
}

# RabbitMQ imports each file of the folder at each start, in the order of their names, and creates no user of its own then.
# Folders of ConfigMaps also contain folders, which it rejects.
write_definitions() {
  mkdir "$run/definitions"
  for file in "$etc"/definitions.d/*.json; do
    cp "$file" "$run/definitions/1-${file##*/}"
  done
  if [ -n "$password" ]; then
    cat >"$run/definitions/0-user.json" <<DEFINITIONS
{
  "vhosts": [{ "name": $(quoted "$vhost") }],
  "users": [{
    "name": $(quoted "$username"), "password_hash": $(quoted "$(hash_password)"),
    "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "administrator"
  }],
  "permissions": [{ "user": $(quoted "$username"), "vhost": $(quoted "$vhost"), "configure": ".*", "write": ".*", "read": ".*" }]
}
DEFINITIONS
  fi
}

# The memory of the container. RabbitMQ would take that of the machine.
memory_limit() {
  for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    if [ -r "$file" ]; then
      read -r limit <"$file"
      # Without a limit, cgroup v1 has a number of 19 digits.
      case $limit in
        max | ???????????????????*) ;;
        *) echo "$limit" ;;
      esac
      return
    fi
  done
}

# A later line wins.
write_settings() {
  limit=$(memory_limit)
  {
    [ -z "$limit" ] || echo "total_memory_available_override_value = $limit"
    for file in "$etc/rabbitmq.conf" "$etc"/conf.d/*.conf; do
      [ ! -e "$file" ] || { cat "$file" && echo; }
    done
    [ -z "$management_port" ] || echo "management.tcp.port = $management_port"
    ! has_definitions || echo "load_definitions = $run/definitions"
  } >"$run/rabbitmq.conf"
  # Settings of files may name more nodes.
  if [ -n "$peer" ] && ! grep -q '^ *cluster_formation\.' "$run/rabbitmq.conf"; then
    {
      echo 'cluster_formation.peer_discovery_backend = classic_config'
      echo "cluster_formation.classic_config.nodes.1 = $peer"
      [ "$peer" = "$node" ] || echo "cluster_formation.classic_config.nodes.2 = $node"
    } >>"$run/rabbitmq.conf"
  fi
}

# A new node that does not reach its peer would form a cluster of its own. RabbitMQ locks the rest: which of two new nodes joins the other.
wait_for_peer() {
  waited=0
  until RABBITMQ_HEALTH_NODE=$peer rabbitmq-health alive; do
    [ "$waited" -lt "$PEER_SECONDS_MAX" ] || fail "the node $peer of RABBITMQ_CLUSTER_NODE_NAME does not answer" 69
    waited=$((waited + 1))
    sleep 1
  done
}
