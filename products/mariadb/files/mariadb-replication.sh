# Prepares primaries and replicas. A part of mariadb-entrypoint, which sets the variables.
# shellcheck shell=sh disable=SC2154

# A primary that starts together with its replicas answers in less. Later, the platform restarts the replica.
PRIMARY_SECONDS_MAX=120

# Prints the statements for the account of replicas. It copies the whole database, as a replica does anyway.
replication_statements() {
  account="$(literal "$replication_user")@'%'"
  line "set sql_mode = '';"
  line "create user if not exists $account;"
  line "alter user $account identified by $(literal "$replication_password");"
  line "grant replication slave, binlog monitor, reload, process, select, show view, trigger, event, lock tables on *.* to $account;"
}

# Runs a program as a client of the primary.
with_primary() (
  program=$1
  shift
  user=$replication_user MYSQL_PWD=$replication_password
  if [ -n "$copy_password" ]; then user=${copy_user:-root} MYSQL_PWD=$copy_password; fi
  export MYSQL_PWD
  "$program" --no-defaults --protocol=tcp --host="$primary_host" --port="$primary_port" --user="$user" \
    --skip-ssl-verify-server-cert "$@"
)

# Copies the data of the primary, and notes the position in its log.
copy_data() {
  seconds=0
  until with_primary mariadb-admin --connect-timeout=5 --silent ping >/dev/null 2>&1; do
    [ "$seconds" -lt "$PRIMARY_SECONDS_MAX" ] || fail "the primary $primary_host:$primary_port does not accept connections" 69
    seconds=$((seconds + 1))
    sleep 1
  done
  install_tables "$1"
  # The dump contains functions as their authors wrote them.
  start_private "$1" --log-bin-trust-function-creators=ON
  # A dump that fails ends with a statement that fails, because a pipe has the exit code of its last program.
  {
    echo 'set session sql_log_bin = 0;'
    with_primary mariadb-dump --default-character-set=utf8mb4 --all-databases --single-transaction --quick \
      --routines --events --triggers --hex-blob --master-data=1 --gtid ||
      echo "signal sqlstate '45000' set message_text = 'the dump is not complete';"
    echo "set sql_mode = ''; flush privileges;"
    account_statements
  } | run_sql || fail "the data of the primary $primary_host:$primary_port could not be copied" 69
  stop_private
}

# MariaDB keeps this file while the server is a replica.
is_replica() { [ -e "$data/master.info" ]; }

# Promotes data of a replica, and creates the account of replicas on data that began without it.
prepare_primary() {
  known=
  if [ -e "$data/replication.user" ]; then read -r known <"$data/replication.user"; fi
  if [ "$mode" != primary ]; then known=$replication_user; fi
  if [ "$known" = "$replication_user" ] && ! is_replica; then return; fi
  start_private "$data" --skip-slave-start
  if is_replica; then echo 'stop slave; reset slave all;' | run_sql; fi
  if [ "$known" != "$replication_user" ]; then replication_statements | run_sql; fi
  stop_private
  rm -f "$data/replica.sql"
  if [ "$mode" = primary ]; then printf '%s\n' "$replication_user" >"$data/replication.user"; fi
}

# Writes the statements that start the replication. The password is in a file: other processes could read an argument.
prepare_replica() {
  # It would diverge from the primary, or lose its own changes.
  is_replica || fail "$data is the data of a primary: a replica starts with an empty volume" 65
  cat >"$data/replica.sql" <<SQL
set sql_mode = '';
change master to master_host = $(literal "$primary_host"), master_port = $primary_port, master_user = $(literal "$replication_user"), master_password = $(literal "$replication_password"), master_use_gtid = slave_pos, master_ssl_verify_server_cert = 0, master_connect_retry = 10;
start slave;
SQL
}
